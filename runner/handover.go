package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// handedConn describes a connection that goes from a draining master to its
// successor. Its descriptor goes with the message.
type handedConn struct {
	Listener string `json:"listener"`
	Host     string `json:"host"`
	Port     string `json:"port"`
	Pending  []byte `json:"pending,omitempty"` // read from it already
	fd       int
	ln       *listener
}

// adoptRequest is the control request that hands connections over.
type adoptRequest struct {
	Op    string       `json:"op"` // "adopt"
	Conns []handedConn `json:"conns"`
}

// handBatch is how many descriptors go in one message (the kernel's bound is
// 253).
const handBatch = 200

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
	h.batch = append(h.batch, handedConn{Listener: c.ln.name, Host: c.peer.RemoteAddr, Port: c.peer.RemotePort,
		Pending: append([]byte(nil), c.in...), fd: c.fd, ln: c.ln})
	h.open++
	c.state = connClosed
	c.out.Close()
	c.in = nil
	h.front.loop.Remove(c.fd)
	delete(h.front.conns, c)
}

// send passes the batch on.
func (h *heir) send() {
	for batch := range slices.Chunk(h.batch, handBatch) {
		h.queue <- batch
	}
	h.batch = nil
}

// run talks to the successor.
func (h *heir) run() {
	var c *net.UnixConn
	var r *bufio.Reader
	for batch := range h.queue {
		taken, err := false, error(nil)
		if c == nil {
			if c, err = dialControl(h.path); err == nil {
				r = bufio.NewReader(c)
			}
		}
		if err == nil {
			if taken, err = handBatchOver(c, r, batch); err != nil {
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
			f.adopt(b.fd, b.ln, b.Host, b.Port, b.Pending).drain()
		}
	}
	f.checkEmpty()
}

// handBatchOver sends a batch and waits for the answer. Taken: the other side may
// have the connections, whatever the error says.
func handBatchOver(c *net.UnixConn, r *bufio.Reader, batch []handedConn) (taken bool, err error) {
	b, err := json.Marshal(&adoptRequest{Op: "adopt", Conns: batch})
	if err != nil {
		return false, err
	}
	fds := make([]int, len(batch))
	for i := range batch {
		fds[i] = batch[i].fd
	}
	_ = c.SetDeadline(time.Now().Add(controlTimeout))
	b = append(b, '\n')
	n, _, err := c.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	if err == nil && n < len(b) {
		_, err = c.Write(b[n:])
	}
	if err != nil {
		return false, err // without its last byte it is no request
	}
	line, err := readLine(r, maxControlRequest)
	if err != nil {
		// Reset: the other side has gone without reading all of it.
		return !errors.Is(err, unix.ECONNRESET), err
	}
	var ans controlAnswer
	if err := json.Unmarshal(line, &ans); err != nil {
		return true, err
	}
	if ans.Error != "" {
		return false, errors.New(ans.Error)
	}
	return true, nil
}

// Adopt has the master serve connections that somebody else has accepted on a
// socket that it does not have, as if they had come to the listener of that
// listen string. The files stay the caller's.
func (h *Handle) Adopt(ctx context.Context, listen string, conns []*os.File) error {
	fail := func(err error) error {
		return fmt.Errorf("cannot hand %d connections to master %d of %s: %w", len(conns), h.PID, h.App, err)
	}
	var batch []handedConn
	for _, f := range conns {
		raw, err := f.SyscallConn()
		if err != nil {
			return fail(err)
		}
		c := handedConn{Listener: listen}
		// Not f.Fd(), which would make the connection blocking. The file stays open
		// until the batch is sent.
		if err := raw.Control(func(fd uintptr) {
			c.fd = int(fd)
			if sa, err := unix.Getpeername(c.fd); err == nil {
				_, c.Host, c.Port = addrOf(sa)
			}
		}); err != nil {
			return fail(err)
		}
		batch = append(batch, c)
	}
	ctrl, err := dialControl(controlPath(h.dir, h.PID))
	if err != nil {
		return fail(err)
	}
	defer ctrl.Close()
	stop := context.AfterFunc(ctx, func() { _ = ctrl.Close() })
	defer stop()
	r := bufio.NewReader(ctrl)
	for some := range slices.Chunk(batch, handBatch) {
		if _, err := handBatchOver(ctrl, r, some); err != nil {
			return fail(err)
		}
	}
	runtime.KeepAlive(conns)
	return nil
}

// adopt is the successor's side.
func (s *controlServer) adopt(c *net.UnixConn, line []byte, fds []int) {
	var req adoptRequest
	var ans controlAnswer
	if err := json.Unmarshal(line, &req); err != nil {
		ans.Error = "cannot read request: " + err.Error()
	} else if len(req.Conns) != len(fds) {
		ans.Error = fmt.Sprintf("cannot adopt: %d descriptors came for %d connections", len(fds), len(req.Conns))
	}
	if ans.Error != "" {
		closeAll(fds)
	} else {
		s.loop.Call(func() {
			for i, h := range req.Conns {
				s.of.adoptHanded(fds[i], &h)
			}
		})
	}
	b, _ := json.Marshal(&ans)
	_ = c.SetWriteDeadline(time.Now().Add(controlTimeout))
	_, _ = c.Write(append(b, '\n'))
}

// adoptHanded serves a connection of the master before us.
func (f *front) adoptHanded(fd int, h *handedConn) {
	ln := &listener{front: f, name: h.Listener, host: "localhost", port: "80"}
	for _, l := range f.listeners {
		if l.name == h.Listener {
			ln = l
		}
	}
	_ = unix.SetNonblock(fd, true)
	f.adopt(fd, ln, h.Host, h.Port, h.Pending)
}

// handOver drains with a successor, if one is named.
func (m *master) handOver(successor string) {
	why := "asked to"
	if successor != "" && !m.draining {
		m.front.heir = newHeir(m.front, successor)
		why = "a new master takes over"
	}
	m.drain(why)
}
