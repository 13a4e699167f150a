package httpserver

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// takeBody takes what there is of a body.
func (c *conn) takeBody(data []byte) int {
	s := c.server
	c.until(s.spec.Request.BodyTimeout.D())
	if c.left < 0 {
		return c.takeChunks(data)
	}
	n := int(min(int64(len(data)), c.left))
	switch {
	case c.piped.fills():
		if !c.putPiped(data[:n]) {
			return 0 // what is in the pipes comes first, see pump
		}
	case c.piped.held() > 0:
		return 0
	case c.x.Body == nil:
		c.x.Msg = append(c.x.Msg, data[:n]...)
	default:
		n = c.addToBody(data[:n])
	}
	if c.left -= int64(n); c.left == 0 {
		c.submit()
	}
	return n
}

// newBody is where the body of the request at hand is kept; size -1: it is not known.
func (c *conn) newBody(size int64) *unread.Body {
	s := c.server
	var b *unread.Body
	b = s.store.NewBody(size, func() { s.loop.Post(func() { c.bodyMoved(b) }) })
	return b
}

// addToBody puts bytes into the file of the body: all of them, or as many as there is
// room for until the disk has taken some.
func (c *conn) addToBody(data []byte) (n int) {
	for n < len(data) {
		space := c.bodySpace()
		if space == nil {
			return n
		}
		k := copy(space, data[n:])
		if err := c.x.Body.Filled(k); err != nil {
			c.bodyFailed(err)
			return 0
		}
		n += k
	}
	return n
}

// bodySpace is memory for the next bytes of the body, no more of it than there are
// bytes. nil: the connection waits for the disk, or the disk has failed.
func (c *conn) bodySpace() []byte {
	space, err := c.x.Body.Space()
	switch {
	case err != nil:
		c.bodyFailed(err)
		return nil
	case space == nil:
		c.awaitDisk()
		return nil
	case c.left > 0 && c.left < int64(len(space)):
		return space[:c.left]
	}
	return space
}

// bodyFilled: n bytes of bodySpace have come.
func (c *conn) bodyFilled(n int) {
	c.until(c.server.spec.Request.BodyTimeout.D())
	if err := c.x.Body.Filled(n); err != nil {
		c.bodyFailed(err)
		return
	}
	if c.left -= int64(n); c.left == 0 {
		c.submit()
	}
}

// awaitDisk reads no more until bodyMoved: the client waits too.
func (c *conn) awaitDisk() {
	c.state = connSpool
	if c.hangup && c.leftUs() {
		c.eof()
		return
	}
	c.x.Body.Await()
	c.until(c.server.spec.Request.BodyTimeout.D())
}

// bodyMoved: the disk has taken some of a body, or failed.
func (c *conn) bodyMoved(b *unread.Body) {
	if c.x == nil || c.x.Body != b || c.state != connBody && c.state != connSpool {
		return
	}
	if err := b.Err(); err != nil {
		c.bodyFailed(err)
		return
	}
	switch {
	case c.state == connBody:
	case c.left == 0:
		c.submit()
	case c.bodySpace() != nil:
		c.state = connBody
		c.until(c.server.spec.Request.BodyTimeout.D())
		c.pump()
		_ = b.Filled(0) // if nothing came
	}
}

// bodyLate: the disk has taken nothing for as long as a client may send nothing.
func (c *conn) bodyLate() {
	if c.x.Body.Stuck() {
		c.bodyFailed(c.server.env.Stalled())
		return
	}
	c.awaitDisk()
}

func (c *conn) bodyFailed(err error) { c.failed(fmt.Errorf("cannot store the body: %w", err)) }

// leftUs tells that the client, which has ended its side, has not sent all of its
// request. Where its length is not known that is seen when it is read.
func (c *conn) leftUs() bool {
	if c.out.cipher != nil {
		return false // it has read more than we have
	}
	n, err := unix.IoctlGetInt(c.fd, unix.SIOCINQ)
	return err == nil && int64(n+len(c.in))+c.piped.held() < c.left
}

// submit gives the request to the pool, when all of it is there.
func (c *conn) submit() {
	c.left = 0
	if err := c.endPiped(); err != nil {
		c.bodyFailed(err)
		return
	}
	if b := c.x.Body; b != nil {
		switch done, err := b.Complete(); {
		case err != nil:
			c.bodyFailed(err)
			return
		case !done:
			c.awaitDisk()
			return
		}
	}
	c.state = connBusy
	c.begun = false
	c.deadline = 0
	if len(c.x.Msg) > wsgi.MaxMessage {
		c.server.log.Warn(fmt.Sprintf("%s: 431: its head is too large", c.x.Label))
		c.answer(431, wsgi.HeadTooLarge)
		return
	}
	c.server.pool.Submit(c.x)
}

// takeChunks takes what there is of a chunked body, as far as there is room for it.
func (c *conn) takeChunks(data []byte) int {
	s := c.server
	used := 0
	for used < len(data) {
		some := data[used:]
		var space []byte
		if c.x.Body != nil {
			if space = c.bodySpace(); space == nil {
				return used
			}
			some = some[:min(len(some), len(space))]
		}
		piece, n, done, err := c.chunks.Decode(some)
		if err == nil {
			used += n
			c.size += int64(len(piece))
			if c.size > int64(s.spec.Request.MaxBody) {
				c.tooLarge(c.size)
				return used
			}
			if err := c.keepPiece(space, piece); err != nil {
				c.bodyFailed(err)
				return 0
			}
		}
		switch {
		case err != nil:
			c.refuse(err, string(c.x.Label))
			return 0
		case done:
			c.submitChunked()
			return used
		case n == 0:
			return used
		}
	}
	return used
}

// keepPiece adds to a body of unknown length: in memory, then in a file, where there
// is space for it.
func (c *conn) keepPiece(space, piece []byte) error {
	if c.x.Body != nil {
		return c.x.Body.Filled(copy(space, piece))
	}
	c.bodyBuf = append(c.bodyBuf, piece...)
	if len(c.bodyBuf) <= wsgi.MaxInlineBody {
		return nil
	}
	c.x.Body = c.newBody(-1)
	b := c.bodyBuf
	c.bodyBuf = nil
	return c.x.Body.Give(b)
}

// submitChunked submits a request whose length is known only now.
func (c *conn) submitChunked() {
	s := c.server
	if err := s.readAgain(c.headBuf); err != nil {
		c.failed(fmt.Errorf("cannot parse a head again: %w", err))
		return
	}
	s.req.ContentLength = c.size
	var flags byte
	if c.x.Body != nil {
		flags = wsgi.FlagBodyFile
	}
	c.x.Msg = wsgi.AppendRequest(c.x.Msg, flags, 0, &s.req, &c.peer)
	if c.x.Body == nil {
		c.x.Msg = append(c.x.Msg, c.bodyBuf...)
	}
	c.headBuf = nil
	c.bodyBuf = nil
	c.submit()
}
