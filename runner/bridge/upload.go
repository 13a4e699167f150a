package bridge

import (
	"errors"
	"fmt"
	"os"
	"sync"
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

// over is closed where the client does not send the rest; nil: never.
func (u *Upload) over() <-chan struct{} {
	if u == nil {
		return nil
	}
	return u.gone
}

// stop ends feed, which the rest of the body is nothing to any more, and waits for it.
func (u *Upload) stop(interrupt func()) {
	close(u.stopped)
	_ = u.write.SetWriteDeadline(time.Unix(1, 0))
	interrupt()
	<-u.ended
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

// feed is the goroutine of an upload.
func (u *Upload) feed(s *Server, in *Incoming, from *source) {
	defer close(u.ended)
	select {
	case <-u.wanted:
	case <-u.stopped:
		return
	}
	from.begin()
	s.Owes(in, true)
	since, got, size := time.Now(), int64(0), int64(0)
	for {
		limits := s.Limits()
		b, last, err := from.next(u, limits.BodyTimeout)
		size, got = size+int64(len(b)), got+int64(len(b))
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
		default:
			u.left(s, in)
			return
		}
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
