package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// handedConn is a connection on its way to the successor.
type handedConn struct {
	control.Conn

	fd int
	ln *listener
}

// heir is the master that takes over from a draining one. A connection that is
// between two requests is handed to it instead of being closed: a client that
// is about to send its next request never notices.
type heir struct {
	front *front
	path  string
	queue chan []handedConn
	batch []handedConn // collected in this turn of the loop
	open  int          // handed and not yet acknowledged
	lost  bool         // it did not take what it was given: nothing more is handed to it
}

func newHeir(f *front, path string) *heir {
	h := &heir{front: f, path: path, queue: make(chan []handedConn, 1024)}
	go h.run()
	return h
}

// give hands a connection over. It runs on the loop.
func (h *heir) give(c *conn) {
	if len(h.batch) == 0 {
		h.front.loop.Post(h.send)
	}
	h.batch = append(h.batch, handedConn{Conn: control.Conn{Listener: c.ln.name, Host: c.peer.RemoteAddr, Port: c.peer.RemotePort,
		Pending: append([]byte(nil), c.in...), Gate: c.gated.handed()}, fd: c.fd, ln: c.ln})
	h.open++
	c.state = connClosed
	c.out.Close()
	c.in = nil
	h.front.loop.Remove(c.fd)
	delete(h.front.conns, c)
}

// send passes the batch on.
func (h *heir) send() {
	for batch := range slices.Chunk(h.batch, control.MaxConns) {
		h.queue <- batch
	}
	h.batch = nil
}

// run talks to the successor.
func (h *heir) run() {
	var c *net.UnixConn
	var r *bufio.Reader
	for batch := range h.queue {
		conns, fds := make([]control.Conn, len(batch)), make([]int, len(batch))
		for i := range batch {
			conns[i], fds[i] = batch[i].Conn, batch[i].fd
		}
		taken, err := false, error(nil)
		if c == nil {
			if c, err = control.Dial(h.path); err == nil {
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
		h.front.loop.Post(func() { h.handed(batch, taken, err) })
	}
}

// handed is the end of a batch. What the successor did not take this master serves
// to the end of its request, as if there were none. It runs on the loop.
func (h *heir) handed(batch []handedConn, taken bool, err error) {
	f := h.front
	h.open -= len(batch)
	switch {
	case err != nil && taken:
		f.log.Error(fmt.Sprintf("cannot hand %d connections to the next master, they are closed: %v", len(batch), err))
	case err != nil:
		f.log.Warn(fmt.Sprintf("cannot hand %d connections to the next master, they end here after their next request: %v", len(batch), err))
		h.lost = true
		for _, b := range batch {
			f.adoptAs(b.fd, b.ln, b.Host, b.Port, gatedOf(b.Gate), b.Pending).drain()
		}
	}
	f.checkEmpty()
}

// Adopt has the master serve connections that somebody else has accepted on a
// socket that it does not have, as if they had come to the listener of that
// listen string. The files stay the caller's.
func (h *Handle) Adopt(ctx context.Context, listen string, conns []*os.File) error {
	fail := func(err error) error {
		return fmt.Errorf("cannot hand %d connections to master %d of %s: %w", len(conns), h.PID, h.App, err)
	}
	all, fds := make([]control.Conn, len(conns)), make([]int, len(conns))
	for i, f := range conns {
		raw, err := f.SyscallConn()
		if err != nil {
			return fail(err)
		}
		all[i].Listener = listen
		// Not f.Fd(), which would make the connection blocking. The file stays open
		// until its batch is sent.
		if err := raw.Control(func(fd uintptr) {
			fds[i] = int(fd)
			if sa, err := unix.Getpeername(fds[i]); err == nil {
				_, all[i].Host, all[i].Port = addrOf(sa)
			}
		}); err != nil {
			return fail(err)
		}
	}
	ctrl, err := control.Dial(control.SocketPath(h.dir, h.PID))
	if err != nil {
		return fail(err)
	}
	defer ctrl.Close()
	stop := context.AfterFunc(ctx, func() { _ = ctrl.Close() })
	defer stop()
	r := bufio.NewReader(ctrl)
	for i := 0; i < len(all); i += control.MaxConns {
		end := min(i+control.MaxConns, len(all))
		if _, err := control.HandOff(ctrl, r, all[i:end], fds[i:end]); err != nil {
			return fail(err)
		}
	}
	runtime.KeepAlive(conns)
	return nil
}

// adopt is the successor's side.
func (s *controlServer) adopt(c *net.UnixConn, line []byte, fds []int) {
	var req control.AdoptRequest
	var ans control.Answer
	if err := json.Unmarshal(line, &req); err != nil {
		ans.Error = "cannot read request: " + err.Error()
	} else if len(req.Conns) != len(fds) {
		ans.Error = fmt.Sprintf("cannot adopt: %d descriptors came for %d connections", len(fds), len(req.Conns))
	}
	if ans.Error != "" {
		evloop.CloseAll(fds)
	} else {
		s.loop.Call(func() {
			for i, h := range req.Conns {
				s.of.adoptHanded(fds[i], &h)
			}
		})
	}
	b, _ := json.Marshal(&ans)
	_ = c.SetWriteDeadline(time.Now().Add(control.Timeout))
	_, _ = c.Write(append(b, '\n'))
}

// adoptHanded serves a connection of the master before us.
func (f *front) adoptHanded(fd int, h *control.Conn) {
	ln := &listener{front: f, name: h.Listener, host: "localhost", port: "80"}
	for _, l := range f.listeners {
		if l.name == h.Listener {
			ln = l
		}
	}
	_ = unix.SetNonblock(fd, true)
	switch {
	case h.Gate != nil:
		f.serveGated(fd, ln, gatedOf(h.Gate), h.Pending)
	case ln.adopts:
		ln.link(fd)
	default:
		f.adopt(fd, ln, h.Host, h.Port, h.Pending)
	}
}

// handOver drains with a successor, if one is named.
func (m *master) handOver(successor string) {
	why := "asked to"
	if successor != "" && !m.draining {
		m.front.heir = newHeir(m.front, successor)
		if m.processes != nil {
			m.processes.Stop() // the successor waits for that to start its own
		}
		why = "a new master takes over"
	}
	m.drain(why)
}
