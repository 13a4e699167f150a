package pool

import (
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// outgrown keeps a workers.max_memory that is too small for the app from replacing
// workers for ever: those that grow past it soon after their start are replaced with
// growing delays. Facts go in, what is to be done comes out.
type outgrown struct {
	limit  int64  // bytes, that the rest is about
	fails  int    // workers in a row that were too large within reset_after of their start
	next   int64  // none is replaced before
	reason string // why the app is degraded; empty: it is not
}

// replaces tells whether a worker of a size, first seen too large after it had
// served for lived, is to be replaced now.
func (o *outgrown) replaces(now, limit, size int64, lived time.Duration, r appspec.Restart) bool {
	if o.limit != limit {
		*o = outgrown{limit: limit}
	}
	if lived >= r.ResetAfter.D() {
		o.fails, o.reason = 0, ""
		return true
	}
	if now < o.next {
		return false
	}
	o.fails++
	o.next = now + int64(r.Delay(o.fails))
	if o.fails > 1 {
		o.reason = fmt.Sprintf("workers.max_memory = %q is too small: a worker takes %d MiB %v after its start, and so does its replacement; they are replaced less and less often; write workers { max_memory = %q } or more, or 0, or make the app smaller",
			appspec.Size(limit), size>>20, lived.Round(time.Second), appspec.Size(roomFor(size)))
	}
	return true
}

// fits: no worker is too large; the youngest has served for lived.
func (o *outgrown) fits(limit int64, lived time.Duration, r appspec.Restart) {
	if o.limit != limit || lived >= r.ResetAfter.D() {
		*o = outgrown{limit: limit}
	}
}

// roomFor is a limit that a worker of a size may grow under: half as much again, in
// steps of 64 MiB.
func roomFor(size int64) int64 {
	const step = 64 << 20
	return (size + size/2 + step - 1) / step * step
}
