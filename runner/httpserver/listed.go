package httpserver

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// A connection that has brought its request along often ends with the answer, a moment
// later. While the loop has other things to do nothing of it is waited for, so the loop is
// told of its descriptor only when it is about to sleep, or listLate has passed: until
// then a client that goes, or sends more, is not noticed.

// listLate is how long that may be.
const listLate = 10 * time.Millisecond

// list has the loop watch the connection from here on.
func (c *conn) list() {
	if c.listed || c.state == connClosed {
		return
	}
	c.listed = true
	s := c.server
	if err := s.loop.Add(c.fd, evloop.Connection, c); err != nil {
		c.listed = false
		s.log.Error(err.Error())
		c.close()
	}
}

// listLater has it watched soon, if its request is at work and all of it is there.
func (c *conn) listLater() {
	s := c.server
	if c.state != connBusy || c.up != nil || !c.out.Empty() {
		c.list()
		return
	}
	s.unlisted = append(s.unlisted, c)
	s.loop.SetBy(&s.listing, s.loop.Now()+int64(listLate))
}

// BeforeSleep has the loop watch what it does not watch yet.
func (s *Server) BeforeSleep() {
	if len(s.unlisted) == 0 {
		return
	}
	all := s.unlisted
	s.unlisted = nil
	for _, c := range all {
		c.list()
	}
	if s.unlisted == nil {
		clear(all)
		s.unlisted = all[:0]
	}
	s.loop.Clear(&s.listing)
}
