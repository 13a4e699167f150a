package bridge

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// reader is a client that a response is being written to. While that goes on the
// server looks how fast the client takes it.
type reader struct {
	conn net.Conn  // the connection below TLS
	q    *response // what it is sent
	cut  func(why string)

	turns atomic.Uint32 // odd: it is being written to; each odd number is one time of that
	taken atomic.Int64  // bytes that were written

	seen      uint32 // guarded by Server.readersMu, as all below: the turn that is looked at
	since     time.Time
	base, tcp int64 // taken, and acknowledged, at since
}

// busy: something is to be written.
func (r *reader) busy() {
	if r.turns.Load()%2 == 0 {
		r.turns.Add(1)
	}
}

// rest: all is written.
func (r *reader) rest() {
	if r.turns.Load()%2 == 1 {
		r.turns.Add(1)
	}
}

// lookEvery is how often the rates of clients are looked at.
const lookEvery = 250 * time.Millisecond

// watch looks at a client until the function that it returns is called.
func (s *Server) watch(r *reader) (end func()) {
	s.readersMu.Lock()
	defer s.readersMu.Unlock()
	s.readers[r] = struct{}{}
	if !s.looking {
		s.looking = true
		if s.lookTimer == nil {
			s.lookTimer = time.AfterFunc(lookEvery, s.look)
		} else {
			s.lookTimer.Reset(lookEvery)
		}
	}
	return func() {
		s.readersMu.Lock()
		delete(s.readers, r)
		s.readersMu.Unlock()
	}
}

// look cuts off the clients that are too slow.
func (s *Server) look() {
	limits, now := s.Limits(), time.Now()
	s.readersMu.Lock()
	defer s.readersMu.Unlock()
	for r := range s.readers {
		if why := r.judge(now, limits); why != "" {
			r.cut(why)
		}
	}
	if s.looking = len(s.readers) > 0; s.looking {
		s.lookTimer.Reset(lookEvery)
	}
}

// judge says why a client is to be cut off; empty: it is not.
func (r *reader) judge(now time.Time, limits Limits) string {
	turn := r.turns.Load()
	if turn%2 == 0 {
		r.since = time.Time{}
		return ""
	}
	if r.since.IsZero() || r.seen != turn {
		r.seen = turn
		r.begin(now)
		return ""
	}
	store := r.q.s.Store
	window := store.Window(limits.BodyTimeout, limits.MinRate)
	if window <= 0 || now.Sub(r.since) < window {
		return ""
	}
	n := r.taken.Load() - r.base
	// Where the network is what is slow, what lies in the kernel goes first. Where
	// that has gone, it is a window of HTTP/2 that the client keeps shut.
	if tcp, queued := delivered(r.conn); queued {
		n = max(n, tcp-r.tcp)
	}
	if unread.TooSlow(n, limits.MinRate, now.Sub(r.since)) {
		return store.Verdict(n, limits.MinRate, window)
	}
	r.begin(now)
	return ""
}

// begin begins to count.
func (r *reader) begin(now time.Time) {
	r.since, r.base = now, r.taken.Load()
	r.tcp, _ = delivered(r.conn)
}

// delivered is how many bytes the other side of a connection has acknowledged, and
// whether more are on the way.
func delivered(c net.Conn) (n int64, queued bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	_ = raw.Control(func(fd uintptr) {
		if n, ok = unread.Delivered(int(fd)); ok {
			queued = evloop.Unsent(int(fd)) > 0
		}
	})
	return n, queued
}
