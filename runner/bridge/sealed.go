package bridge

import (
	"crypto/tls"
	"errors"
	"io"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Sealed is a connection over TLS whose handshake is done and whose client speaks
// HTTP/1. It is for a loop: no call of it waits. crypto/tls goes on after a read that a
// net.Error ended, with what had come until then, and that is what it is told where a
// descriptor has nothing more to read; what it writes is kept here, and sent as far as
// the descriptor takes it.
type Sealed struct {
	// Peer is what the environ says of the connection.
	Peer wsgi.Peer
	// Answers is that of its Arrival.
	Answers func(host []byte) bool

	fd    int
	tls   *tls.Conn
	first []byte // read before the handshake was over, and not used yet

	readable bool          // the descriptor may have something to read
	ended    bool          // the client has ended its side: nothing will tell of what is left
	last     bool          // the next Write is the last one
	errno    syscall.Errno // that ended it
	out      *[]byte       // of spare: sealed, and not sent; nil: nothing is
}

// maxSeal is how many bytes are sealed at once: what the descriptor does not take of them
// waits here, where no budget counts it.
const maxSeal = 32 << 10

// spare is memory for what is sealed: a connection has some of it only while something
// waits.
var spare = sync.Pool{New: func() any {
	b := make([]byte, 0, maxSeal+4<<10) // what TLS adds to that in records of the least size
	return &b
}}

// Descriptor is that of the socket. It is the taker's.
func (c *Sealed) Descriptor() int { return c.fd }

// Ready tells that there is something to read; ended: and that the client has ended its
// side.
func (c *Sealed) Ready(ended bool) {
	c.readable = true
	c.ended = c.ended || ended
}

// Read is read(2) of what the client has sent. EAGAIN: nothing more, until Ready. 0: it
// sends no more. EPROTO: it broke TLS, and was told.
func (c *Sealed) Read(b []byte) (int, syscall.Errno) {
	n, err := c.tls.Read(b)
	if c.out != nil {
		_ = c.Flush() // a change of keys has an answer, an error an alert
	}
	switch {
	case n > 0:
		return n, 0
	case errors.Is(err, errLater):
		return -1, unix.EAGAIN
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, 0
	case c.errno != 0:
		return -1, c.errno
	}
	return -1, unix.EPROTO
}

// Last has the next Write, if it takes all that it is given, say that nothing more comes:
// Farewell has nothing to send then.
func (c *Sealed) Last() { c.last = true }

// Write seals a and then b, or the first bytes of them, and sends what the descriptor
// takes. It must owe nothing.
func (c *Sealed) Write(a, b []byte) (int, syscall.Errno) {
	n, last := 0, c.last
	c.last = false
	for _, part := range [2][]byte{a, b} {
		part = part[:min(len(part), maxSeal-n)]
		if len(part) == 0 {
			continue
		}
		k, err := c.tls.Write(part)
		n += k
		if err != nil {
			return n, unix.EPIPE
		}
	}
	if last && n == len(a)+len(b) {
		_ = c.tls.CloseWrite()
	}
	if errno := c.Flush(); errno != 0 && errno != unix.EAGAIN {
		return n, errno
	}
	return n, 0
}

// Owes tells that bytes wait for the descriptor to take them.
func (c *Sealed) Owes() bool { return c.out != nil }

// Flush sends them. EAGAIN: it does not take them all.
func (c *Sealed) Flush() syscall.Errno {
	if c.out == nil {
		return 0
	}
	out := *c.out
	for sent := 0; sent < len(out); {
		n, errno := evloop.Send(c.fd, out[sent:])
		switch errno {
		case 0:
			sent += n
		case unix.EINTR:
		default:
			*c.out = out[:copy(out, out[sent:])]
			return errno
		}
	}
	*c.out = out[:0]
	spare.Put(c.out)
	c.out = nil
	return 0
}

// Farewell tells the client that nothing more comes: what it has is whole.
func (c *Sealed) Farewell() {
	_ = c.tls.CloseWrite()
	_ = c.Flush()
}

// later is the end of a read that found nothing.
type later struct{}

func (later) Error() string   { return "nothing to read yet" }
func (later) Timeout() bool   { return true }
func (later) Temporary() bool { return true } // what crypto/tls asks

var errLater error = later{}

// sealedConn is what TLS reads and writes of it.
type sealedConn struct {
	undated
	*Sealed
}

// Read implements net.Conn.
func (c sealedConn) Read(b []byte) (int, error) {
	if n := takeFirst(&c.first, b); n > 0 {
		return n, nil
	}
	for c.readable {
		n, errno := evloop.Read(c.fd, b)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			c.readable = false
		case errno != 0:
			c.errno = errno
			return 0, errno
		case n == 0:
			return 0, io.EOF
		default:
			// Edge-triggered: more will be an event.
			c.readable = n == len(b) || c.ended
			return n, nil
		}
	}
	return 0, errLater
}

// Write implements net.Conn.
func (c sealedConn) Write(b []byte) (int, error) {
	if c.out == nil {
		c.out = spare.Get().(*[]byte)
	}
	*c.out = append(*c.out, b...)
	return len(b), nil
}
