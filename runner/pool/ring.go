package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// ring is our end of the memory by which small answers of a worker's first slot
// come, see package wsgi. The worker may write anything there at any time: what is
// read is copied first, and nothing of it is believed. It belongs to the loop.
type ring struct {
	tail   *uint64 // the worker's: bytes written since the start
	head   *uint64 // ours: bytes read
	asleep *uint64 // 1: the next message must wake us
	data   []byte
	at     uint64 // what head says, which we do not read back
	msg    []byte // a message's copy; nil: none has come yet
}

// hasRing: the worker relies on the order in which amd64 makes writes seen.
const hasRing = runtime.GOARCH == "amd64"

// newRing uses a worker's shared memory.
func newRing(shared []byte) *ring {
	word := func(i int) *uint64 { return (*uint64)(unsafe.Pointer(&shared[wsgi.RingState+i])) }
	r := &ring{tail: word(0), head: word(64), asleep: word(128), data: shared[wsgi.RingData:]}
	r.setAsleep(true)
	return r
}

func (r *ring) setAsleep(on bool) {
	v := uint64(0)
	if on {
		v = 1
	}
	atomic.StoreUint64(r.asleep, v)
}

// next returns the next message if it is of the request; nil: there is none. It is
// good until the next call.
func (r *ring) next(seq uint32) ([]byte, error) {
	const mask = wsgi.RingSize - 1
	for {
		tail := atomic.LoadUint64(r.tail)
		if tail == r.at {
			return nil, nil
		}
		at, left := r.at&mask, tail-r.at
		if left > wsgi.RingSize || left%8 != 0 {
			return nil, fmt.Errorf("%d bytes in a ring of %d", left, wsgi.RingSize)
		}
		size := atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.data[at])))
		if size == 0 {
			if wsgi.RingSize-at > left {
				return nil, errors.New("a ring that continues past what was written")
			}
			r.at += wsgi.RingSize - at
			atomic.StoreUint64(r.head, r.at)
			continue
		}
		need := (size + 15) &^ 7
		if size < wsgi.HeaderSize || size > wsgi.RingSize || need > left || at+8+size > wsgi.RingSize {
			return nil, fmt.Errorf("a message of %d bytes in a ring", size)
		}
		if r.msg == nil {
			r.msg = make([]byte, wsgi.RingSize)
		}
		msg := r.msg[:copy(r.msg, r.data[at+8:at+8+size])]
		if binary.LittleEndian.Uint32(msg[4:]) != seq {
			return nil, nil // what came by the socket is first
		}
		r.at += need
		atomic.StoreUint64(r.head, r.at)
		return msg, nil
	}
}

// drainRing takes what is in the slot's ring, in its order with what comes by the
// socket, and no more than the slot held: a worker that answers as fast as we read does
// not keep us from others. It tells whether there was something.
func (s *Slot) drainRing() (some bool) {
	for range slotDepth {
		if s.ring == nil || s.n == 0 || s.paused || s.held[0].headSent {
			break
		}
		msg, err := s.ring.next(s.held[0].seq)
		if err != nil {
			s.ring = nil
			s.w.pool.workerBroke(s.w, "malformed message: "+err.Error())
			return true
		}
		if msg == nil {
			break
		}
		some = true
		s.w.pool.onMessage(s, msg, -1)
	}
	return some
}

// awaken notes that the slot's worker may put answers into the ring without a word.
func (p *Pool) awaken(s *Slot) {
	if s.ring != nil && !s.awake {
		s.awake = true
		p.awake = append(p.awake, s)
	}
}

// PollRings takes what workers have put there. Before the loop sleeps they are
// told to wake it from now on; true: it need not sleep, there was something.
func (p *Pool) PollRings(sleep bool) (some bool) {
	if len(p.awake) == 0 {
		return false
	}
	slots := p.awake
	p.awake = p.looked[:0]
	for i, s := range slots {
		slots[i], s.awake = nil, false
		if s.ring == nil {
			continue
		}
		if sleep {
			s.ring.setAsleep(true)
		}
		got := s.drainRing()
		some = some || got
		if s.ring == nil {
			continue
		}
		if sleep && !got {
			p.recheckLater(s)
			continue
		}
		if sleep {
			s.ring.setAsleep(false)
		}
		p.awaken(s)
	}
	p.looked = slots
	return some
}

// recheckAfter is how long an answer may lie in a ring that we were not told of: its worker
// was stopped between the two, or a signal's handler of the application raised there.
const recheckAfter = int64(time.Second)

// recheckLater bounds how long we sleep while a worker may answer by the ring.
func (p *Pool) recheckLater(s *Slot) {
	if s.together && s.n > 0 {
		p.loop.SetBy(&p.recheck, p.loop.Now()+recheckAfter)
	}
}

func (p *Pool) onRecheck() {
	for _, w := range slices.Clone(p.workers) {
		for _, s := range w.slots {
			s.drainRing()
			p.recheckLater(s)
		}
	}
}
