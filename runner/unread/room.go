package unread

import (
	"slices"
	"time"
)

// grant is how much room there must be before somebody who waits for some goes on:
// more than a message of a worker, so that what it brings finds its place.
const grant = 4 * BlockSize

// Await has again called once there may be room for more in a queue whose Add has
// said that there is none: then Room tells. again is called by any goroutine, which may
// hold locks of the store and be at another queue, and must not block. It is called
// once; not when the queue has become empty before.
func (q *Queue) Await(again func()) {
	if q.lack == nothing {
		return
	}
	q.again = again
	if !q.listed {
		q.list()
	}
}

// Room tells that whoever makes what is added may go on. What was kept over the budget
// has found its place then.
func (q *Queue) Room() bool {
	if q.lack == nothing {
		return true
	}
	byMemory, bySpool := q.mayGrow()
	if byMemory && q.Store.memoryRoom() >= grant || bySpool && q.Store.spoolRoom() >= grant && q.settle() {
		q.awaitNoMore()
		return true
	}
	if q.lack == disk && q.Store.keepsUp() {
		q.setLack(budget) // it is clients who have what there is
	}
	if q.again != nil {
		q.list()
	}
	return false
}

// settle moves the end of the queue, which was kept although there was no room, to the
// spool; false: there is not enough of it. What comes next is left where it is, as
// somebody may be at it.
func (q *Queue) settle() bool {
	i, size := len(q.parts), 0
	for ; i > 1 && q.parts[i-1].kind == heap; i-- {
		size += len(q.parts[i-1].b)
	}
	if size <= smallPart {
		return true
	}
	over := slices.Clone(q.parts[i:])
	q.parts = q.parts[:i]
	for k, p := range over {
		b := p.b[p.from:]
		for len(b) > 0 {
			n := 0
			if q.parts[len(q.parts)-1].kind == block {
				n = q.fill(b)
			}
			if n == 0 {
				var why lack
				if n, why = q.addBlock(b); n == 0 {
					q.setLack(max(why, q.lack))
					break
				}
			}
			b = b[n:]
		}
		q.memory -= int64(len(p.b) - len(b))
		q.Store.Unclaim(int64(len(p.b) - len(b)))
		if len(b) > 0 {
			q.parts = append(append(q.parts, part{kind: heap, b: b, buffer: p.buffer, to: len(b)}), over[k+1:]...)
			return false
		}
		q.Store.freeBuffer(p.buffer)
	}
	return true
}

// Pressed tells that it is the budget of which there is not enough: clients that
// read slowly have it. A disk that is busy is nobody's fault.
func (q *Queue) Pressed() bool { return q.lack == budget }

// mayGrow tells in which ways the queue may have more, if there is any.
func (q *Queue) mayGrow() (byMemory, bySpool bool) {
	return q.memory+grant <= 512<<10, q.spooled+grant <= mostSpool
}

func (q *Queue) setLack(l lack) {
	if q.lack == l {
		return
	}
	if q.lack == budget {
		q.Store.short.Add(-1)
	}
	if q.lack = l; l == budget {
		q.Store.short.Add(1)
	}
}

// list has the store call again when there is room.
func (q *Queue) list() {
	byMemory, bySpool := q.mayGrow()
	if q.listed = byMemory || bySpool; q.listed {
		q.Store.await(waiter{q, q.again, byMemory, bySpool, q.lack == disk})
	}
}

// awaitNoMore: there is room, or all was taken.
func (q *Queue) awaitNoMore() {
	q.setLack(nothing)
	if q.listed {
		q.Store.forget(q)
	}
	q.again, q.listed = nil, false
}

// waiter is a queue that waits for room.
type waiter struct {
	q                 *Queue
	again             func()
	byMemory, bySpool bool
	byDisk            bool // for the disk to keep up, whether there is room then or not
}

func (s *Store) await(w waiter) {
	s.roomMu.Lock()
	if i := slices.IndexFunc(s.waiters, func(other waiter) bool { return other.q == w.q }); i >= 0 {
		s.waiters[i] = w
	} else {
		s.waiters = append(s.waiters, w)
		s.waits.Add(1)
	}
	s.roomMu.Unlock()
	s.retryLater() // a spool that has failed may be tried again then
	s.roomier()    // it may have come since
}

func (s *Store) forget(q *Queue) {
	s.roomMu.Lock()
	defer s.roomMu.Unlock()
	if i := slices.IndexFunc(s.waiters, func(w waiter) bool { return w.q == q }); i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
		s.waits.Add(-1)
	}
}

// memoryRoom is how many bytes of memory there are for queues that wait: while most is
// taken none has more than a little, see share.
func (s *Store) memoryRoom() int64 { return s.memoryMost.Load()/2 - s.memory.Load() }

// keepsUp tells that the disk has written most of what was given to it.
func (s *Store) keepsUp() bool { return s.writing.Load() <= mostWriting/2 }

// spoolRoom is how many bytes the spool takes now.
func (s *Store) spoolRoom() int64 {
	if !s.keepsUp() {
		return 0
	}
	s.mu.Lock()
	resting := s.failed && time.Now().Before(s.retryAt)
	s.mu.Unlock()
	if resting {
		return 0
	}
	return s.maxSpool.Load() - s.spooled.Load()
}

// roomier: there may be more room than before. As many of those who wait for it are
// called as it is enough for, in the order in which they came; and those who have waited
// for the disk when it keeps up, as from then on they wait for clients.
func (s *Store) roomier() {
	if s.waits.Load() == 0 {
		return
	}
	memory, spool, keepsUp := s.memoryRoom(), s.spoolRoom(), s.keepsUp()
	if memory < grant && spool < grant && !keepsUp {
		return
	}
	var call []func()
	s.roomMu.Lock()
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		switch {
		case w.bySpool && spool >= grant:
			spool -= grant
		case w.byMemory && memory >= grant:
			memory -= grant
		case w.byDisk && keepsUp:
		default:
			return false
		}
		call = append(call, w.again)
		return true
	})
	s.waits.Add(int64(-len(call)))
	s.roomMu.Unlock()
	for _, again := range call {
		again()
	}
}

// retryLater has those who wait try a spool that has failed, when that has rested.
func (s *Store) retryLater() {
	if s.waits.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		if rest := time.Until(s.retryAt); rest > 0 {
			time.AfterFunc(rest, s.roomier)
		}
	}
}

// Shortage says what there is not enough of, for whoever has to be told.
func (s *Store) Shortage() string {
	if !s.Pressed() {
		return "the disk of the folder for temporary files does not keep up"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return "request.response_buffer is full, and the spool cannot be written"
	}
	return "request.response_buffer and request.spool are full"
}
