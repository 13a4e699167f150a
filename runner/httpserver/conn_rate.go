package httpserver

import (
	"fmt"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// holdWorker lets the worker wait until the client has read what there is, or there is
// room again: the budget of request.response_buffer and request.spool is used up, or
// the disk does not keep up.
func (c *conn) holdWorker() {
	// Without a sink this is the last of the response: nothing more will come.
	if c.throttled != nil || c.x == nil || c.x.Sink == nil {
		return
	}
	if c.throttled = c.x.Pause(); c.throttled == nil {
		return
	}
	s := c.server
	c.out.Await(func() { s.loop.Post(c.roomAgain) })
	if c.out.Pressed() {
		s.press()
	}
}

// roomAgain: there may be.
func (c *conn) roomAgain() {
	switch {
	case c.throttled == nil:
	case c.out.Room():
		c.throttled.Resume()
		c.throttled = nil
	case c.out.Pressed():
		c.server.press()
	}
}

// press has the rates of all clients looked at sooner: there is no room for more.
func (s *Server) press() { s.loop.SetBy(&s.pressure, s.loop.Now()+int64(sweepEvery)) }

func (s *Server) onPressure() {
	for c := range s.conns {
		if c.watched > 0 {
			c.until(max(c.rateWindow()-time.Duration(s.loop.Now()-c.watched), time.Millisecond))
		}
	}
}

// watch begins to look how fast the client takes what waits for it.
func (c *conn) watch() {
	if c.watched > 0 || c.state == connClosed || c.out.Empty() {
		return
	}
	if c.warm != nil && c.warm.busy {
		return // for the disk; flush comes back
	}
	c.watched = max(c.server.loop.Now(), 1)
	c.took = c.taken()
	c.until(c.rateWindow())
}

// rateWindow is over which time the client's rate counts.
func (c *conn) rateWindow() time.Duration {
	r := &c.server.spec.Request
	return c.server.store.Window(r.BodyTimeout.D(), int64(r.MinRate))
}

// taken counts the bytes that the client has taken.
func (c *conn) taken() int64 {
	if n, ok := unread.Delivered(c.fd); ok {
		return n
	}
	return c.sent
}

// judge looks at the rate of the client since watch, and closes the connection of
// one that is too slow.
func (c *conn) judge() {
	s := c.server
	rate, since := int64(s.spec.Request.MinRate), time.Duration(s.loop.Now()-c.watched)
	if c.watched == 0 || since < c.rateWindow() {
		since = 0 // the deadline was another one's
	}
	n := c.taken() - c.took
	if since > 0 && unread.TooSlow(n, rate, since) {
		s.log.Info(fmt.Sprintf("%s: %s: closed: %s", c.from(), c.what(), s.store.Verdict(n, rate, c.rateWindow())))
		c.cut()
		return
	}
	if since > 0 || c.watched == 0 {
		c.watched = 0
		c.watch()
		return
	}
	c.until(c.rateWindow() - time.Duration(s.loop.Now()-c.watched))
}
