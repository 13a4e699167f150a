package httpserver

import (
	"errors"
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// refuse answers a request that is not HTTP as we accept it, and closes.
func (c *conn) refuse(err error, request string) {
	status, reason, setting := 400, err.Error(), ""
	if e := (*http1.Error)(nil); errors.As(err, &e) {
		status, reason = e.Status, e.Reason
		if e.Setting != "" {
			setting = " (" + e.Setting + ")"
		}
	}
	c.server.log.Info(fmt.Sprintf("%s: %s: %d: %s%s", c.from(), request, status, reason, setting))
	c.answer(status, reason)
}

func (c *conn) from() string {
	if c.peer.RemoteAddr == "" {
		return "a client on a unix socket"
	}
	return c.peer.RemoteAddr
}

func (c *conn) tooLarge(n int64) {
	c.server.log.Warn(fmt.Sprintf("%s: 413: its body has %d bytes or more, request.max_body is %d", c.x.Label, n, c.server.spec.Request.MaxBody))
	c.answer(413, fmt.Sprintf(unread.TooLarge, c.server.spec.Request.MaxBody))
}

// failed answers a request that we cannot keep.
func (c *conn) failed(err error) {
	status := unread.Status(err)
	c.server.log.Error(fmt.Sprintf("%s: %d: %v", c.x.Label, status, err))
	c.answer(status, unread.NotStored)
}

// what names the request that the connection is at.
func (c *conn) what() string {
	if c.x != nil {
		return string(c.x.Label)
	}
	return c.unsent
}

// answer sends a response of our own to a request that is not in the pool, and
// closes the connection.
func (c *conn) answer(status int, reason string) {
	c.server.pool.Refused(c.x, &c.peer, status)
	if c.x != nil {
		c.server.pool.Release(c.x)
		c.x = nil
	}
	c.endUpload()
	c.keep = false
	c.last = true
	c.respond(status, reason)
}

// respond writes a short response of our own.
func (c *conn) respond(status int, reason string) {
	s := c.server
	s.wbuf = http1.AppendError(s.wbuf[:0], status, reason, s.options(c, -1))
	c.write(s.wbuf, nil)
	c.ended()
}
