package runner

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// fdLimit keeps some descriptors of the master for its own ends: for workers,
// for the control socket, for its log. Clients, and what is kept for them, get those
// below.
type fdLimit struct {
	wanted atomic.Int64 // how many are to be kept, but no more than half of all
	most   atomic.Int64 // descriptors from this number on are kept; 0: not known
	told   int64        // when it was said that nobody is accepted
	shed   int64        // when it was said that idle connections are closed
}

// shedAge is how long a connection must have been idle to be closed for another
// one. A younger one may have a request on its way.
const shedAge = int64(time.Second)

// shedBatch is how many idle connections are closed at a time.
const shedBatch = 16

// measure takes note of what the workers need. What is kept is enough for all of them
// twice, as when they are replaced: where one goes, its descriptors are the lowest that
// are free, and clients get them.
func (d *fdLimit) measure(w *appspec.Workers) {
	each := 5 + 2*int64(max(w.Threads, 1))
	d.wanted.Store(32 + 2*each*int64(max(w.Max, 1)))
	d.read()
}

// read reads the limit, which may be changed at any time. It is safe for concurrent
// use.
func (d *fdLimit) read() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		d.most.Store(0)
		return
	}
	d.most.Store(int64(limit.Cur) - min(d.wanted.Load(), int64(limit.Cur)/2))
}

// kept tells that a new descriptor is one of those that are kept. The kernel gives
// out the lowest that is free: all below are in use.
func (d *fdLimit) kept(fd int) bool {
	most := d.most.Load()
	return most > 0 && int64(fd) >= most
}

// crowded tells whether clients have all the descriptors that they may, after the
// connections that have been idle longest were closed.
func (f *front) crowded() bool {
	f.fds.measure(&f.spec.Workers)
	fd, err := unix.FcntlInt(uintptr(f.loop.Descriptor()), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
		if !f.fds.kept(fd) {
			return false
		}
	}
	return f.shedIdle() == 0
}

// shedIdle closes the connections that have been idle longest, and returns how many
// are gone: one of HTTP/2 is only asked to go.
func (f *front) shedIdle() int {
	var idle []*conn
	for c := range f.conns {
		if c.state == connHead && !c.begun && len(c.in) == 0 && f.loop.Now()-c.idleSince >= shedAge {
			idle = append(idle, c)
		}
	}
	slices.SortFunc(idle, func(a, b *conn) int { return cmp.Compare(a.idleSince, b.idleSince) })
	idle = idle[:min(len(idle), shedBatch)]
	for _, c := range idle {
		c.close()
	}
	n, ending := len(idle), 0
	if n < shedBatch {
		var more int
		more, ending = f.shedMore(shedBatch - n)
		n += more
	}
	if n+ending > 0 && f.mayTell(&f.fds.shed) {
		f.log.Warn(fmt.Sprintf("the limit of open files is nearly reached (%d connections are open): the %d that were idle longest are closed; raise the limit of open files of the service (LimitNOFILE=)", len(f.conns)+n, n+ending))
	}
	return n
}

// mayTell tells that nothing was said of a matter for a minute.
func (f *front) mayTell(last *int64) bool {
	if *last != 0 && f.loop.Now()-*last <= int64(time.Minute) {
		return false
	}
	*last = max(f.loop.Now(), 1)
	return true
}
