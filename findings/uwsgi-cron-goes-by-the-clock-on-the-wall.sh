#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12: uwsgi-core and uwsgi-plugin-python3 2.0.21-5.1), its clock set by libfaketime 0.9.10
# (libfaketime 0.9.10-2.1)
#
# Guess: "cron = 30 2 -1 -1 -1" is a line of crontab with -1 for *, and does in the two nights in which
# clocks are changed what Debian's cron does: it comes once, in spring when the hour is over that
# is not there.
# What happens: uWSGI compares the fields with the clock on the wall in each minute. In autumn the job runs
# at 02:30 summer time, and at 02:30 winter time again; in spring it does not run.
# Who is hurt: who sends letters or writes invoices by it, twice in that night; and who compares a day's
# numbers with those of a day on which none were made.
. "$(dirname "$(readlink -f "$0")")/lib"
uwsgi
debian libfaketime=0.9.10-2.1 tzdata
faketime=$(echo root/usr/lib/*/faketime/libfaketime.so.1)
echo 'def application(environ, start_response): start_response("200 OK", []); return [b""]' >app.py
# When the job ran in what is 75 minutes for uWSGI, from a moment of UTC on, as the clock in Berlin shows it.
ran() {
  : >ran.txt
  TZ=Europe/Berlin TZDIR=$WORK/root/usr/share/zoneinfo LD_PRELOAD=$WORK/$faketime FAKETIME="+$(($(date -ud "$1" +%s) - $(date +%s)))s x60" timeout -s INT 75 \
    root/usr/bin/uwsgi-core --plugin "$plugin" --master --socket "$WORK/socket" --wsgi-file app.py --cron "30 2 -1 -1 -1 date '+%F %H:%M %Z' >>$WORK/ran.txt" >uwsgi.log 2>&1 || true
  paste -sd, ran.txt
}
expect 'version' '2.0.21-debian' "$(root/usr/bin/uwsgi-core --version)"
expect 'in summer' '2027-07-01 02:30 CEST' "$(ran '2027-07-01 00:15')"
expect 'in autumn' '2027-10-31 02:30 CEST,2027-10-31 02:30 CET' "$(ran '2027-10-31 00:28')"
expect 'in spring' '' "$(ran '2027-03-28 00:30')"
