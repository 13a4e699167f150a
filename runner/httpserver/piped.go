package httpserver

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// movesAtOnce is how many bytes are moved to pipes in one call.
const movesAtOnce = 256 << 10

// piped is a body that waits for its worker in pipes. Where they have no room for the
// rest it is read out of them again, into a file, before the client is read on.
type piped struct {
	*unread.Pipes
	spilled bool // what is in them goes to a file
}

// Wanted implements pool.Upload: all of it is there.
func (p *piped) Wanted() {}

// fills tells that what the client sends goes to the pipes.
func (p *piped) fills() bool { return p != nil && !p.spilled }

// held is how many bytes are to be read out of them.
func (p *piped) held() int64 {
	if p == nil {
		return 0
	}
	return p.Size()
}

// read takes bytes out of the pipes, as evloop.Read does.
func (p *piped) read(b []byte) (int, syscall.Errno) {
	n, err := p.Read(b)
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // of a system call
		return -1, errno
	}
	return n, 0
}

// beginPiped has the body at hand wait in pipes; false: it cannot.
func (c *conn) beginPiped() bool {
	s := c.server
	if !s.env.Pipes || c.out.cipher != nil {
		return false
	}
	pipes := s.store.NewPipes(c.left)
	if pipes == nil {
		return false
	}
	c.piped = &piped{Pipes: pipes}
	c.x.Upload = c.piped
	return true
}

// putPiped puts bytes there that came with the head; false: they are to be read again,
// when what is before them is in a file.
func (c *conn) putPiped(data []byte) bool {
	if c.piped.Put(data) {
		return true
	}
	c.spill()
	return false
}

// movePiped moves what the client has sent; false: there is nothing more for now.
func (c *conn) movePiped() bool {
	n, err := c.piped.Move(c.fd, min(c.left, movesAtOnce))
	switch {
	case errors.Is(err, unread.ErrNoPipe):
		c.spill()
		return true
	case errors.Is(err, unix.EAGAIN):
		c.readable = false
		return false
	case err != nil:
		c.close()
		return false
	case n == 0:
		c.eof()
		return false
	}
	c.until(c.server.spec.Request.BodyTimeout.D())
	if c.left -= n; c.left == 0 {
		c.submit()
	}
	return true
}

// spill has the body go on in a file.
func (c *conn) spill() {
	p := c.piped
	p.spilled = true
	c.left += p.Size()
	c.x.Body = c.newBody(c.left)
	c.readable = true // there is something, if not from the client
}

// endPiped: all of the body has come.
func (c *conn) endPiped() error {
	p := c.piped
	if p == nil {
		return nil
	}
	c.piped = nil
	if p.spilled {
		c.x.Upload = nil
		p.Close()
		return nil
	}
	wsgi.SetFlags(c.x.Msg, wsgi.FlagBodyFile|wsgi.FlagBodyPipes)
	return p.Finish()
}

var _ pool.Upload = (*piped)(nil)
