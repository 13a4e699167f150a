package link

import (
	"fmt"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// sockets are the ZeroMQ sockets of a link and the descriptors to wait for.
//
// Both are in one context, so that one thread of ZeroMQ's drives them.
type sockets struct {
	ctx       *zmq.Context
	pub, pull *zmq.Socket
	pubSide   side
	pullSide  side
	watching  bool // epoll has the sides
	event     int  // eventfd: written to wake Turn
	epoll     int  // watches pub, pull and event, and the sides while the link is not ready
}

func (s *sockets) open(cfg Config) (err error) {
	s.pubSide = side{name: "send", means: "recv_spec", endpoint: cfg.Send}
	s.pullSide = side{name: "recv", means: "send_spec", endpoint: cfg.Recv}
	s.event, s.epoll = -1, -1
	defer func() {
		if err != nil {
			s.close(0)
		}
	}()
	if s.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("cannot open mongrel2 link: eventfd: %w", err)
	}
	if s.ctx, err = zmq.NewContext(); err != nil {
		return fmt.Errorf("cannot make ZeroMQ context: %w", err)
	}
	if s.pub, err = newSocket(s.ctx, zmq.XPUB, func(z *zmq.Socket) []error {
		return []error{
			z.SetSndhwm(0), // a limit would drop answers without a word
			z.SetLinger(cfg.Linger),
		}
	}); err != nil {
		return err
	}
	if s.pull, err = newSocket(s.ctx, zmq.PULL, func(z *zmq.Socket) []error {
		return []error{z.SetLinger(0)}
	}); err != nil {
		return err
	}
	pubFD, err := s.pub.GetFd()
	if err != nil {
		return fmt.Errorf("cannot open mongrel2 link: %w", err)
	}
	pullFD, err := s.pull.GetFd()
	if err != nil {
		return fmt.Errorf("cannot open mongrel2 link: %w", err)
	}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("cannot open mongrel2 link: epoll: %w", err)
	}
	for _, fd := range []int{pubFD, pullFD, s.event} {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return fmt.Errorf("cannot open mongrel2 link: epoll: %w", err)
		}
	}
	if err = s.pubSide.watch(s.ctx, s.pub); err != nil {
		return err
	}
	if err = s.pullSide.watch(s.ctx, s.pull); err != nil {
		return err
	}
	s.watchSides(true)
	if err = checkEndpoint(s.pull, cfg.Recv); err != nil {
		return fmt.Errorf("cannot connect to the mongrel2 handler's send_spec (recv) %q: %w", cfg.Recv, err)
	}
	if err = s.pub.Connect(cfg.Send); err != nil {
		return fmt.Errorf("cannot connect to the mongrel2 handler's recv_spec (send) %q: %w", cfg.Send, err)
	}
	return nil
}

// checkEndpoint finds out whether an endpoint can be connected to, without
// doing it for long: the socket for requests is connected later, and a wrong
// word should be told now.
func checkEndpoint(like *zmq.Socket, endpoint string) error {
	ctx, err := like.Context()
	if err != nil {
		return err
	}
	z, err := ctx.NewSocket(zmq.SUB)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }()
	if err := z.SetLinger(0); err != nil {
		return err
	}
	// A SUB is refused by a PUSH in the handshake, should it come that far.
	return z.Connect(endpoint)
}

func newSocket(ctx *zmq.Context, kind zmq.Type, options func(*zmq.Socket) []error) (*zmq.Socket, error) {
	z, err := ctx.NewSocket(kind)
	if err != nil {
		return nil, fmt.Errorf("cannot make ZeroMQ socket: %w", err)
	}
	for _, err := range append(options(z),
		z.SetImmediate(true), // keep nothing for a server that is away, tell when it goes
		z.SetReconnectIvl(100*time.Millisecond),
		z.SetReconnectIvlMax(time.Second),
		z.SetHandshakeIvl(5*time.Second),
		z.SetTcpKeepalive(1),
		z.SetTcpKeepaliveIdle(60),
	) {
		if err != nil {
			_ = z.Close()
			return nil, fmt.Errorf("cannot set up ZeroMQ socket: %w", err)
		}
	}
	return z, nil
}

// connectPull begins to take requests.
func (s *sockets) connectPull() error {
	if err := s.pull.Connect(s.pullSide.endpoint); err != nil {
		return fmt.Errorf("cannot connect to the mongrel2 handler's send_spec (recv) %q: %w", s.pullSide.endpoint, err)
	}
	return nil
}

// receive takes one message; ok is false where there is none.
func receive(z *zmq.Socket) (msg []byte, ok bool, err error) {
	msg, err = z.RecvBytes(zmq.DONTWAIT)
	switch {
	case err == nil:
		return msg, true, nil
	case zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN):
		return nil, false, nil
	}
	return nil, false, err
}

func (s *sockets) send(msg []byte) error {
	_, err := s.pub.SendBytes(msg, zmq.DONTWAIT)
	return err
}

// news tells whether the server's subscription came or went.
func (s *sockets) news() bool {
	state, err := s.pub.GetEvents()
	return err != nil || state&zmq.POLLIN != 0
}

// settle has the socket of requests do what it has to, without taking any: its descriptor
// stays readable until then, and does not become so again for what is there already.
func (s *sockets) settle() { _, _ = s.pull.GetEvents() }

// wait sleeps until there is something to do, for at most d; for ever if d is
// negative. A ZeroMQ descriptor stays readable until its socket was asked.
func (s *sockets) wait(d time.Duration) {
	ms := -1
	if d >= 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	var events [3]unix.EpollEvent
	_, _ = unix.EpollWait(s.epoll, events[:], ms) // interrupted: one turn for nothing
}

// signal makes the descriptor readable, from any goroutine.
func (s *sockets) signal() {
	b := [8]byte{1}
	_, _ = unix.Write(s.event, b[:])
}

// silence takes a signal back.
func (s *sockets) silence() {
	var b [8]byte
	_, _ = unix.Read(s.event, b[:])
}

func (s *sockets) sides() [2]*side { return [2]*side{&s.pubSide, &s.pullSide} }

// watchSides makes news of the connections end a wait, or not.
func (s *sockets) watchSides(on bool) {
	if on == s.watching {
		return
	}
	s.watching = on
	op := unix.EPOLL_CTL_DEL
	if on {
		op = unix.EPOLL_CTL_ADD
	}
	for _, side := range s.sides() {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(side.fd)}
		_ = unix.EpollCtl(s.epoll, op, side.fd, &ev)
	}
}

// detach leaves the server's round of handlers.
func (s *sockets) detach() {
	_ = s.pull.Disconnect(s.pullSide.endpoint) // it was connected
}

// close ends the answers' socket, waits until the server has them, for at most
// linger, and then ends the requests'. The other way round a server that wants to
// tell of a dead connection would stand still, its answers undelivered.
func (s *sockets) close(linger time.Duration) {
	if s.pub != nil {
		_ = s.pub.Close()
		s.pubSide.awaitEnd(linger + time.Second)
	}
	for _, z := range []*zmq.Socket{s.pubSide.events, s.pull, s.pullSide.events} {
		if z != nil {
			_ = z.Close()
		}
	}
	if s.ctx != nil {
		ended := make(chan struct{})
		go func() { _ = s.ctx.Term(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(time.Second):
		}
	}
	for _, fd := range []int{s.epoll, s.event} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
