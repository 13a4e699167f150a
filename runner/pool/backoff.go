package pool

import (
	"math/rand/v2"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Backoff decides how long to wait before a worker is started again. Facts go
// in, a delay comes out.
type Backoff struct {
	fails int // in a row
}

// Failed notes a worker that could not start and returns the delay before the
// next try: min_delay doubled with each failure up to max_delay, with up to a
// quarter of jitter.
func (b *Backoff) Failed(r appspec.Restart) time.Duration {
	b.fails++
	return delay(r, b.fails-1)
}

// Died notes a worker that had been ready for a while. It is replaced at once
// unless this repeats within reset_after.
func (b *Backoff) Died(r appspec.Restart, ready time.Duration) time.Duration {
	if ready >= r.ResetAfter.D() {
		b.fails = 0
	}
	b.fails++
	if b.fails == 1 {
		return 0
	}
	return delay(r, b.fails-2)
}

// delay is the n-th wait, counted from 0.
func delay(r appspec.Restart, n int) time.Duration {
	d := r.MaxDelay.D()
	if n < 30 {
		d = min(r.MinDelay.D()<<n, d)
	}
	if d <= 0 {
		return 0
	}
	return d + time.Duration(rand.Int64N(int64(d)/4+1))
}

// Reset forgets the failures.
func (b *Backoff) Reset() { b.fails = 0 }
