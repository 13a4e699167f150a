package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// h2conn is a connection on which HTTP/2 was agreed. It follows the frames that
// net/http reads (RFC 9113, section 4.1), which waits for ever for the rest of a
// request's head: one that is not whole within Limits.HeaderTimeout ends the
// connection, where nothing but that rest may come until then (section 4.3).
//
// It is no *tls.Conn on purpose: net/http would take that over by itself.
type h2conn struct {
	net.Conn
	s      *Server
	server *h2server // guarded by s.mu: who has it

	// Of the one goroutine that reads.
	preface int     // bytes of the client's preface still to come
	head    [9]byte // of a frame
	have    int     // bytes of head
	left    int     // bytes of the frame still to come
	put     []byte  // to be read before what the client sends
	inHead  bool    // a HEADERS frame without END_HEADERS came, and no CONTINUATION with it
	waiting *time.Timer

	size atomic.Int64 // bytes of the head that came last, while net/http has not handed on its request
	late atomic.Bool  // nothing is to be said of it any more

	mu      sync.Mutex
	idle    time.Time // guarded by mu: since when it has no request; zero: it has one
	leaving bool      // guarded by mu: see shed
}

const (
	h2Preface        = len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frameData        = 0x0
	frameHeaders     = 0x1
	frameGoAway      = 0x7
	frameContinue    = 0x9
	flagEndOfHeaders = 0x4
)

func newH2conn(s *Server, c *tls.Conn) *h2conn { return &h2conn{Conn: c, s: s, preface: h2Preface} }

func (c *h2conn) raw() net.Conn { return c.Conn.(*tls.Conn).NetConn().(*wire).Conn }

// Close implements net.Conn. It does nothing: net/http closes idle connections in
// the moment it sends them GOAWAY, which would cut off a request that is on its
// way. When it is done with one, ConnState tells, and end is called.
func (c *h2conn) Close() error { return nil }

func (c *h2conn) end() {
	// A head that is waited for is nobody's fault any more. One that is whole and no
	// request is too large for net/http, compressed or not.
	if n := c.size.Load(); !c.late.Swap(true) && n > maxHead2/2 {
		p := c.s.peer(c.raw())
		c.s.log(fmt.Sprintf("%s: 431: the head of an HTTP/2 request is larger than %d bytes; the connection is closed", from(p.RemoteAddr), maxHead2))
		c.s.refused(p, 431)
	}
	c.linger()
	_ = c.Conn.Close()
}

// lingerTime is how long is waited for a client that takes nothing of its last answer, and
// sends no end.
const lingerTime = 2 * time.Second

// linger waits until the client has taken the answers that the kernel still has to send.
// One that reads says all the time that more may come (WINDOW_UPDATE); were we gone that
// would be answered by a reset, which takes from it what was not sent. Who takes less than
// all have to is not waited for.
func (c *h2conn) linger() {
	sock, ok := c.raw().(*socket)
	if !ok {
		return
	}
	left := sock.unsent()
	if left == 0 || c.Conn.(*tls.Conn).CloseWrite() != nil || sock.closeWrite() != nil {
		return
	}
	rate, buf := c.s.Limits().MinRate, make([]byte, 4096)
	for {
		_ = sock.SetReadDeadline(time.Now().Add(lingerTime))
		err := error(nil)
		for err == nil {
			_, err = sock.Read(buf)
		}
		now := sock.unsent()
		if !errors.Is(err, os.ErrDeadlineExceeded) || now == 0 || now >= left || unread.TooSlow(int64(left-now), rate, lingerTime) {
			return
		}
		left = now
	}
}

// adequate tells whether HTTP/2 may run over what was agreed (RFC 9113, section
// 9.2.2).
func adequate(s tls.ConnectionState) bool {
	switch s.CipherSuite {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	}
	return s.Version >= tls.VersionTLS13
}

func (c *h2conn) Read(b []byte) (int, error) {
	if len(c.put) > 0 {
		n := copy(b, c.put)
		c.put = c.put[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.goAway() {
		return c.Read(b)
	}
	c.follow(b[:n])
	if err != nil {
		c.size.Store(0) // it is the client that ended
	}
	switch half := err == nil && c.half(); {
	case !half && c.waiting != nil:
		c.waiting.Stop()
		c.waiting = nil
	case half && c.waiting == nil:
		if limit := c.s.Limits().HeaderTimeout; limit > 0 {
			c.waiting = time.AfterFunc(limit, func() { c.expire(limit) })
		}
	}
	return n, err
}

// half tells that a part of a head is there, and not all.
func (c *h2conn) half() bool {
	return c.inHead || c.have > 0 || c.left > 0 && c.head[3] != frameData
}

// follow takes note of what was read.
func (c *h2conn) follow(b []byte) {
	for len(b) > 0 {
		switch {
		case c.preface > 0:
			n := min(c.preface, len(b))
			c.preface -= n
			b = b[n:]
			continue
		case c.left > 0:
			n := min(c.left, len(b))
			c.left -= n
			b = b[n:]
		default:
			n := copy(c.head[c.have:], b)
			c.have += n
			b = b[n:]
			if c.have < len(c.head) {
				return
			}
			c.have = 0
			c.left = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
			switch c.head[3] {
			case frameHeaders:
				c.size.Store(int64(c.left))
			case frameContinue:
				c.size.Add(int64(c.left))
			}
		}
		if kind := c.head[3]; c.left == 0 && (kind == frameHeaders || kind == frameContinue) {
			c.inHead = c.head[4]&flagEndOfHeaders == 0
		}
	}
}

func (c *h2conn) expire(limit time.Duration) {
	if c.late.Swap(true) {
		return
	}
	p := c.s.peer(c.raw())
	c.s.log(fmt.Sprintf("%s: 408: the head of an HTTP/2 request did not arrive within %v (request.header_timeout); the connection is closed", from(p.RemoteAddr), limit))
	c.s.refused(p, 408)
	_ = c.raw().Close()
}
