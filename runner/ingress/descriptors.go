package ingress

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Descriptors keeps some descriptors of the master for its own ends: for workers, for
// the control socket, for its log. Clients, and what is kept for them, get those below.
type Descriptors struct {
	wanted atomic.Int64 // how many are to be kept, but no more than half of all
	most   atomic.Int64 // descriptors from this number on are kept; 0: not known
}

// Measure takes note of what the workers need. What is kept is enough for all of them
// twice, as when they are replaced: where one goes, its descriptors are the lowest that
// are free, and clients get them.
func (d *Descriptors) Measure(w *appspec.Workers) {
	each := 6 + 2*int64(max(w.Threads, 1))
	d.wanted.Store(32 + 2*each*int64(max(w.Max, 1)))
	d.Read()
}

// Read reads the limit, which may be changed at any time. It is safe for concurrent
// use.
func (d *Descriptors) Read() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		d.most.Store(0)
		return
	}
	d.most.Store(int64(limit.Cur) - min(d.wanted.Load(), int64(limit.Cur)/2))
}

// Kept tells that a new descriptor is one of those that are kept. The kernel gives
// out the lowest that is free: all below are in use. It is safe for concurrent use.
func (d *Descriptors) Kept(fd int) bool {
	most := d.most.Load()
	return most > 0 && int64(fd) >= most
}
