package pool

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// slotDepth is how many requests a slot may hold at most: the one it serves and
// some ahead, so that a busy worker need not wait for us between two requests.
// The kernel takes ten (net.unix.max_dgram_qlen).
const slotDepth = 8

// maxBatch bounds a message with several requests, in bytes; one request may be
// larger.
const maxBatch = 32 << 10

// Slot is our end of one worker thread's socket. What the worker has not read
// yet we can read back at its own end, theirs.
type Slot struct {
	w      *worker
	index  int
	fd     int
	theirs int // the worker's end, kept open here; -1 once the worker owns it alone

	held   [slotDepth]*Exchange // in the order sent; the first is at work
	n      int
	unsent int  // how many of them, the last, are not sent: they go together at the end of the turn
	body   bool // the first of them has a body in a message of its own, see takeBack

	flushing bool // at the end of the turn

	idle bool // on the pool's idle stack
	quit bool // 'q' was sent

	ring     *ring // nil: answers come by the socket only
	awake    bool  // on the pool's list of those whose ring is looked at
	together bool  // it has got several requests in one message: from the first of them on a worker uses the ring

	paused bool
	rest   int64 // paused: what was left of the request's time; 0: it has no deadline
}

func newSlot(w *worker, i int) (*Slot, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a slot: %w", err)
	}
	for _, fd := range pair {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*wsgi.MaxMessage)
	}
	_ = unix.SetNonblock(pair[0], true)
	return &Slot{w: w, index: i, fd: pair[0], theirs: pair[1]}, nil
}

// OnEvents reads what the worker sends.
func (s *Slot) OnEvents(events uint32) {
	// What follows at once is read without another turn of the loop.
	s.w.pool.awaken(s)
	for range slotDepth {
		if !s.receive() || s.n == 0 || s.fd < 0 || s.paused {
			return
		}
		if s.drainRing() {
			return
		}
	}
}

// receive handles the next message; false: there is none, or the worker broke.
func (s *Slot) receive() bool {
	p := s.w.pool
	msg, passed, errno := p.rx.Recv(s.fd)
	if errno == syscall.EAGAIN || errno == syscall.EINTR {
		return false
	}
	if errno != 0 {
		p.workerBroke(s.w, "its slot failed: "+errno.Error())
		return false
	}
	if len(msg) == 0 {
		// The worker closed its end (we hold a duplicate, so this is shutdown(2)
		// by the worker's own code).
		p.workerBroke(s.w, "it closed its link to the master")
		return false
	}
	if len(msg) > wsgi.MaxMessage {
		closePassed(passed)
		p.workerBroke(s.w, fmt.Sprintf("malformed message: a message of more than %d bytes", wsgi.MaxMessage))
		return false
	}
	p.onMessage(s, msg, passed)
	return true
}

// isRegular tells whether a descriptor is a plain file: only that can be sent
// without ever having to wait for it.
func isRegular(fd int) bool {
	var st unix.Stat_t
	return fd >= 0 && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// takesMore tells whether another request may be sent behind those that the slot holds, most of
// them at most: none behind a body.
func (s *Slot) takesMore(most int) bool { return s.n < most && !s.body }

// prefetched is how many requests wait in the slot behind the one at work.
func (s *Slot) prefetched() int { return max(s.n-1, 0) }

// send gives a request to the slot. False: the socket is full, try later.
func (s *Slot) send(x *Exchange, now int64) bool {
	p := s.w.pool
	if s.n > 0 && p.batches() && wsgi.IsBare(x.Msg) {
		s.unsent++
		s.hold(x, now)
		s.flushLater()
		return true
	}
	if s.flush(); s.unsent > 0 {
		return false
	}
	if !s.sendMessage(x.Msg) {
		return false
	}
	if x.alone() && !s.sendBody(x) {
		// The worker would take what comes next for the body.
		p.workerBroke(s.w, takesNone)
		return false
	}
	s.hold(x, now)
	if s.n == 1 {
		s.body = x.alone()
		s.begin(now)
	}
	return true
}

func (s *Slot) sendMessage(msg []byte) bool {
	for {
		if _, errno := evloop.Send(s.fd, msg); errno != syscall.EINTR {
			return errno == 0
		}
	}
}

func (s *Slot) hold(x *Exchange, now int64) {
	x.slot = s
	x.sentAt = now
	s.held[s.n] = x
	s.n++
}

// flushLater has flush called at the end of the turn.
func (s *Slot) flushLater() {
	if s.unsent > 0 && !s.flushing {
		s.flushing = true
		s.w.pool.loop.AtTurnEnd(s.flush)
	}
}

// flush sends what waits to go together. What the socket does not take waits for
// the next answer, see pool.feed.
func (s *Slot) flush() {
	s.flushing = false
	if s.fd < 0 {
		return
	}
	p := s.w.pool
	for unsent := s.held[s.n-s.unsent : s.n]; len(unsent) > 0; unsent = s.held[s.n-s.unsent : s.n] {
		some, size := 0, 0
		for some < len(unsent) && (some == 0 || size+len(unsent[some].Msg) <= maxBatch) {
			size += len(unsent[some].Msg)
			some++
		}
		msg := unsent[0].Msg
		if some > 1 {
			p.batch = p.batch[:0]
			for _, x := range unsent[:some] {
				p.batch = append(p.batch, x.Msg)
			}
			p.batchMsg = wsgi.AppendRequests(p.batchMsg[:0], p.batch)
			msg = p.batchMsg
			s.together = true
		}
		if !s.sendMessage(msg) {
			if s.n == s.unsent {
				p.workerBroke(s.w, takesNone)
			}
			return
		}
		s.unsent -= some
	}
}

// sendBody sends the descriptors of a request's body, the message after the
// request itself.
func (s *Slot) sendBody(x *Exchange) bool {
	var head [wsgi.HeaderSize]byte
	head[0] = wsgi.MsgBody
	var rights []byte
	if x.Upload != nil {
		ends := x.Upload.Ends()
		binary.LittleEndian.PutUint32(head[4:], uint32(len(ends)))
		rights = unix.UnixRights(ends...)
	} else {
		fd := int(x.Body.Fd())
		// The offset is shared with the worker, and with one that had it before.
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return false
		}
		rights = unix.UnixRights(fd)
	}
	for {
		err := unix.Sendmsg(s.fd, head[:], rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		return err == nil
	}
}

// begin notes that the first request held is at work from now.
func (s *Slot) begin(now int64) {
	x := s.held[0]
	x.begunAt = now
	if x.Sink == nil {
		s.w.setAbort(s, x.seq) // its client went while it waited here
	}
	x.worker = s.w.pid
	if t := s.w.pool.spec.Workers.RequestTimeout.D(); t > 0 && !x.health {
		x.deadline = now + int64(t)
		s.w.pool.loop.SetBy(&s.w.pool.sweep, x.deadline)
	}
}

// pop takes the finished first request off.
func (s *Slot) pop(now int64) *Exchange {
	x := s.held[0]
	copy(s.held[:], s.held[1:s.n])
	s.n--
	s.held[s.n] = nil
	x.slot, s.body = nil, false
	if s.n > 0 {
		s.begin(now)
	}
	return x
}

// takeBack takes what the worker has not read yet and returns it in the order
// sent: what was not sent at all, and what can be read back. The worker may read
// at the same time, so that what comes back need not be the last that was sent:
// the numbers tell. Of a message with several requests all or none come back. A request with a
// body in a message of its own does not come back as long as the worker lives: it may have read
// the one and not the other.
func (s *Slot) takeBack() (back []*Exchange) {
	if s.n == 0 {
		return nil
	}
	first := s.held[0]
	unsent := s.release(s.n-s.unsent, s.unsent)
	s.unsent = 0
	if s.body && !s.w.life.over() {
		return unsent
	}
	for rx := s.w.pool.rx; s.n > 0 && s.theirs >= 0; {
		msg, passed, errno := rx.Recv(s.theirs)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 || len(msg) == 0 {
			break
		}
		closePassed(passed)
		seq, n := wsgi.Requests(msg)
		i := slices.IndexFunc(s.held[:s.n], func(x *Exchange) bool { return x.seq == seq })
		if n == 0 || i < 0 {
			continue
		}
		back = append(back, s.release(i, min(n, s.n-i))...)
	}
	if s.n > 0 && s.held[0] != first {
		s.begin(s.w.pool.loop.Now())
	}
	return append(back, unsent...)
}

// release lets go of n requests from the i-th on, which nobody has begun.
func (s *Slot) release(i, n int) []*Exchange {
	xs := slices.Clone(s.held[i : i+n])
	for _, x := range xs {
		x.slot, x.deadline = nil, 0
	}
	copy(s.held[i:], s.held[i+n:s.n])
	clear(s.held[s.n-n : s.n])
	s.n -= n
	s.body = s.body && i > 0
	return xs
}

// sendQuit tells the worker's thread to end after what it holds.
func (s *Slot) sendQuit() {
	if s.quit {
		return
	}
	var head [wsgi.HeaderSize]byte
	head[0] = wsgi.MsgQuit
	_, errno := evloop.Send(s.fd, head[:])
	s.quit = errno == 0
}

// close ends our side.
func (s *Slot) close() {
	s.ring = nil // its memory goes next
	if s.fd >= 0 {
		s.w.pool.loop.Remove(s.fd)
		_ = unix.Close(s.fd)
		s.fd = -1
	}
	if s.theirs >= 0 {
		_ = unix.Close(s.theirs)
		s.theirs = -1
	}
}
