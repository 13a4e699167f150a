#!/usr/bin/env bash
# systemd 252 (Debian 12: systemd and libsystemd-shared 252.39-1~deb12u2)
#
# Guess: OnCalendar= goes by the clock on the wall as cron does: 02:30 of the night in spring that has
# no such hour comes when the hour is over, or at 03:30; hourly and *:0/15 come in both of the hours
# called two of the night in autumn, for an hour has passed between them.
# What happens: 02:30 of that night does not come at all, and one of a Sunday, Sun 02:30, comes a week
# later. "daily" leaves that day out where clocks are put forward at midnight, as in Cairo. In autumn the second of the two hours has no times: after 02:00 summer time "hourly" comes at
# 03:00 winter time, two hours later, and *:0/15 pauses for 75 minutes. A timer that is started within
# that second hour has times in it.
# Who is hurt: backups on Sunday at 02:30, which have a hole of two weeks in spring; what is to look
# every quarter of an hour whether all is well; and who moves jobs between cron and timers.
. "$(dirname "$(readlink -f "$0")")/lib"
systemd
# The next times from a moment on, as UTC: MOMENT COUNT EXPRESSION ZONE
times() {
  local zone=${4:-Europe/Berlin}
  TZ=UTC LC_ALL=C root/usr/bin/systemd-analyze calendar --base-time="$1 UTC" --iterations="$2" "$3 $zone" | sed -n 's/^ *\(Next elapse\|Iter[^:]*\): \(.*\) UTC$/\2/p' | paste -sd, | sed 's/,/, /g'
}
expect '02:30 in spring' 'Mon 2027-03-29 00:30:00, Tue 2027-03-30 00:30:00' "$(times '2027-03-27 12:00' 2 '02:30')"
expect 'Sun 02:30 in spring' 'Sun 2027-04-04 00:30:00' "$(times '2027-03-27 12:00' 1 'Sun 02:30')"
expect 'daily in spring, in Cairo' 'Wed 2027-04-28 22:00:00, Fri 2027-04-30 21:00:00' "$(times '2027-04-28 12:00' 2 'daily' Africa/Cairo)"
expect '03:00 in spring' 'Sun 2027-03-28 01:00:00' "$(times '2027-03-27 12:00' 1 '03:00')"
expect '*:0/15 in autumn' 'Sun 2027-10-31 00:45:00, Sun 2027-10-31 02:00:00' "$(times '2027-10-31 00:40' 2 '*:0/15')"
expect 'hourly in autumn' 'Sun 2027-10-31 00:00:00, Sun 2027-10-31 02:00:00' "$(times '2027-10-30 23:30' 2 'hourly')"
expect '02:30 in autumn' 'Sun 2027-10-31 00:30:00, Mon 2027-11-01 01:30:00' "$(times '2027-10-30 12:00' 2 '02:30')"
expect '*:0/15 in the second hour' 'Sun 2027-10-31 01:15:00, Sun 2027-10-31 01:30:00' "$(times '2027-10-31 01:01' 2 '*:0/15')"
