package reconcile

import (
	"math/rand/v2"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Delay is the wait after the n-th failure in a row (n from 1): restart.min_delay
// doubled each time up to max_delay, with up to a fifth on top of it or off it,
// so that apps which failed together do not retry together; never below
// min_delay (contract, section 3). chance is in [0,1).
func Delay(n int, r appspec.Restart, chance float64) time.Duration {
	minimum, maximum := r.MinDelay.D(), r.MaxDelay.D()
	if minimum <= 0 {
		minimum = time.Second
	}
	if maximum < minimum {
		maximum = max(minimum, time.Minute)
	}
	d := minimum
	for i := 1; i < n && d < maximum; i++ {
		d *= 2
	}
	d = min(d, maximum)
	d += time.Duration((chance - 0.5) * 0.4 * float64(d))
	return max(d, minimum)
}

// Chance is in [0,1).
func Chance() float64 { return rand.Float64() } //nolint:gosec // spreads retries, guards nothing

// deaths judges the deaths of an app's masters: the first is made good at
// once, one that comes within reset_after of the start waits as a failure does.
type deaths struct {
	count int // in a row
}

// next counts one more death of a master that lived that long and returns how
// long to wait before the next start.
func (d *deaths) next(lived time.Duration, r appspec.Restart, chance float64) time.Duration {
	reset := r.ResetAfter.D()
	if reset <= 0 {
		reset = time.Minute
	}
	if lived >= reset {
		d.count = 0
	}
	d.count++
	if d.count == 1 {
		return 0
	}
	return Delay(d.count-1, r, chance)
}
