package cron

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests are there on every machine

	"pgregory.net/rapid"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// next are the next n moments, as people of the zone write them.
func next(t interface{ Fatal(...any) }, line, zoneName, after string, n int) []string {
	s, err := Parse(line)
	if err != nil {
		t.Fatal(line, err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", after, zone(t, zoneName))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for range n {
		if at = s.Next(at); at.IsZero() {
			return append(out, "never")
		}
		out = append(out, at.Format("Mon 2006-01-02 15:04 -0700"))
	}
	return out
}

// What lines mean, where schedulers differ as well.
func TestNext(t *testing.T) {
	for _, c := range []struct{ line, after, want string }{
		{"0 3 * * *", "2026-11-28 03:00", "Sun 2026-11-29 03:00 +0000"},
		{"0 3 * * *", "2026-11-28 02:59", "Sat 2026-11-28 03:00 +0000"},
		{"*/15 * * * *", "2026-11-28 23:50", "Sun 2026-11-29 00:00 +0000"},
		{"10-50/20 8,20 * * *", "2026-11-28 08:31", "Sat 2026-11-28 08:50 +0000"},
		{"@weekly", "2026-11-28 00:00", "Sun 2026-11-29 00:00 +0000"},
		{"@Yearly", "2026-11-28 00:00", "Fri 2027-01-01 00:00 +0000"},
		{"0 0 29 2 *", "2096-03-01 00:00", "Fri 2104-02-29 00:00 +0000"},
		{"0 0 1 1 *", "2028-12-30 00:00", "Mon 2029-01-01 00:00 +0000"},
		// Sunday is 0 and 7, and the end of a range.
		{"0 0 * * 7", "2026-11-28 00:00", "Sun 2026-11-29 00:00 +0000"},
		{"0 0 * * 5-7", "2026-11-28 00:00", "Sun 2026-11-29 00:00 +0000"},
		{"0 0 * * sat-SUN", "2026-11-28 00:00", "Sun 2026-11-29 00:00 +0000"},
		{"0 0 * * 1-5", "2026-11-28 00:00", "Mon 2026-11-30 00:00 +0000"},
		// Both days: either; with a star, which */2 has as well: both.
		{"0 0 13 * 5", "2026-11-28 00:00", "Fri 2026-12-04 00:00 +0000"},
		{"0 0 13 * 5", "2026-12-12 00:00", "Sun 2026-12-13 00:00 +0000"},
		{"0 0 */2 * 5", "2026-11-28 00:00", "Fri 2026-12-11 00:00 +0000"},
		{"0 0 13 * *", "2026-11-28 00:00", "Sun 2026-12-13 00:00 +0000"},
		{"0 0 * dec fri", "2026-11-28 00:00", "Fri 2026-12-04 00:00 +0000"},
		{"0 0 31 * *", "2026-11-28 00:00", "Thu 2026-12-31 00:00 +0000"},
	} {
		if got := next(t, c.line, "UTC", c.after, 1)[0]; got != c.want {
			t.Errorf("%s after %s is %s, not %s", c.line, c.after, got, c.want)
		}
	}
}

// The nights in which clocks are changed: what has a fixed time comes once, what has
// a star goes by the clock.
func TestNextWhenClocksChange(t *testing.T) {
	const berlin, newYork, lordHowe, samoa, saoPaulo = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"
	for _, c := range []struct{ line, zone, after, want string }{
		// 02:00 to 03:00 is not there.
		{"30 2 * * *", berlin, "2027-03-27 12:00", "Sun 2027-03-28 03:00 +0200, Mon 2027-03-29 02:30 +0200"},
		{"0 2 * * *", berlin, "2027-03-27 12:00", "Sun 2027-03-28 03:00 +0200, Mon 2027-03-29 02:00 +0200"},
		{"0,30 2 * * *", berlin, "2027-03-27 12:00", "Sun 2027-03-28 03:00 +0200, Mon 2027-03-29 02:00 +0200"},
		{"30 2,3 * * *", berlin, "2027-03-27 12:00", "Sun 2027-03-28 03:00 +0200, Sun 2027-03-28 03:30 +0200"},
		{"30 2 * * 0", berlin, "2027-03-27 12:00", "Sun 2027-03-28 03:00 +0200, Sun 2027-04-04 02:30 +0200"},
		{"30 2 * * 1", berlin, "2027-03-27 12:00", "Mon 2027-03-29 02:30 +0200"},
		{"0 3 * * *", berlin, "2027-03-27 12:00", "Sun 2027-03-28 03:00 +0200, Mon 2027-03-29 03:00 +0200"},
		{"0 * * * *", berlin, "2027-03-28 00:30", "Sun 2027-03-28 01:00 +0100, Sun 2027-03-28 03:00 +0200"},
		{"*/20 2 * * *", berlin, "2027-03-27 12:00", "Mon 2027-03-29 02:00 +0200"},
		{"30 */2 * * *", berlin, "2027-03-28 00:10", "Sun 2027-03-28 00:30 +0100, Sun 2027-03-28 04:30 +0200"},
		{"30 2 * * *", newYork, "2027-03-13 12:00", "Sun 2027-03-14 03:00 -0400, Mon 2027-03-15 02:30 -0400"},
		// 02:00 to 03:00 is there twice.
		{"30 2 * * *", berlin, "2026-10-24 12:00", "Sun 2026-10-25 02:30 +0200, Mon 2026-10-26 02:30 +0100"},
		{"0 3 * * *", berlin, "2026-10-24 12:00", "Sun 2026-10-25 03:00 +0100, Mon 2026-10-26 03:00 +0100"},
		{"0 * * * *", berlin, "2026-10-25 01:30", "Sun 2026-10-25 02:00 +0200, Sun 2026-10-25 02:00 +0100, Sun 2026-10-25 03:00 +0100"},
		{"*/30 2 * * *", berlin, "2026-10-25 01:30", "Sun 2026-10-25 02:00 +0200, Sun 2026-10-25 02:30 +0200, Sun 2026-10-25 02:00 +0100, Sun 2026-10-25 02:30 +0100, Mon 2026-10-26 02:00 +0100"},
		{"30 1 * * *", newYork, "2026-10-31 12:00", "Sun 2026-11-01 01:30 -0400, Mon 2026-11-02 01:30 -0500"},
		{"0 0 1 1 *", berlin, "2028-12-31 12:00", "Mon 2029-01-01 00:00 +0100, Tue 2030-01-01 00:00 +0100"},
		// Half an hour; midnight; a whole day.
		{"15 2 * * *", lordHowe, "2026-10-03 12:00", "Sun 2026-10-04 02:30 +1100, Mon 2026-10-05 02:15 +1100"},
		{"45 1 * * *", lordHowe, "2027-04-03 12:00", "Sun 2027-04-04 01:45 +1100, Mon 2027-04-05 01:45 +1030"},
		{"0 0 * * *", saoPaulo, "2018-11-03 12:00", "Sun 2018-11-04 01:00 -0200, Mon 2018-11-05 00:00 -0200"},
		{"0 0 * * *", samoa, "2011-12-29 12:00", "Sat 2011-12-31 00:00 +1400, Sun 2012-01-01 00:00 +1400"},
		{"0 12 30 12 *", samoa, "2011-12-29 12:00", "Sat 2011-12-31 00:00 +1400, Sun 2012-12-30 12:00 +1400"},
	} {
		want := strings.Split(c.want, ", ")
		if got := next(t, c.line, c.zone, c.after, len(want)); strings.Join(got, ", ") != c.want {
			t.Errorf("%s in %s after %s: %q, want %q", c.line, c.zone, c.after, got, want)
		}
	}
}

// What is refused, and what is said to write instead.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ line, reason, instead string }{
		{"", "empty", "0 3 * * *"},
		{"0 3 * *", "4 fields", "five fields"},
		{"0 0 3 * * *", "no seconds", "write 0 3 * * *"},
		{"30 3 * * * *", "no years", "write 30 3 * * *"},
		{"1 2 3 4 5 6 7", "7 fields", "five fields"},
		{"TZ=UTC 0 3 * * *", "zone", `timezone = "UTC"`},
		{"TZ=0", "zone", `timezone = "0"`},
		{"CRON_TZ=UTC", "zone", `timezone = "UTC"`},
		{"@reboot", "not a time", "process"},
		{"@every 10m", "no fixed start", "*/10 * * * *"},
		{"@fortnightly", "not known", "@daily"},
		{"*/90 * * * *", "longer than its range", "one by one"},
		{"*/120 * * * *", "longer than its range", "every 2 hours: 0 */2 * * *"},
		{"*/60 * * * *", "longer than its range", "every hour: 0 * * * *"},
		{"0 */24 * * *", "longer than its range", "write 0"},
		{"0 0 31 2 *", "no month", "last day"},
		{"0 0 30 2 *", "no month", "last day"},
		{"0 0 31 4,6,9,11 *", "no month", "last day"},
		{"0 22-2 * * *", "runs backwards", "22-23,0-2"},
		{"0 0 * * fri-mon", "runs backwards", "5-6,0-1"},
		{"0 0 * nov-feb *", "runs backwards", "11-12,1-2"},
		{"5/15 * * * *", "without a range", "5-59/15"},
		{"*/0 * * * *", "no step", "*/5"},
		{"*/-1 * * * *", "no step", "*/5"},
		{"*/ * * * *", "no step", "*/5"},
		{"60 * * * *", "cannot be 60", "0 to 59"},
		{"0 24 * * *", "cannot be 24", "0 to 23"},
		{"0 0 0 * *", "cannot be 0", "1 to 31"},
		{"0 0 * 13 *", "cannot be 13", "1 to 12, or jan to dec"},
		{"0 0 * * 8", "cannot be 8", "0 to 7, or sun to sat"},
		{"0 0 * * monday", "cannot be monday", "write mon"},
		{"0 0 * * 5L", "some other schedulers", "0 to 7"},
		{"0 0 L * *", "some other schedulers", "1 to 31"},
		{"0 0 ? * *", "cannot be ?", "*"},
		{"H 0 * * *", "some other schedulers", "0 to 59"},
		{"1, 0 * * *", "lacks a value", "0 to 59"},
		{"-1 0 * * *", "lacks a value", "0 to 59"},
		{"+1 0 * * *", "cannot be +1", "0 to 59"},
		{"99999999999999999999 0 * * *", "99999999999999999999", "0 to 59"},
		{"** 0 * * *", "cannot be **", "0 to 59"},
	} {
		_, err := Parse(c.line)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q is read", c.line)
			continue
		}
		if !strings.Contains(e.Error(), c.reason) || !strings.Contains(e.Instead, c.instead) {
			t.Errorf("%q: %v; want %s, and instead %s", c.line, e, c.reason, c.instead)
		}
	}
}

// Minute by minute, with a calendar, the same comes.
func TestNextAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := func(values ...string) string { return rapid.SampledFrom(values).Draw(t, "field") }
		line := strings.Join([]string{part("*", "*/7", "0", "30", "59", "1,31", "10-50/20"), part("*", "*/5", "1", "2", "0,3", "23"),
			part("*", "*/2", "1", "28-31", "25"), part("*", "3", "10", "3,10-11"), part("*", "0", "1-5", "*/3")}, " ")
		s, err := Parse(line)
		if err != nil {
			t.Skip(err)
		}
		loc := zone(t, rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"}).Draw(t, "zone"))
		from := time.Date(2026, time.Month(rapid.SampledFrom([]int{3, 4, 10, 11}).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "day"),
			rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, loc)
		limit := from.AddDate(0, 0, 9)
		want := counted(s, from, limit)
		var got []string
		for at := s.Next(from); !at.IsZero() && at.Before(limit); at = s.Next(at) {
			got = append(got, at.Format(time.RFC3339))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s from %v: %v, want %v", line, from, got, want)
		}
	})
}

// counted looks at each minute.
func counted(s *Schedule, from, limit time.Time) (found []string) {
	fits := func(y time.Time) bool {
		return s.minute&(1<<y.Minute()) != 0 && s.hour&(1<<y.Hour()) != 0 && s.month&(1<<y.Month()) != 0 && s.day(y)
	}
	shown := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	seen := map[time.Time]bool{}
	for t := from.AddDate(0, 0, -1); t.Before(limit); t = t.Add(time.Minute) {
		now := shown(t)
		come := fits(now) && (s.follows || !seen[now])
		if before := shown(t.Add(-time.Minute)); !s.follows {
			for gap := before.Add(time.Minute); gap.Before(now); gap = gap.Add(time.Minute) {
				come = come || fits(gap)
			}
		}
		seen[now] = true
		if come && t.After(from) {
			found = append(found, t.Format(time.RFC3339))
		}
	}
	return found
}

// A line that never comes again costs no more than a moment, whoever wrote it.
func TestNextOfRareDays(t *testing.T) {
	d := await.CPUTime(t, func() {
		if got := next(t, "0 0 29 2 */6", "Europe/Berlin", "2096-03-01 00:00", 1)[0]; !strings.HasPrefix(got, "S") {
			t.Error(got)
		}
	})
	if d > time.Second {
		t.Errorf("it takes %v", d)
	}
}
