package systemd

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

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
				from, end := change.Add(-3*time.Hour), format([]time.Time{change.Add(3 * time.Hour)})[1]
				theirs := slices.DeleteFunc(nextBySystemd(t, text+" "+zone, from.Add(-time.Second).UTC(), 40), func(at string) bool { return at >= end })
				if got := format(facts.OncePerWall(s, change)); !slices.Equal(got, theirs) {
					t.Errorf("%s %s around %v: %q, by systemd %q", text, zone, change, got, theirs)
				}
				if facts.Nights("", line, zone, change.Add(-time.Hour), facts.OncePerWall) != "" {
					differ++
				}
			}
		}
	}
	if differ < 20 {
		t.Errorf("%d of them differ from a schedule's: the test shows nothing", differ)
	}
}
