package console

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Steady traffic of two apps over a day and an hour is a flat line, whenever the masters
// speak; what is older than a day is gone, and what nobody said is nothing.
func TestHistoryOfADay(t *testing.T) {
	t.Parallel()
	began := time.Unix(1_800_000_007, 0)
	d := newHistory(began)
	now := began
	for i := 0; now.Sub(began) < 25*time.Hour; i++ {
		now = now.Add(14*time.Second + time.Duration(i%5)*400*time.Millisecond)
		seconds := now.Sub(began).Seconds()
		d.tell("blog", 7, runner.Totals{Requests: uint64(20 * seconds), Errors: uint64(seconds), Busy: 3, RSS: 64 << 20}, now)
		d.tell("shop", 8, runner.Totals{Requests: uint64(10 * seconds), Busy: 1, RSS: 32 << 20}, now)
		d.tell("_gate", 9, runner.Totals{Requests: uint64(1000 * seconds)}, now)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > want/20 {
			t.Errorf("%s: %.2f, want %.2f", what, got, want)
		}
	}
	levels := d.levels(now)
	if len(levels) != dayParts {
		t.Fatalf("%d pieces", len(levels))
	}
	for i, l := range levels {
		if l.unknown {
			t.Fatalf("piece %d is not known", i)
		}
		near(fmt.Sprint("requests of piece ", i), l.requests, 30)
		near(fmt.Sprint("errors of piece ", i), l.errors, 1)
		near(fmt.Sprint("busy of piece ", i), l.busy, 4)
		near(fmt.Sprint("memory of piece ", i), l.memory, 96<<20)
	}
	for i, l := range d.hour("shop", now) {
		near(fmt.Sprint("shop in minute ", i), l.requests, 10)
	}
	// Nobody speaks for three hours: that is no traffic, and not what was there a day ago.
	later := now.Add(3 * time.Hour)
	levels = d.levels(later)
	if l := levels[dayParts-5]; l.requests != 0 || l.busy != 0 || l.memory != 0 || l.unknown {
		t.Errorf("while nobody speaks: %+v", l)
	}
	near("before that", levels[dayParts/2].requests, 30)
	if hour := d.hour("shop", later); hour[30].requests != 0 {
		t.Errorf("an hour later: %+v", hour[30])
	}
	if d.hour("nobody", now) != nil {
		t.Error("an app that is none has an hour")
	}
}

// Another master begins at 0, and a peak is seen however short it was; what was before the
// daemon is not known.
func TestHistoryOfAPeak(t *testing.T) {
	t.Parallel()
	began := time.Unix(1_800_000_000, 0)
	d := newHistory(began)
	if d.levels(began) != nil || d.levels(began.Add(30*time.Second)) != nil {
		t.Error("there is a sample at once")
	}
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	for s := 0; s <= 3600; s += 15 {
		t := runner.Totals{Requests: 100, RSS: 1 << 20}
		switch {
		case s >= 1830:
			t.Requests = 5 // of another master
		case s >= 1800:
			t.Requests = 1600
		}
		pid := 7
		if s >= 1830 {
			pid = 8
		}
		d.tell("blog", pid, t, at(s))
	}
	levels := d.levels(at(3600))
	var top float64
	unknown := 0
	for _, l := range levels {
		top = max(top, l.requests)
		if l.unknown {
			unknown++
		}
	}
	if math.Abs(top-100) > 1 {
		t.Errorf("the peak is %.1f, want 100 for 15 seconds", top)
	}
	if want := dayParts - 12; unknown < want-1 || unknown > want+1 {
		t.Errorf("%d pieces are not known, want %d", unknown, want)
	}
}

// What is kept of a thousand apps is little.
func TestHistoryIsSmall(t *testing.T) {
	size := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := size()
	d := newHistory(time.Unix(1_800_000_000, 0))
	for s := range 100 {
		for a := range 1000 {
			d.tell(fmt.Sprintf("app%d", a), a+1, runner.Totals{Requests: uint64(s)}, time.Unix(1_800_000_000+int64(s)*15, 0))
		}
	}
	if grown := int64(size()) - int64(before); grown > 1<<20 {
		t.Errorf("%d KiB of 1,000 apps", grown>>10)
	}
	runtime.KeepAlive(d)
}

// The page of the fleet has the charts, which are sent anew when there is something new,
// and that of an app its hour.
func TestDayOnThePages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	cookie := h.login(true)
	if a := h.send("GET", "/", nil, "Cookie", cookie); !strings.Contains(a.body, "the first sample comes within a minute") {
		t.Errorf("at the start: %s", a.body)
	}
	now := time.Now()
	d := newHistory(now.Add(-2 * time.Hour))
	for s := -7200; s <= 0; s += 15 {
		d.tell("blog", 7, runner.Totals{Requests: uint64(7200+s) * 4, Busy: 2, RSS: 512 << 20}, now.Add(time.Duration(s)*time.Second))
	}
	h.con.day = d
	a := h.send("GET", "/", nil, "Cookie", cookie)
	for _, want := range []string{"Last 24 hours", `aria-label="Requests a second in the last 24 hours. Now: requests 4, errors 0. Highest: 4."`, "Now: busy 2.", "Now: resident 512MiB."} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if a := h.send("GET", "/app/blog", nil, "Cookie", cookie); !strings.Contains(a.body, "in the last hour. Now: requests 4, errors 0. Highest: 4.") {
		t.Error("the app has no hour")
	}
	if a := h.send("GET", "/app/shop", nil, "Cookie", cookie); strings.Contains(a.body, "in the last hour") {
		t.Error("an app without a master has an hour")
	}
	if a := h.send("GET", "/rows?since=0&day=1", nil, "Cookie", cookie); !strings.Contains(a.body, "Last 24 hours") {
		t.Error("an old page is not told")
	}
	eventually(t, "a page that has the day of this minute is not sent it again", func() bool { // the minute may be another one meanwhile
		path := fmt.Sprintf("/rows?since=0&day=%d", time.Now().Unix()/60)
		return !strings.Contains(h.send("GET", path, nil, "Cookie", cookie).body, "Last 24 hours")
	})
}

// A clock that is set by an hour, or from 1970 to now, is no traffic: what is told goes on
// where it was.
func TestHistoryWhenTheClockIsSet(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, set := range []time.Duration{time.Hour, -time.Hour, 50 * 365 * 24 * time.Hour} {
		// The readings of one that was set: wall is off, and what goes on by itself is not.
		began := setBy(now, -set)
		d := newHistory(began)
		for s := 0; s <= 3600; s += 15 {
			at := began.Add(time.Duration(s) * time.Second)
			if s >= 1800 {
				at = now.Add(time.Duration(s) * time.Second)
			}
			d.tell("blog", 7, runner.Totals{Requests: uint64(10 * s), Busy: 1}, at)
		}
		end := now.Add(3600 * time.Second)
		levels := d.levels(end)
		if levels == nil {
			t.Fatalf("set by %v: nothing is known", set)
		}
		var most, busy float64
		known := 0
		for _, l := range levels {
			most, busy = max(most, l.requests), max(busy, l.busy)
			if !l.unknown {
				known++
			}
		}
		if math.Abs(most-10) > 1 || math.Abs(busy-1) > 0.1 || known < 11 || known > 13 {
			t.Errorf("set by %v: at most %.1f requests a second and %.2f busy in %d pieces, want 10 and 1 in 12", set, most, busy, known)
		}
		for i, l := range d.hour("blog", end) {
			if !l.unknown && math.Abs(l.requests-10) > 1 {
				t.Errorf("set by %v: %.1f requests a second in minute %d, want 10", set, l.requests, i)
			}
		}
	}
}

// setBy is a reading of a clock whose wall is off by so much, while what goes on by itself
// (the second word of a time.Time) is the same. Package time has no way to say that.
func setBy(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t)) // a bit, 33 bits of seconds, 30 of nanoseconds
	*wall += uint64(d/time.Second) << 30
	return t
}
