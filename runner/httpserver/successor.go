package httpserver

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// handedConn is a connection on its way to the successor.
type handedConn struct {
	control.Conn

	fd int
	ln *listener
}

// successor is the master that takes over from a draining one. A connection that is
// between two requests is handed to it instead of being closed: a client that
// is about to send its next request never notices.
type successor struct {
	server *Server
	path   string
	queue  chan []handedConn
	batch  []handedConn // collected in this turn of the loop
	open   int          // handed and not yet acknowledged
	lost   bool         // it did not take what it was given: nothing more is handed to it
}

func newSuccessor(s *Server, path string) *successor {
	to := &successor{server: s, path: path, queue: make(chan []handedConn, 1024)}
	go to.run()
	return to
}

// HandOver has connections go to the master whose control socket is at path, from
// Leave on.
func (s *Server) HandOver(path string) { s.successor = newSuccessor(s, path) }

// HasSuccessor tells whether HandOver was called.
func (s *Server) HasSuccessor() bool { return s.successor != nil }

// handOff hands a connection over. It runs on the loop.
func (to *successor) handOff(c *conn) {
	if len(to.batch) == 0 {
		to.server.loop.Post(to.send)
	}
	to.batch = append(to.batch, handedConn{Conn: control.Conn{Listener: c.ln.name, Host: c.peer.RemoteAddr, Port: c.peer.RemotePort,
		Pending: append([]byte(nil), c.in...), Gate: c.gated.handed()}, fd: c.fd, ln: c.ln})
	to.open++
	c.state = connClosed
	c.out.Close()
	c.in = nil
	to.server.loop.Remove(c.fd)
	delete(to.server.conns, c)
}

// send passes the batch on.
func (to *successor) send() {
	for batch := range slices.Chunk(to.batch, control.MaxConns) {
		to.queue <- batch
	}
	to.batch = nil
}

// run talks to the successor.
func (to *successor) run() {
	var c *net.UnixConn
	var r *bufio.Reader
	for batch := range to.queue {
		conns, fds := make([]control.Conn, len(batch)), make([]int, len(batch))
		for i := range batch {
			conns[i], fds[i] = batch[i].Conn, batch[i].fd
		}
		taken, err := false, error(nil)
		if c == nil {
			if c, err = control.Dial(to.path); err == nil {
				r = bufio.NewReader(c)
			}
		}
		if err == nil {
			if taken, err = control.HandOff(c, r, conns, fds); err != nil {
				_ = c.Close()
				c = nil // what it would say next belongs to this batch
			}
		}
		if taken {
			// The successor has its own, or had them and is no more: then the client must
			// see that.
			for _, b := range batch {
				_ = unix.Close(b.fd)
			}
		}
		to.server.loop.Post(func() { to.handed(batch, taken, err) })
	}
}

// handed is the end of a batch. What the successor did not take this master serves
// to the end of its request, as if there were none. It runs on the loop.
func (to *successor) handed(batch []handedConn, taken bool, err error) {
	s := to.server
	to.open -= len(batch)
	switch {
	case err != nil && taken:
		s.log.Error(fmt.Sprintf("cannot hand off %d connections to the new master, closing them: %v", len(batch), err))
	case err != nil:
		s.log.Warn(fmt.Sprintf("cannot hand off %d connections to the new master, closing each after its next request: %v", len(batch), err))
		to.lost = true
		for _, b := range batch {
			s.adoptAs(b.fd, b.ln, b.Host, b.Port, gatedOf(b.Gate), b.Pending).drain()
		}
	}
	s.checkEmpty()
}

// AdoptHanded serves a connection of the master before us.
func (s *Server) AdoptHanded(fd int, h *control.Conn) {
	ln := &listener{server: s, name: h.Listener, host: "localhost", port: "80"}
	for _, l := range s.listeners {
		if l.name == h.Listener {
			ln = l
		}
	}
	_ = unix.SetNonblock(fd, true)
	switch {
	case h.Gate != nil:
		s.serveGated(fd, ln, gatedOf(h.Gate), netip.AddrPort{}, h.Pending)
	case ln.adopts:
		ln.link(fd)
	default:
		s.adopt(fd, ln, h.Host, h.Port, h.Pending)
	}
}
