package process

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
)

const (
	// late is how long after its time a run may begin: a master that takes another's
	// place waits for its workers.
	late = 5 * time.Minute
	// setBack is how far a clock may be put back for times that came to count as
	// past. Past that it was wrong before, or is now.
	setBack = 3 * time.Hour
	// countedMost is how many missed times are counted in one go.
	countedMost = 10000
)

// decision is what is to be done about a line at a moment.
type decision struct {
	run    time.Time // the time that is run now; zero: none
	missed int       // times that nobody has run
	first  time.Time // of them
	last   time.Time
	next   time.Time // the next time; zero: there is none
	past   time.Time // all times up to here are decided upon
	wrong  bool      // what was decided upon lies in the future: the clock is another
}

// decide tells what is to be done about a line now. All times up to past were decided
// upon before, by whichever master.
func decide(line *cron.Schedule, past, now time.Time) decision {
	d := decision{past: past}
	switch {
	case past.Sub(now) > setBack:
		d.past, d.wrong = now, true
	case past.After(now):
		d.next = line.Next(past)
		return d
	}
	for n := 0; ; n++ {
		at := line.Next(d.past)
		if at.IsZero() || at.After(now) {
			d.next = at
			break
		}
		d.past = at
		if d.run.IsZero() {
			d.run = at
			continue
		}
		d.miss(d.run)
		d.run = at
		if n >= countedMost && now.Sub(at) > late {
			d.past = now.Add(-late) // nobody reads a number like that
		}
	}
	if !d.run.IsZero() && now.Sub(d.run) > late {
		d.miss(d.run)
		d.run = time.Time{}
	}
	return d
}

func (d *decision) miss(at time.Time) {
	if d.missed == 0 {
		d.first = at
	}
	d.missed++
	d.last = at
}
