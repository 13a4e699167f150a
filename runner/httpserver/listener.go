package httpserver

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// listener is one listening socket.
type listener struct {
	server *Server
	name   string // the listen string of the spec
	fd     int
	unix   bool
	adopts bool // no client connects to it but gates
	// greet gets those who connect, instead of the server; nil: it does not.
	greet func(fd int, peer wsgi.Peer)
	host  string // for SERVER_NAME where a request names none
	port  string
	open  bool         // it accepts
	again evloop.Timer // resting until then
}

// Listen takes a listening socket over; the server owns the descriptor.
func (s *Server) Listen(name string, fd int, adopts bool) error {
	return s.listen(&listener{server: s, name: name, fd: fd, adopts: adopts})
}

// ListenSecure does so with one whose clients speak TLS. greet gets the descriptor of
// each, and what the environ will say of it.
func (s *Server) ListenSecure(name string, fd int, greet func(fd int, peer wsgi.Peer)) error {
	return s.listen(&listener{server: s, name: name, fd: fd, greet: greet})
}

func (s *Server) listen(ln *listener) error {
	name, fd := ln.name, ln.fd
	if strings.HasPrefix(name, "unix:") {
		ln.unix = true
		ln.host = "localhost"
	} else {
		local := evloop.Local(fd)
		ln.host, ln.port = evloop.HostPort(local)
		if local.Addr().IsUnspecified() {
			ln.host, _ = os.Hostname()
		}
		ln.unix = !local.IsValid()
		// Inherited by the connections.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return fmt.Errorf("cannot listen on %s: %w", name, err)
	}
	s.listeners = append(s.listeners, ln)
	return nil
}

// peer is what the environ says of a client that has connected.
func (ln *listener) peer(host, port string) wsgi.Peer {
	env := ln.server.env
	return wsgi.Peer{RemoteAddr: host, RemotePort: port, ServerName: ln.host, ServerPort: ln.port,
		Software: ingress.Software, Trusted: env.Trusts, Believed: env.Believed, Mount: &env.Mount, Multiprocess: &env.Pool.Multiprocess}
}

func (ln *listener) securePeer(host, port string) wsgi.Peer {
	p := ln.peer(host, port)
	p.HTTPS = true
	return p
}

// OnEvents accepts what waits, a few at a time so that others get their turn.
func (ln *listener) OnEvents(uint32) { ln.take(16) }

// maxFinalAccepts bounds what is accepted when a listener is closed.
const maxFinalAccepts = 4096

// take accepts at most n connections.
func (ln *listener) take(n int) {
	for range n {
		fd, peer, err := evloop.Accept(ln.fd)
		if err != 0 {
			if evloop.IsExhausted(err) {
				ln.rest(err)
			}
			return
		}
		host, port := evloop.HostPort(peer)
		switch {
		case ln.greet != nil:
			ln.greet(fd, ln.securePeer(host, port))
		case ln.adopts:
			ln.link(fd)
		default:
			ln.server.adopt(fd, ln, host, port, nil)
		}
		if ln.server.env.Files.Kept(fd) && ln.server.crowded() {
			ln.rest(unix.EMFILE)
			return
		}
	}
}

// acceptAgain is how long a listener rests when there are no descriptors.
const acceptAgain = 200 * time.Millisecond

// rest stops accepting for a moment: clients wait in the kernel's queue.
func (ln *listener) rest(err error) {
	l := ln.server.loop
	if ln.server.mayReport(&ln.server.refused) {
		ln.server.log.Error(fmt.Sprintf("cannot accept on %s: %v (%d connections are open); raise the limit of open files of the service (LimitNOFILE=)",
			ln.name, err, len(ln.server.conns)))
	}
	l.Modify(ln.fd, 0)
	ln.again.Do = func() {
		if ln.server.crowded() {
			l.Set(&ln.again, acceptAgain)
			return
		}
		l.Modify(ln.fd, unix.EPOLLIN)
	}
	l.Set(&ln.again, acceptAgain)
}
