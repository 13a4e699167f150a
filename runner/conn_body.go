package runner

import (
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// takeBody takes what there is of a body.
func (c *conn) takeBody(data []byte) int {
	f := c.front
	c.until(f.spec.Request.BodyTimeout.D())
	if c.left < 0 {
		return c.takeChunks(data)
	}
	n := int(min(int64(len(data)), c.left))
	if c.x.Body == nil {
		c.x.Msg = append(c.x.Msg, data[:n]...)
	} else if _, err := c.x.Body.Write(data[:n]); err != nil {
		c.failed(fmt.Errorf("cannot keep the body: %w", err))
		return 0
	}
	if c.left -= int64(n); c.left == 0 {
		c.submit()
	}
	return n
}

// takeChunks takes what there is of a chunked body.
func (c *conn) takeChunks(data []byte) int {
	f := c.front
	used := 0
	for used < len(data) {
		piece, n, done, err := c.chunks.Decode(data[used:])
		if err != nil {
			c.refuse(err, string(c.x.Label))
			return 0
		}
		used += n
		c.size += int64(len(piece))
		if c.size > int64(f.spec.Request.MaxBody) {
			c.tooLarge(c.size)
			return used
		}
		if err := c.keepPiece(piece); err != nil {
			c.failed(err)
			return 0
		}
		if done {
			c.submitChunked()
			return used
		}
		if n == 0 {
			break
		}
	}
	return used
}

// keepPiece adds to a body of unknown length: in memory, then in a file.
func (c *conn) keepPiece(piece []byte) error {
	if c.x.Body == nil && len(c.bodyBuf)+len(piece) <= wsgi.MaxInlineBody {
		c.bodyBuf = append(c.bodyBuf, piece...)
		return nil
	}
	if c.x.Body == nil {
		f, err := c.front.bodyFile()
		if err != nil {
			return err
		}
		c.x.Body = f
		if _, err := f.Write(c.bodyBuf); err != nil {
			return fmt.Errorf("cannot keep the body: %w", err)
		}
		c.bodyBuf = nil
	}
	if _, err := c.x.Body.Write(piece); err != nil {
		return fmt.Errorf("cannot keep the body: %w", err)
	}
	return nil
}

// submitChunked submits a request whose length is known only now.
func (c *conn) submitChunked() {
	f := c.front
	if err := f.readAgain(c.headBuf); err != nil {
		c.failed(fmt.Errorf("cannot parse a head again: %w", err))
		return
	}
	f.req.ContentLength = c.size
	var flags byte
	if c.x.Body != nil {
		flags = wsgi.FlagBodyFile
	}
	c.x.Msg = wsgi.AppendRequest(c.x.Msg, flags, 0, &f.req, &c.peer)
	if c.x.Body == nil {
		c.x.Msg = append(c.x.Msg, c.bodyBuf...)
	}
	c.headBuf = nil
	c.bodyBuf = nil
	c.submit()
}
