package process

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func parse(t interface{ Fatal(...any) }, line string) *cron.Schedule {
	s, err := cron.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is done about a line, by what was decided upon before and what the clock shows.
func TestDecide(t *testing.T) {
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		d, err := time.Parse("2006-01-02 15:04:05", "2026-"+text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const daily = "0 3 * * *"
	for _, c := range []struct {
		name, line, past, now string
		run                   string
		missed                int
		first, last, next     string
	}{
		{name: "not yet", line: daily, past: "11-28 12:00:00", now: "11-29 02:59:59", next: "11-29 03:00:00"},
		{name: "now", line: daily, past: "11-28 12:00:00", now: "11-29 03:00:00", run: "11-29 03:00:00", next: "11-30 03:00:00"},
		{name: "a second late", line: daily, past: "11-28 12:00:00", now: "11-29 03:00:01", run: "11-29 03:00:00", next: "11-30 03:00:00"},
		{name: "as late as may be", line: daily, past: "11-28 12:00:00", now: "11-29 03:05:00", run: "11-29 03:00:00", next: "11-30 03:00:00"},
		{name: "too late", line: daily, past: "11-28 12:00:00", now: "11-29 03:05:01", missed: 1, first: "11-29 03:00:00", last: "11-29 03:00:00", next: "11-30 03:00:00"},
		{name: "decided upon", line: daily, past: "11-29 03:00:00", now: "11-29 03:00:01", next: "11-30 03:00:00"},
		{name: "days later", line: daily, past: "11-20 12:00:00", now: "11-29 12:00:00", missed: 9, first: "11-21 03:00:00", last: "11-29 03:00:00", next: "11-30 03:00:00"},
		{name: "days later, on time", line: daily, past: "11-20 12:00:00", now: "11-29 03:00:09", run: "11-29 03:00:00", missed: 8, first: "11-21 03:00:00", last: "11-28 03:00:00", next: "11-30 03:00:00"},
		{name: "every minute", line: "* * * * *", past: "11-28 12:00:00", now: "11-28 12:03:30", run: "11-28 12:03:00", missed: 2, first: "11-28 12:01:00", last: "11-28 12:02:00", next: "11-28 12:04:00"},
		{name: "the clock was put back a little", line: daily, past: "11-29 03:00:00", now: "11-29 02:30:00", next: "11-30 03:00:00"},
		{name: "and comes there again", line: daily, past: "11-29 03:00:00", now: "11-29 03:00:00", next: "11-30 03:00:00"},
		{name: "the clock was put back from far off", line: daily, past: "12-29 03:00:00", now: "11-29 02:30:00", next: "11-29 03:00:00"},
	} {
		d := decide(parse(t, c.line), at(c.past), at(c.now))
		if !d.run.Equal(at(c.run)) || d.missed != c.missed || !d.first.Equal(at(c.first)) || !d.last.Equal(at(c.last)) || !d.next.Equal(at(c.next)) {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

// Nobody waits for the count of what was missed in years.
func TestDecideAfterYears(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)
	var d decision
	took := await.CPUTime(t, func() { d = decide(parse(t, "* * * * *"), now.AddDate(-10, 0, 0), now) })
	if d.missed < countedMost || !d.run.Equal(now.Truncate(time.Minute)) || !d.next.Equal(d.run.Add(time.Minute)) {
		t.Errorf("%+v", d)
	}
	if took > 2*time.Second {
		t.Errorf("it takes %v", took)
	}
}

// However often it is asked, by masters that come and go and with a clock that jumps:
// no time is run twice, and each is run or missed, once, while the clock goes forward.
func TestDecideRunsNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := parse(t, rapid.SampledFrom([]string{"*/10 * * * *", "30 2 * * *", "0 * * * *", "15 3 * * 0"}).Draw(t, "line"))
		start := time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC)
		now, past := start, start
		ran, missed, back := map[int64]bool{}, 0, false
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			step := time.Duration(rapid.IntRange(0, 7200).Draw(t, "seconds")) * time.Second
			if rapid.IntRange(0, 9).Draw(t, "back") == 0 {
				step, back = -min(step, max(0, setBack-past.Sub(now))), true
			}
			now = now.Add(step)
			d := decide(line, past, now)
			if !d.run.IsZero() {
				if ran[d.run.Unix()] {
					t.Fatalf("%v is run twice", d.run)
				}
				ran[d.run.Unix()] = true
			}
			missed += d.missed
			if !d.next.IsZero() && !d.next.After(now) {
				t.Fatalf("at %v the next time is %v", now, d.next)
			}
			past = d.past
		}
		if back {
			return
		}
		came := 0
		for at := line.Next(start); !at.After(now); at = line.Next(at) {
			came++
		}
		if came != len(ran)+missed {
			t.Fatalf("%d came, %d were run and %d missed", came, len(ran), missed)
		}
	})
}
