package httpserver

import (
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Cipher is what a connection is read and written by whose bytes are not sent as they are.
// No call of it waits.
type Cipher interface {
	// Ready tells that the descriptor has something to read; ended: and that the client
	// has ended its side.
	Ready(ended bool)
	// Read is read(2). EAGAIN: nothing, until Ready was called.
	Read(b []byte) (int, syscall.Errno)
	// Write takes the first bytes of a and b, and sends of them what the descriptor takes.
	// It must owe nothing.
	Write(a, b []byte) (int, syscall.Errno)
	// Last tells that what the next Write is given is the last of all: where it takes that
	// wholly the Farewell goes along.
	Last()
	// Owes tells that not all of it was sent; Flush sends it. EAGAIN: not all.
	Owes() bool
	Flush() syscall.Errno
	// Farewell tells the client that the connection ends here, and was not cut.
	Farewell()
}

// AdoptSecure serves a connection over TLS whose handshake is done, and which the loop
// watches. answers tells whether a host may be asked for over it; nil: any.
func (s *Server) AdoptSecure(fd int, by Cipher, peer wsgi.Peer, answers func(host []byte) bool) {
	c := &conn{server: s, fd: fd, peer: peer, answers: answers, listed: true, readable: true}
	s.loop.Own(fd, c)
	c.out.cipher = by
	s.begin(c, nil)
	if s.draining {
		c.drain() // it came too late to be told
	}
}

// read is read(2) of what the client has sent.
func (c *conn) read(b []byte) (int, syscall.Errno) {
	if c.out.cipher != nil && c.state != connLinger {
		return c.out.cipher.Read(b)
	}
	return evloop.Read(c.fd, b)
}

// goOn tells a client to send the body.
func (c *conn) goOn() {
	if c.out.cipher != nil {
		_, _ = c.out.cipher.Write([]byte(http1.Continue), nil)
		return
	}
	_, _ = evloop.Send(c.fd, []byte(http1.Continue))
}

// farewell ends what a client may take for whole.
func (c *conn) farewell() {
	if c.out.cipher != nil {
		c.out.cipher.Farewell()
	}
}
