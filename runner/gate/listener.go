package gate

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// listener is one listening socket.
type listener struct {
	s     *Server
	name  string
	fd    int
	back  bool         // masters connect to it, to hand connections back
	again evloop.Timer // resting until then
	open  bool
}

// ListenBack takes the socket over at which masters hand connections back; the server
// owns the descriptor.
func (s *Server) ListenBack(name string, fd int) error {
	return s.listen(&listener{s: s, name: name, fd: fd, back: true})
}

// link serves a master that has connected.
func (s *Server) link(fd int) {
	l := &Link{Loop: s.Loop, Room: &s.room, Taken: s.back, Arrived: func(any) {}, Writable: func() {}}
	l.Over = func([]any) { delete(s.links, l) }
	if err := l.Open(fd); err != nil {
		s.say(err.Error())
		return
	}
	s.links[l] = struct{}{}
}

// Listen takes a listening socket over; the server owns the descriptor.
func (s *Server) Listen(name string, fd int) error {
	// Inherited by the connections. Those of unix sockets have the second one, which does
	// nothing to who asks for no credentials: by that the guard knows them.
	if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	}
	return s.listen(&listener{s: s, name: name, fd: fd})
}

func (s *Server) listen(ln *listener) error {
	if err := unix.SetNonblock(ln.fd, true); err != nil {
		return fmt.Errorf("cannot listen on %s: %w", ln.name, err)
	}
	s.listeners = append(s.listeners, ln)
	return nil
}

// Accept begins to take connections.
func (s *Server) Accept() error {
	for _, ln := range s.listeners {
		if ln.open {
			continue
		}
		if err := s.Loop.Add(ln.fd, unix.EPOLLIN, ln); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", ln.name, err)
		}
		ln.open = true
	}
	return nil
}

// Listeners tells of each listening socket.
func (s *Server) Listeners(each func(name string, fd int)) {
	for _, ln := range s.listeners {
		each(ln.name, ln.fd)
	}
}

// OnEvents accepts what waits, a few at a time so that others get their turn.
func (ln *listener) OnEvents(uint32) { ln.take(32) }

// acceptAgain is how long a listener rests when there are no descriptors.
const acceptAgain = 100 * time.Millisecond

func (ln *listener) take(n int) {
	s := ln.s
	for range n {
		fd, peer, errno := evloop.Accept(ln.fd)
		switch errno {
		case 0:
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			ln.rest(errno)
			return
		case unix.ECONNABORTED, unix.EINTR:
			continue
		default:
			return
		}
		if ln.back {
			s.link(fd)
			continue
		}
		s.Counts.Accepted++
		c := &conn{s: s, fd: fd, at: s.place(ln.name), source: peer.Addr(), port: peer.Port()}
		c.proxy = s.fromProxy(c.source)
		s.admit(c)
		if !c.closed {
			c.read()
		}
	}
}

// rest gives up the oldest connections without an app, and stops accepting for a
// moment.
func (ln *listener) rest(errno error) {
	s := ln.s
	s.say(fmt.Sprintf("cannot accept on %s: %v (%d connections have no app yet); raise the limit of open files of the service (LimitNOFILE=)", ln.name, errno, s.heads.n))
	for range 64 {
		s.shed(s.heads.first)
	}
	s.Loop.Modify(ln.fd, 0)
	ln.again.Do = func() { s.Loop.Modify(ln.fd, unix.EPOLLIN) }
	s.Loop.Set(&ln.again, acceptAgain)
}
