package facts

import (
	"strings"
	"testing"
	"time"
)

// Where a schedule comes in the nights in which clocks are changed, and what it was made of did not.
func TestNights(t *testing.T) {
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
		if got := Nights("systemd", c.line, c.zone, from, OncePerWall); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s in %s: %q, want %q", c.line, c.zone, got, c.want)
		}
	}
	const twice = "ran it twice in the night in which clocks are put back"
	for _, c := range []struct{ line, zone, want string }{
		{"30 2 * * *", "Europe/Berlin", twice + ", and not in the night in which clocks are put forward, as its hour is not there then: a schedule comes once in each"},
		{"30 1 * * *", "America/New_York", twice + ": a schedule comes once"}, {"30 2 * * *", "America/New_York", "left out " + forward},
		// By the clock here as there.
		{"30 * * * *", "Europe/Berlin", ""}, {"*/15 2 * * *", "Europe/Berlin", ""}, {"30 3 * * *", "Europe/Berlin", ""}, {"30 2 * * *", "UTC", ""}, {"30 2 * * 1", "Europe/Berlin", ""},
	} {
		if got := Nights("uWSGI", c.line, c.zone, from, EachOnTheWall); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s in %s: %q, want %q", c.line, c.zone, got, c.want)
		}
	}
}
