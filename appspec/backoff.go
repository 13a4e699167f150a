package appspec

import (
	"math/rand/v2"
	"time"
)

// Backoff decides how long to wait before a process that ended is started again: a
// worker, what runs beside the workers, a master. Facts go in, a delay comes out.
type Backoff struct {
	fails int // in a row
}

// Failed notes a process that could not start and returns the delay before the next try.
func (b *Backoff) Failed(r Restart) time.Duration {
	b.fails++
	return r.Delay(b.fails)
}

// Died notes a process that had been ready for a while. It is replaced at once
// unless this repeats within reset_after.
func (b *Backoff) Died(r Restart, ready time.Duration) time.Duration {
	if ready >= r.filled().ResetAfter.D() {
		b.fails = 0
	}
	b.fails++
	if b.fails == 1 {
		return 0
	}
	return r.Delay(b.fails - 1)
}

// Failing tells whether the last thing noted was a failure or a death.
func (b *Backoff) Failing() bool { return b.fails > 0 }

// Reset forgets the failures.
func (b *Backoff) Reset() { b.fails = 0 }

// Delay is the wait after the n-th failure in a row, n from 1: min_delay doubled with each
// one up to max_delay, with up to a quarter more, so that apps which failed together do
// not retry together.
func (r Restart) Delay(n int) time.Duration {
	r = r.filled()
	d, most := r.MinDelay.D(), r.MaxDelay.D()
	for ; n > 1 && d < most; n-- {
		d = min(2*d, most)
	}
	return d + rand.N(d/4+1)
}

// filled has the defaults of the table for what is not set: of an app that has no spec.
func (r Restart) filled() Restart {
	if r.MinDelay <= 0 {
		r.MinDelay = Duration(time.Second)
	}
	if r.MaxDelay < r.MinDelay {
		r.MaxDelay = max(r.MinDelay, Duration(time.Minute))
	}
	if r.ResetAfter <= 0 {
		r.ResetAfter = Duration(time.Minute)
	}
	return r
}
