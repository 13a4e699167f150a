package bridge

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// Upload is a request's body that goes to the worker as it arrives, by a pipe. One
// goroutine reads it from the client, from when the application begins to read, and no
// further than the pipe takes it: past that the client waits.
//
// What a worker is to know before its end of the pipe ends comes first: so it is the
// taker of the request that calls End.
type Upload struct {
	read   int      // the worker's end; closed by Close
	write  *os.File // ours; closed by End
	wanted chan struct{}
	asked  sync.Once // closes wanted
	closed sync.Once // closes read

	stopped chan struct{} // closed by stop
	ended   chan struct{} // closed by feed
	gone    chan struct{} // closed by feed: the client does not send the rest
	all     atomic.Bool   // the client has sent it all

	mu        sync.Mutex
	answering bool // guarded by mu: the response has begun
}

// newUpload makes one; nil: no pipe can be had, and the body is read first.
func (s *Server) newUpload() *Upload {
	if s.Pipe == nil {
		return nil
	}
	read, write, ok := s.Pipe()
	if !ok {
		return nil
	}
	return &Upload{read: read, write: os.NewFile(uintptr(write), "body"), wanted: make(chan struct{}),
		stopped: make(chan struct{}), ended: make(chan struct{}), gone: make(chan struct{})}
}

// Ends is the end of the pipe that the worker reads. It stays open until Close.
func (u *Upload) Ends() []int { return []int{u.read} }

// Wanted tells that the application has begun to read.
func (u *Upload) Wanted() { u.asked.Do(func() { close(u.wanted) }) }

// End ends our side of the pipe: the worker has been told what it means.
func (u *Upload) End() { _ = u.write.Close() }

// Close ends both sides: the worker has ended the request.
func (u *Upload) Close() {
	u.End()
	u.closed.Do(func() { _ = unix.Close(u.read) })
}

// answer notes that the response begins: the client is not told to go on any more.
func (u *Upload) answer() {
	if u == nil {
		return
	}
	u.mu.Lock()
	u.answering = true
	u.mu.Unlock()
}

// unlessAnswered calls f if the response has not begun, which waits for its return.
func (u *Upload) unlessAnswered(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.answering {
		f()
	}
}

// over is closed where the client does not send the rest; nil: never.
func (u *Upload) over() <-chan struct{} {
	if u == nil {
		return nil
	}
	return u.gone
}

// stop ends feed, which the rest of the body is nothing to any more, and waits for it.
// It tells whether the client has sent all of it.
func (u *Upload) stop(interrupt func()) bool {
	close(u.stopped)
	_ = u.write.SetWriteDeadline(time.Unix(1, 0))
	interrupt()
	<-u.ended
	return u.all.Load()
}

// isStopped tells whether stop was called.
func (u *Upload) isStopped() bool {
	select {
	case <-u.stopped:
		return true
	default:
		return false
	}
}

// errStopped ends a source's wait.
var errStopped = errors.New("the rest of the body is not needed")

// source is where one protocol's body comes from.
type source interface {
	// begin: the application wants it.
	begin(u *Upload)
	// next waits for a piece of it, which is good until the next call; last: it is the
	// last one. os.ErrDeadlineExceeded: the client sent nothing for that long.
	// errStopped: stop was called.
	next(u *Upload, patience time.Duration) (b []byte, last bool, err error)
	// lost is closed where the client is seen to have left before begin, or to have ended
	// its side; behind what waits tells of then, which may be all of the body.
	lost() <-chan struct{}
	waits() bool
}

// feed is the goroutine of an upload.
func (u *Upload) feed(s *Server, in *Incoming, from source) {
	defer close(u.ended)
	for lost, wanted := from.lost(), false; !wanted; {
		select {
		case <-u.wanted:
			wanted = true
		case <-u.stopped:
			return
		case <-lost:
			if !from.waits() {
				u.left(s, in)
				return
			}
			lost = nil // what is missing, if something is, is seen when it is read
		}
	}
	from.begin(u)
	s.Owes(in, true)
	since, got, size := time.Now(), int64(0), int64(0)
	for {
		limits := s.Limits()
		b, last, err := from.next(u, limits.BodyTimeout)
		size, got = size+int64(len(b)), got+int64(len(b))
		broken := (*http1.Error)(nil)
		switch {
		case err == nil && size > limits.MaxBody:
			s.RefuseBody(in, 413, fmt.Sprintf(unread.TooLarge+" (request.max_body)", limits.MaxBody))
			return
		case err == nil:
		case errors.Is(err, errStopped), u.isStopped():
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.RefuseBody(in, 408, fmt.Sprintf("no byte of the body within %v (request.body_timeout)", limits.BodyTimeout))
			return
		case errors.As(err, &broken):
			s.RefuseBody(in, broken.Status, broken.Reason)
			return
		default:
			u.left(s, in)
			return
		}
		u.all.Store(last)
		full := false
		if u.put(b, func() { full = true; s.Owes(in, false) }) != nil {
			return // by stop, or the request has ended
		}
		if last {
			s.Arrived(in)
			return
		}
		now := time.Now()
		if d := limits.BodyTimeout; full {
			s.Owes(in, true)
			since, got = now, 0
		} else if d > 0 && now.Sub(since) >= d {
			if unread.TooSlow(got, limits.MinRate, d) {
				s.RefuseBody(in, 408, fmt.Sprintf("%d bytes of the body in %v, less than %d per second (request.min_rate)", got, d, limits.MinRate))
				return
			}
			since, got = now, 0
		}
	}
}

// left: the client will not send the rest.
func (u *Upload) left(s *Server, in *Incoming) {
	s.log(fmt.Sprintf("%s: the client went away in the middle of its request", http1.Excerpt([]byte(in.Method+" "+in.Target))))
	close(u.gone)
}

// put puts bytes into the pipe. full is called where it has no room, before the wait.
func (u *Upload) put(b []byte, full func()) error {
	raw, err := u.write.SyscallConn()
	if err != nil {
		return err
	}
	waits, failed := false, error(nil)
	err = raw.Write(func(fd uintptr) bool {
		for len(b) > 0 {
			n, err := unix.Write(int(fd), b)
			switch err {
			case nil:
				b = b[n:]
			case unix.EINTR:
			case unix.EAGAIN:
				if !waits {
					waits = true
					full()
				}
				return false
			default:
				failed = err
				return true
			}
		}
		return true
	})
	return errors.Join(err, failed)
}
