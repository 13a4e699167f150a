package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// conn1 is one HTTP/1 connection over TLS. One goroutine serves it, another
// reads for it, so that the leaving of a client is noticed while it waits.
type conn1 struct {
	s      *Server
	c      *tls.Conn
	peer   wsgi.Peer
	parser http1.Parser
	req    wsgi.Request
	limits Limits

	in      []byte        // read and not yet used
	more    chan struct{} // asks the reader for bytes
	got     chan int      // how many it put into rbuf; closed by the reader after an error
	gone    chan struct{} // closed by the reader with got: nothing more will be read
	lost    chan struct{} // closed before it where the client does not take the response either
	readErr error         // of the reader, valid once gone is closed
	rbuf    [8 << 10]byte // the reader's, between more and got
	asked   bool          // a read is under way

	out     []byte // written, but not sent
	framing http1.Framing
	keep    bool

	mu      sync.Mutex
	idle    bool      // guarded by mu: waits for a request of which nothing has come
	since   time.Time // guarded by mu: when idle began
	closing bool      // guarded by mu: Shutdown was called
	limit   time.Time // guarded by mu: no later deadline while idle and closing
}

func newConn1(s *Server, c *tls.Conn) *conn1 {
	return &conn1{s: s, c: c, peer: s.peer(c), more: make(chan struct{}, 1), got: make(chan int, 1), gone: make(chan struct{}), lost: make(chan struct{})}
}

// drain is called by Shutdown.
func (c *conn1) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing, c.limit = true, time.Now().Add(idleGrace)
	if c.idle {
		_ = c.c.SetReadDeadline(c.limit)
	}
}

func (c *conn1) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// read is the reader's goroutine.
func (c *conn1) read() {
	defer c.s.running.Done()
	defer close(c.gone)
	for range c.more {
		n, err := c.c.Read(c.rbuf[:])
		if err != nil {
			c.readErr = err
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				close(c.lost)
			}
			if n > 0 {
				c.got <- n
			}
			return
		}
		c.got <- n
	}
}

// ask starts a read, if none is under way.
func (c *conn1) ask() {
	if !c.asked {
		c.asked = true
		c.more <- struct{}{}
	}
}

// take adds what a read got.
func (c *conn1) take(n int) {
	c.in = append(c.in, c.rbuf[:n]...)
	c.asked = false
}

// fill waits for more bytes.
func (c *conn1) fill() error {
	c.ask()
	select {
	case n := <-c.got:
		c.take(n)
		return nil
	case <-c.gone:
		select {
		case n := <-c.got:
			c.take(n)
			return nil
		default:
		}
		return c.readErr
	}
}

func (c *conn1) serve() {
	c.s.running.Add(1)
	go c.read()
	defer close(c.more)
	defer c.c.Close() // first: it ends the read
	c.limits = c.s.Limits()
	wait := c.limits.HeaderTimeout
	for c.serveOne(wait) {
		wait = c.limits.KeepAliveTimeout
	}
}

// serveOne serves one request; false: the connection is to be closed.
func (c *conn1) serveOne(wait time.Duration) bool {
	n, ok := c.readHead(wait)
	if !ok {
		return false
	}
	r := &c.req
	if !answers(c.c.NetConn(), r.Host) {
		return c.refuse(421, misdirected, "")
	}
	b := &body{s: c.s}
	defer b.close()
	c.limits = c.s.Limits()
	left := r.ContentLength
	used := n
	if b.up = c.upload(n); b.up == nil {
		if used, ok = c.readBody(n, b); !ok {
			return false
		}
		left = b.size
	}
	if r.Chunked && b.up != nil {
		left = -1
	}
	r.ContentLength = left
	c.keep = r.KeepAlive && !c.isClosing()
	out := newResponse(c.s)
	defer out.close()
	arrives := b.up != nil
	in, ok := c.s.submit(r, &c.peer, b, out)
	if !ok {
		return c.refuse(431, wsgi.HeadTooLarge, "")
	}
	head := string(r.Method) == "HEAD"
	proto, expect := r.Proto, r.Expect100
	c.in = c.in[:copy(c.in, c.in[used:])]
	// A read that waits tells when the client is lost. One that only ended its side,
	// which a farewell of TLS may be too, gets all of its answer.
	_ = c.c.SetReadDeadline(time.Time{})
	if len(c.in) == 0 {
		c.ask()
	}
	up := in.Upload
	if up != nil {
		go up.feed(c.s, in, &source1{c: c, left: left, expect: expect})
	} else if arrives {
		c.keep = false // answered with a file: what is still to come of the body is no request
	}
	rd := &reader{conn: c.c.NetConn(), q: out, cut: func(why string) {
		c.s.log(fmt.Sprintf("%s: %s: closed: %s", from(c.peer.RemoteAddr), http1.Excerpt([]byte(in.Method+" "+in.Target)), why))
		c.abort()
	}}
	unwatch := c.s.watch(rd)
	w := &writer1{c: c, r: rd, up: up, o: http1.HeadOptions{Proto: proto, Head: head, Extra: c.s.extra(&c.limits), Reasons: c.limits.Reasons}}
	_ = c.c.SetWriteDeadline(time.Time{})
	err := out.copyTo(w, rd, head, c.lost, up.over())
	unwatch()
	if up != nil && !up.stop(func() {}) {
		c.keep = false
	}
	out.close() // before anyone is told: what comes from now on goes nowhere
	if !in.Ended() {
		c.s.Cancel(in)
	}
	if err != nil {
		c.abort()
		return false
	}
	if !c.keep {
		c.linger()
		return false
	}
	return true
}

// abort cuts the connection. No farewell of TLS, and a reset where the end of the
// connection is the end of the body: the client must not take this for it. (A reset
// may cost it what is still on the way, so it is for that case alone.)
func (c *conn1) abort() {
	if tcp, ok := c.c.NetConn().(lingerer); ok && c.framing == http1.FramingClose {
		_ = tcp.SetLinger(0)
	}
	_ = c.c.NetConn().Close()
}

// readHead reads a head; its length and whether there is one to serve.
func (c *conn1) readHead(wait time.Duration) (int, bool) {
	begun := false
	c.setIdle(wait)
	defer c.setBusy()
	for {
		if len(c.in) > 0 {
			if !begun {
				c.parser.Limits = c.s.Limits().Head
			}
			n, err := c.parser.ParseHead(c.in, &c.req)
			if err != nil {
				c.refuseError(err)
				return 0, false
			}
			if n > 0 {
				return n, true
			}
			if !begun && c.parser.Started() {
				begun = true
				c.setBusy()
				c.limits = c.s.Limits()
				deadline(c.c.SetReadDeadline, c.limits.HeaderTimeout)
			}
		}
		if err := c.fill(); err != nil {
			if begun && errors.Is(err, os.ErrDeadlineExceeded) {
				c.refuse(408, fmt.Sprintf("the request's head did not arrive within %v", c.limits.HeaderTimeout), "request.header_timeout")
			}
			return 0, false
		}
	}
}

// idleSince is since when the connection waits for a request; false: it does not.
func (c *conn1) idleSince() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.idle
}

// shed closes the connection if it has been idle for that long.
func (c *conn1) shed(age time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.idle || time.Since(c.since) < age {
		return false
	}
	_ = c.c.SetReadDeadline(time.Unix(1, 0))
	return true
}

// setIdle begins to wait for a request.
func (c *conn1) setIdle(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle, c.since = true, time.Now()
	if c.closing {
		_ = c.c.SetReadDeadline(c.limit)
		return
	}
	deadline(c.c.SetReadDeadline, wait)
}

func (c *conn1) setBusy() {
	c.mu.Lock()
	c.idle = false
	c.mu.Unlock()
}

func (c *conn1) tooLarge() bool {
	return c.refuse(413, fmt.Sprintf(unread.TooLarge, c.limits.MaxBody), "request.max_body")
}

func (c *conn1) refuseError(err error) {
	status, reason, setting := 400, err.Error(), ""
	if e := (*http1.Error)(nil); errors.As(err, &e) {
		status, reason, setting = e.Status, e.Reason, e.Setting
	}
	c.refuse(status, reason, setting)
}

// refuse answers a request that does not come to the application; setting is
// what decided it. It returns false: the connection is to be closed.
func (c *conn1) refuse(status int, reason, setting string) bool {
	if setting != "" {
		setting = " (" + setting + ")"
	}
	c.s.log(fmt.Sprintf("%s: %s: %d: %s%s", from(c.peer.RemoteAddr), http1.Excerpt(c.in), status, reason, setting))
	return c.answer(status, reason)
}

// answer sends a response of ours to a request that was never submitted. It
// returns false: the connection is to be closed.
func (c *conn1) answer(status int, reason string) bool {
	c.s.refused(c.peer, status)
	c.keep = false
	w := &writer1{c: c, o: http1.HeadOptions{Proto: "HTTP/1.1", Extra: c.s.extra(&c.limits), Reasons: c.limits.Reasons}}
	if w.fail(status, reason) == nil {
		c.linger()
	}
	return false
}

func from(addr string) string {
	if addr == "" {
		return "a client on a unix socket"
	}
	return addr
}

// linger lets the client read the last answer: closing with something unread
// would reset the connection.
func (c *conn1) linger() {
	_ = c.c.SetWriteDeadline(time.Now().Add(time.Second))
	_ = c.c.CloseWrite()
	_ = c.c.SetReadDeadline(time.Now().Add(time.Second))
	for total := 0; total < 64<<20; {
		c.in = c.in[:0]
		if c.fill() != nil {
			return
		}
		total += len(c.in)
	}
}
