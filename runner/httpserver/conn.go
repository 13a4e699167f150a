package httpserver

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// connState is where a connection is in its current request.
type connState uint8

const (
	connHead   connState = iota // waiting for a head, or in one
	connBody                    // in a body
	connSpool                   // its body waits for the disk: for room, or until all of it is there
	connStatic                  // it is looked whether the request is for a static file
	connBusy                    // the request is in the pool
	connFlush                   // the response is complete and not yet all sent
	connLinger                  // our last word is sent; what still comes is thrown away
	connClosed
)

// lingerTime is how long we read on after our last word, so that the client can
// read it before the kernel resets the connection.
const lingerTime = 2 * time.Second

// drainGrace is how long a connection between two requests outlives the order
// to drain.
const drainGrace = time.Second

// conn is one HTTP/1 connection, and the sink of its requests. Its descriptor
// is watched edge-triggered: readable and writable remember what the last event
// or call told.
type conn struct {
	server *Server
	ln     *listener
	fd     int
	state  connState
	peer   wsgi.Peer
	gated  *gated // nil: it came by no gate
	// answers tells whether a host may be asked for over it; nil: any, or gated says it.
	answers func(host []byte) bool

	listed   bool // the loop watches it
	readable bool // there may be something to read
	hangup   bool // the client has ended its side
	keep     bool // keep the connection after this response
	goesOn   bool // the client has not said that this request is its last
	chunked  bool // the response is sent in chunks
	head     bool // the request is a HEAD
	noBody   bool // the response has no body
	old      bool // the request is HTTP/1.0
	begun    bool // a byte of the request's head was read
	inPump   bool
	more     bool // what is written next is the head of a file that is sent right after it
	last     bool // nothing after this response: read the rest of the request away

	unsentYet int // in connLinger: what the client had not taken when we looked last

	in     []byte        // read and not yet used: the start of a head
	parser *http1.Parser // of a head that came in pieces

	x       *pool.Exchange // the request being read, or in the pool
	headBuf []byte         // a chunked request's head, until its length is known
	left    int64          // of the body, by its Content-Length; -1: it is chunked
	size    int64          // of a chunked body, so far
	chunks  http1.ChunkedReader
	bodyBuf []byte
	piped   *piped // the body at hand, where it waits in pipes; nil: it does not

	out       outbox
	unsent    string     // names the request whose response is complete and not all sent
	idleSince int64      // between two requests: since when
	sent      int64      // bytes of out that the socket has taken
	took      int64      // bytes that the client had taken when watched began
	watched   int64      // since when its rate counts; 0: nothing waits
	throttled *pool.Slot // the worker is not heard until the client has read what there is; nil: none

	up     *upload     // the rest of the request, for a worker that has it already; nil: all of it is there
	static *staticWait // of a request for a static file; nil: there is none
	warm   *warmth     // of a file that is being sent; nil: none is

	sendLeft int64 // what Content-Length promised and has not been sent; -1: nothing promised

	deadline int64 // 0: none
}

// until sets the time by which the connection must have got on.
func (c *conn) until(d time.Duration) {
	s := c.server
	if d <= 0 {
		c.deadline = 0
		return
	}
	c.deadline = s.loop.Now() + int64(d)
	s.loop.SetBy(&s.sweep, c.deadline)
}

func (c *conn) OnEvents(events uint32) {
	// Both sides have ended theirs when we linger: what the client sent before is
	// read away first, as a close with something unread is a reset, which takes the
	// response from it.
	over := events&unix.EPOLLHUP != 0
	if events&unix.EPOLLERR != 0 || over && c.state != connLinger {
		c.close()
		return
	}
	if events&unix.EPOLLOUT != 0 && !c.out.Empty() {
		c.flush()
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 || over {
		c.readable = true
		if c.out.cipher != nil {
			c.out.cipher.Ready(events&unix.EPOLLRDHUP != 0 || over)
		}
		if events&unix.EPOLLRDHUP != 0 || over {
			// It may have ended its side alone, and gets all of its answer (RFC 9112,
			// section 9.6). One that is gone answers the next piece with a reset.
			c.hangup = true
			if c.state == connSpool && c.leftUs() {
				c.eof()
				return
			}
		}
	}
	c.pump()
}

// pumpReads is how many buffers are read from a connection before others have
// their turn.
const pumpReads = 32

// pump reads and serves as far as it goes without waiting.
func (c *conn) pump() {
	if c.inPump {
		return
	}
	c.inPump = true
	if len(c.in) > 0 && (c.state == connHead || c.state == connBody || c.taking()) {
		c.feed(nil)
	}
	s := c.server
	for reads := 0; c.readable && !c.leaving() && (c.state == connHead || c.state == connBody || c.state == connLinger || c.taking()); reads++ {
		if reads == pumpReads {
			s.loop.Post(c.pump)
			break
		}
		if !c.readOnce() {
			break
		}
	}
	c.inPump = false
	if c.leaving() {
		s.successor.handOff(c)
		s.checkEmpty()
	}
}

// readOnce reads what one buffer holds and uses it; false: there is no more for now, or ever.
func (c *conn) readOnce() bool {
	if c.state == connBody && c.piped.fills() {
		return c.movePiped()
	}
	buf := c.server.rbuf
	toFile := c.state == connBody && c.left > 0 && c.x.Body != nil
	if toFile {
		if buf = c.bodySpace(); buf == nil {
			return true
		}
	}
	spilled := toFile && c.piped != nil
	var n int
	var errno syscall.Errno
	if spilled {
		n, errno = c.piped.read(buf)
	} else {
		n, errno = c.read(buf)
	}
	if errno == syscall.EINTR {
		return true
	}
	if toFile && n <= 0 {
		_ = c.x.Body.Filled(0)
	}
	switch {
	case spilled && n == 0 && errno == 0:
		// All of it is in the file; next is what came behind it.
		c.piped, c.x.Upload = nil, nil
		if len(c.in) > 0 {
			c.feed(nil)
		}
		return true
	case errno != 0:
		c.readable = false
		if errno != syscall.EAGAIN {
			c.close()
		}
		return false
	case n == 0:
		c.eof()
		return false
	}
	if n < len(buf) && !c.hangup && !spilled && c.out.cipher == nil {
		c.readable = false // edge-triggered: more will be an event
	}
	switch {
	case toFile:
		c.bodyFilled(n)
	case c.state != connLinger:
		c.feed(buf[:n])
	}
	return true
}

// leaving tells that the next master is to serve the connection on.
func (c *conn) leaving() bool { return c.handsOver() && c.state == connHead }

// handsOver tells whether it will. Nobody else can go on with a cipher.
func (c *conn) handsOver() bool { return c.out.cipher == nil && c.server.handsOver() }

// closing tells that it is to end with its current request.
func (c *conn) closing() bool { return c.server.draining && !c.handsOver() }

// eof: the client sends no more.
func (c *conn) eof() {
	if c.state == connBody || c.state == connSpool || c.state == connBusy && c.uploading() {
		c.server.log.Info(fmt.Sprintf("%s: the client went away in the middle of its request", c.x.Label))
	}
	c.close()
}

// feed uses bytes that were read. They are good during the call only.
func (c *conn) feed(data []byte) {
	own := len(c.in) > 0
	if own {
		c.in = append(c.in, data...)
		data = c.in
	}
	used := 0
	for used < len(data) && (c.state == connHead && !c.leaving() || c.state == connBody || c.taking()) {
		n := 0
		switch c.state {
		case connHead:
			n = c.takeHead(data[used:])
		case connBody:
			n = c.takeBody(data[used:])
		default:
			n = c.takeUpload(data[used:])
		}
		if n == 0 {
			break
		}
		used += n
	}
	rest := data[used:]
	switch {
	case c.state == connClosed || c.state == connLinger || len(rest) == 0:
		c.in = c.in[:0]
		if cap(c.in) > 4096 {
			c.in = nil
		}
	case own:
		c.in = c.in[:copy(c.in, rest)]
	default:
		c.in = append(c.in[:0], rest...)
	}
}

// expired: the connection's time is up.
func (c *conn) expired() {
	c.deadline = 0
	switch c.state {
	case connHead:
		if c.begun {
			c.server.log.Info(fmt.Sprintf("%s: %s: 408: its head did not arrive within %v (request.header_timeout)", c.from(), http1.Excerpt(c.in), c.server.spec.Request.HeaderTimeout))
			c.head = false
			c.answer(408, fmt.Sprintf(wsgi.HeadLate, c.server.spec.Request.HeaderTimeout))
			return
		}
		if evloop.Unsent(c.fd) > 0 {
			c.linger() // of the answer before, which a request that comes now would take away
			return
		}
	case connBody:
		c.server.log.Info(fmt.Sprintf("%s: 408: no byte of the body within %v (request.body_timeout)", c.x.Label, c.server.spec.Request.BodyTimeout))
		c.answer(408, fmt.Sprintf(unread.NoBody, c.server.spec.Request.BodyTimeout))
		return
	case connLinger:
		// Who takes the answer as fast as all have to is waited for.
		left := evloop.Unsent(c.fd)
		if left > 0 && left < c.unsentYet && !unread.TooSlow(int64(c.unsentYet-left), int64(c.server.spec.Request.MinRate), lingerTime) {
			c.unsentYet = left
			c.until(lingerTime)
			return
		}
	case connClosed:
	case connSpool:
		c.bodyLate()
		return
	case connStatic:
		c.staticExpired()
		return
	case connBusy, connFlush:
		c.judge()
		return
	}
	c.close()
}

// drain ends the connection, or hands it over, as soon as that loses nothing.
func (c *conn) drain() {
	if c.handsOver() {
		if c.state == connHead {
			c.server.successor.handOff(c)
		}
		return
	}
	if c.state == connHead && !c.begun && len(c.in) == 0 {
		// A request may be on its way: it is still answered, as the last one.
		c.until(drainGrace)
		return
	}
	c.keep = false
}

// close ends the connection now.
func (c *conn) close() {
	if c.state == connClosed {
		return
	}
	if x := c.x; x != nil {
		c.x = nil
		if c.state == connBusy {
			if c.up != nil {
				x.ClientOwes(false)
			}
			c.server.pool.Abandon(x)
		} else {
			c.server.pool.Release(x)
		}
	}
	if c.state == connHead {
		c.farewell()
	}
	c.state = connClosed
	c.endUpload()
	c.out.Close()
	c.throttled.Resume()
	if c.listed {
		c.server.loop.Forget(c.fd)
	}
	evloop.Close(c.fd)
	delete(c.server.conns, c)
	c.in, c.bodyBuf, c.headBuf = nil, nil, nil
	c.server.checkEmpty()
}

// linger sends the end of our side and waits for the client's.
func (c *conn) linger() {
	c.state = connLinger
	c.list()
	c.farewell()
	_ = unix.Shutdown(c.fd, unix.SHUT_WR)
	c.until(lingerTime)
	c.unsentYet = evloop.Unsent(c.fd)
	c.readable = true
	c.pump()
}
