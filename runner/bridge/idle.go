package bridge

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// ShedIdle lets at most n connections go that have waited for a request for that
// long, those that did longest first. They are ending: the client is told which of its
// requests were the last, and has a second to take note of it.
func (s *Server) ShedIdle(n int, age time.Duration) (ending int) {
	s.init()
	type idle struct {
		since time.Time
		c     *h2conn
	}
	var all []idle
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.http2 {
		switch since, leaving := c.idleSince(); {
		case since.IsZero():
		case leaving:
			n-- // told before, and gone soon
		default:
			all = append(all, idle{since: since, c: c})
		}
	}
	slices.SortFunc(all, func(a, b idle) int { return cmp.Compare(a.since.UnixNano(), b.since.UnixNano()) })
	for _, i := range all {
		switch {
		case ending >= n || time.Since(i.since) < age:
			return ending
		case i.c.shed():
			ending++
		}
	}
	return ending
}

// state follows what net/http does with a connection.
func (c *h2conn) state(state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = time.Time{}
	if state == http.StateIdle {
		c.idle = time.Now()
	}
}

// idleSince is since when it waits for a request; zero: it has one. leaving tells that
// it was shed.
func (c *h2conn) idleSince() (since time.Time, leaving bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle, c.leaving
}

// shed has the connection end as if its client had taken leave, with a GOAWAY frame
// (RFC 9113, section 6.8): net/http answers with one of its own, serves what is on
// its way and closes. It has no other way to end one connection.
func (c *h2conn) shed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle.IsZero() || c.leaving {
		return false
	}
	c.leaving = true
	_ = c.SetReadDeadline(time.Unix(1, 0)) // ends the Read that waits
	return true
}

// goAway is called where a read was too late, which TLS survives: was that the work
// of shed, then the frame is read next.
func (c *h2conn) goAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaving {
		return false
	}
	_ = c.SetReadDeadline(time.Time{})
	if c.preface > 0 || c.left > 0 || c.half() {
		c.leaving = false // a frame is under way: it is not idle
		return true
	}
	c.put = append(make([]byte, 0, 17), 0, 0, 8, frameGoAway, 0, 0, 0, 0, 0) // of stream 0
	c.put = append(c.put, make([]byte, 8)...)                                // no error
	return true
}
