package systemd

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// nextBySystemd are the next times of a calendar expression, as systemd-analyze tells
// them; nil: it takes no such expression.
func nextBySystemd(t *testing.T, text string, from time.Time, n int) []string {
	t.Helper()
	out := peertest.RunPeer(t, "/", []string{"TZ=UTC", "LC_ALL=C"}, "systemd-analyze", "calendar", fmt.Sprintf("--iterations=%d", n),
		"--base-time="+from.Format("2006-01-02 15:04:05 UTC"), text)
	var times []string
	for line := range strings.SplitSeq(out, "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if (key != "Next elapse" && !strings.HasPrefix(key, "Iter")) || value == "never" {
			continue
		}
		at, err := time.Parse("Mon 2006-01-02 15:04:05 MST", value)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		times = append(times, at.Format(time.DateTime))
	}
	if strings.Contains(out, "Failed to parse") {
		return nil
	}
	return append([]string{""}, times...)
}

func nextHere(t *testing.T, line string, from time.Time, n int) []string {
	t.Helper()
	s, err := cron.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	times := []string{""}
	for range n {
		if from = s.Next(from); from.IsZero() {
			break
		}
		times = append(times, from.Format(time.DateTime))
	}
	return times
}

// What is carried over of a timer comes when systemd says that the timer does.
func TestCalendarMeansWhatSystemdDoes(t *testing.T) {
	peertest.Need(t, "systemd-analyze")
	texts := []string{"minutely", "hourly", "daily", "weekly", "Monthly", "quarterly", "semiannually", "yearly", "02:30", "2:3:0", "*:0/15", "*:0/7", "Mon..Fri 08:00",
		"Mon-Fri 08:00", "Sat,Sun 10..12:30", "monday, 8:00", "Mon", "Sat..Sun 1:00", "*-*-1,15 04:00", "12-25", "*-*-2/5 0:0", "*-02-29 1:00", "*-1/3-1",
		"01:00 UTC", "*:1..1", "*:010", "*:5..50/100", "*:50/20", "9..17/2:00", "*-*-*",
		// Carried over by nothing, or no time for systemd either.
		"*:0/90", "8", "*:61", "*:*/5", "Sat..Mon 8:00", "Mon Tue 1:00", "*:0/0", "*:10..5", "*-*-0 1:00", "", "2:3:4", "*~3", "2031-01-01", "Mon *-*-1..7 3:00"}
	rng := rand.New(rand.NewPCG(14, 3))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	field := func(first, last int) string {
		number := func() int { return first + rng.IntN(last-first+1) }
		switch rng.IntN(5) {
		case 0:
			return "*"
		case 1:
			return fmt.Sprintf("%d,%02d", number(), number())
		case 2:
			return fmt.Sprintf("%d/%d", number(), 1+rng.IntN(last))
		case 3:
			a := number()
			return fmt.Sprintf("%d..%d%s", a, a+rng.IntN(last-a+1), pick("", fmt.Sprintf("/%d", 1+rng.IntN(9))))
		}
		return fmt.Sprintf("%02d", number())
	}
	for range 150 {
		days := pick("", "", "", "Mon ", "Tue..Fri ", "Sun,Wed ", "sat..sunday ")
		date := pick("", "*-*-* ", "*-*-"+field(1, 28)+" ", "*-"+field(1, 12)+"-"+field(1, 28)+" ", field(1, 12)+"-"+field(1, 28)+" ")
		texts = append(texts, days+date+field(0, 23)+":"+field(0, 59)+pick("", "", ":00"))
	}
	carried := 0
	from := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, text := range texts {
		line, _, err := calendarCron(text)
		if err != nil {
			continue // it is named, whatever systemd says of it
		}
		carried++
		const n = 5
		want, got := nextBySystemd(t, text, from, n), nextHere(t, line, from, n)
		if len(want) < len(got) && len(want) > 1 { // systemd looks no further than some years ahead
			got = got[:len(want)]
		}
		if strings.Join(want, " ") != strings.Join(got, " ") {
			t.Errorf("%s: as %s it comes at %q, by systemd at %q", text, line, got, want)
		}
	}
	if carried < 100 {
		t.Errorf("%d of %d could be compared", carried, len(texts))
	}
	for text, want := range map[string]string{"Mon *-*-1..7 3:00": "crontab takes either", "2:3:4": "seconds", "2031-01-01": "a year", "*-*~3": "from the end of a month"} {
		if _, _, err := calendarCron(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if line, zone, err := calendarCron("Mon..Fri 08:00 Europe/Berlin"); err != nil || line != "0 8 * * 1-5" || zone != "Europe/Berlin" {
		t.Errorf("%q %q %v", line, zone, err)
	}
}
