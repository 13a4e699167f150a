package systemd

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
)

func TestNightsInWhichATimerDoesNotCome(t *testing.T) {
	const (
		forward = "the night in which clocks are put forward"
		back    = "the second of the two hours of the night in which clocks are put back"
	)
	from := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ line, zone, want string }{
		{"30 2 * * *", "Europe/Berlin", forward}, {"30 2 * * 0", "Europe/Berlin", forward}, {"0 2 * * *", "Europe/Berlin", forward},
		{"0 * * * *", "Europe/Berlin", back}, {"0-45/15 * * * *", "Europe/Berlin", back}, {"*/7 2 * * *", "Europe/Berlin", back},
		{"15 2,3 * * *", "Europe/Berlin", forward}, {"0 0 * * *", "Africa/Cairo", forward}, {"30 2 * * *", "America/New_York", forward},
		// The same in every night.
		{"30 2 * * *", "UTC", ""}, {"0 * * * *", "Asia/Tokyo", ""}, {"0 3 * * *", "Europe/Berlin", ""}, {"30 1 * * *", "Europe/Berlin", ""}, {"30 2 * * 1-5", "Europe/Berlin", ""},
		{"0 0 * * *", "Europe/Berlin", ""}, {"0 8-18 * * *", "Europe/Berlin", ""}, {"0,30 2,3 * * *", "Europe/Berlin", ""}, {"30 2 15 1 *", "Europe/Berlin", ""},
	} {
		if got := nights(c.line, c.zone, from); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s in %s: %q, want %q", c.line, c.zone, got, c.want)
		}
	}
}

// What is taken for the times of a timer in such a night are those that systemd tells.
func TestNightsAsSystemdHasThem(t *testing.T) {
	if testing.Short() {
		t.Skip("runs systemd-analyze")
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatalf("%v: install systemd", err)
	}
	rng := rand.New(rand.NewPCG(28, 3))
	texts := []string{"02:30", "hourly", "*:0/15", "daily", "Sun 02:30", "Fri 0:0", "03:00", "*:59", "0..3:0/20"}
	for range 12 {
		texts = append(texts, fmt.Sprintf("%d,%d:%d", rng.IntN(3), 1+rng.IntN(3), rng.IntN(60)))
	}
	differ := 0
	for _, zone := range []string{"Europe/Berlin", "Africa/Cairo", "America/St_Johns"} {
		in, err := cron.Zone(zone)
		if err != nil {
			t.Fatal(err)
		}
		change := time.Date(2027, 1, 1, 0, 0, 0, 0, in)
		for range 2 {
			_, change = change.ZoneBounds()
			for _, text := range texts {
				line, _, err := calendarCron(text)
				if err != nil {
					t.Fatal(err)
				}
				s, err := cron.Parse(line)
				if err != nil {
					t.Fatal(err)
				}
				format := func(times []time.Time) []string {
					out := []string{""}
					for _, at := range times {
						out = append(out, at.UTC().Format(time.DateTime))
					}
					return out
				}
				end := format([]time.Time{change.Add(around)})[1]
				theirs := slices.DeleteFunc(nextBySystemd(t, text+" "+zone, change.Add(-around-time.Second).UTC(), 40), func(at string) bool { return at >= end })
				if got := format(byWall(s, in, change)); !slices.Equal(got, theirs) {
					t.Errorf("%s %s around %v: %q, by systemd %q", text, zone, change, got, theirs)
				}
				if !slices.Equal(theirs, format(between(s, change.Add(-around), change.Add(around)))) {
					differ++
				}
			}
		}
	}
	if differ < 20 {
		t.Errorf("%d of them differ from a schedule's: the test shows nothing", differ)
	}
}
