package pool

import "time"

// A request that takes long has those wait that take a moment, where all workers have
// one like it. Which they are is known from what requests of the same route took: some
// threads are left free by them (workers.reserve), and they wait for each other.

const (
	// slowAtLeast is what a request takes that others need not wait for.
	slowAtLeast = 10 * time.Millisecond
	// slowTimes is how many times the average of all a slow one takes. So fewer than one
	// in that many is slow, and an app all of whose requests are alike has none.
	slowTimes = 4
	// window is the number of requests that the average is of.
	window = 64
	// reserveFrom is the number of threads from which on some are left free: of two it
	// would be half of what the slow ones have.
	reserveFrom = 3
	// patience is for how many times its own time a slow request waits for others, and
	// mostPatience how long at most: a stream may last for hours. What is free then is
	// its, so that more slow requests than were thought lose nothing.
	patience     = 3
	mostPatience = time.Second
)

// foresight is what requests took. It belongs to the loop.
type foresight struct {
	seen   int64 // requests, up to window
	mean   int64 // moving average of all requests, in nanoseconds
	routes *[256]routeTime
}

// routeTime is what requests of a route take; of those that were slow at least once, as
// all others are quick.
type routeTime struct {
	route uint32
	took  uint32 // moving average, in microseconds
}

// routeOf is a hash (FNV-1a) of the method and the path; parts of the path that have a
// digit are alike. label is "METHOD /path?query", of which the first 256 bytes count.
func routeOf(label []byte) uint32 {
	const offset, prime = 2166136261, 16777619
	h, part, digit := uint32(offset), uint32(offset), false
	for _, c := range label[:min(len(label), 256)] {
		if c == '?' {
			break
		}
		if c == '/' {
			if digit {
				h = (part ^ '0') * prime
			}
			h = (h ^ '/') * prime
			part, digit = h, false
			continue
		}
		digit = digit || c >= '0' && c <= '9'
		h = (h ^ uint32(c)) * prime
	}
	if digit {
		h = (part ^ '0') * prime
	}
	return h
}

// note learns from a request that took ns nanoseconds.
func (f *foresight) note(label []byte, ns int64) {
	f.seen = min(f.seen+1, window)
	f.mean += (ns - f.mean) / f.seen
	if f.routes == nil {
		if ns < int64(slowAtLeast) {
			return
		}
		f.routes = &[256]routeTime{}
	}
	route := routeOf(label)
	t := &f.routes[route%uint32(len(f.routes))]
	us := min(ns/1000, 1<<31-1)
	switch {
	case t.route == route:
		t.took += uint32((us - int64(t.took)) / 4) //nolint:gosec // between the two
	case ns >= int64(slowAtLeast):
		// One that was slow once may be so no more: it counts as quick before.
		*t = routeTime{route, uint32(us / 4)} //nolint:gosec // bounded above
	}
}

// expects is how long a request is thought to take where that is long; 0: it is not.
func (f *foresight) expects(label []byte) time.Duration {
	if f.routes == nil || f.seen < window/4 {
		return 0
	}
	route := routeOf(label)
	t := f.routes[route%uint32(len(f.routes))]
	d := time.Duration(t.took) * time.Microsecond
	if t.route != route || d < slowAtLeast || int64(d) < slowTimes*f.mean {
		return 0
	}
	return d
}

// reserve is how many threads slow requests leave free.
func (p *Pool) reserve() int {
	if p.capacity < reserveFrom {
		return 0
	}
	return min(p.spec.Workers.Reserve, p.capacity-1)
}

// slowAtWork is how many threads have a slow request.
func (p *Pool) slowAtWork() int {
	n := 0
	for _, w := range p.workers {
		if !w.life.serves() {
			continue
		}
		for _, s := range w.slots {
			if s.n > 0 && s.held[0].slow > 0 {
				n++
			}
		}
	}
	return n
}

// heldBack tells that a slow request is not to begin yet, and has it looked at again when
// it has waited long enough.
func (p *Pool) heldBack(x *Exchange) bool {
	if x.slow == 0 {
		return false
	}
	n := p.reserve()
	if n == 0 || p.slowAtWork() < p.capacity-n {
		return false
	}
	due := x.queuedAt + int64(min(patience*x.slow, mostPatience, p.spec.Workers.QueueTimeout.D()/4))
	if due <= p.loop.Now() {
		return false
	}
	p.loop.SetBy(&p.rescue, due)
	return true
}

// next is the place in the queue of the request that a slot is to have next; false: none
// that waits may go there.
func (p *Pool) next(s *Slot) (int, bool) {
	held := false
	for i := range p.queue.n {
		x := p.queue.get(i)
		if x.slow == 0 {
			return i, true
		}
		// Slow ones go one at a time, and in their order.
		if held = held || s.n > 0 || p.heldBack(x); !held {
			return i, true
		}
	}
	return 0, false
}
