package httpserver

import (
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/static"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// staticWait is what a connection remembers of a request for a static file.
type staticWait struct {
	site  *static.Site // that was asked
	found static.Found // what was found
	since int64        // when it was asked, by the loop's clock
}

// takeStatic answers the request that was just parsed if it is for a static file.
// Where the disk must be asked first the state is connStatic: the head stays in c.in
// and is parsed again when its answer is there.
func (c *conn) takeStatic(r *wsgi.Request) bool {
	s := c.server
	wait := c.static
	c.static = nil
	since := s.loop.Now()
	if s.static == nil || !s.static.site.Match(r, &s.static.q) {
		if wait != nil {
			wait.found.Close()
		}
		return false
	}
	files := s.static
	found := static.None
	if wait != nil {
		found, since = wait.found, wait.since
	}
	if wait == nil || !found.Is() && wait.site != files.site { // another spec came meanwhile
		var state static.State
		if found, state = files.site.Try(&files.q); state == static.Unknown {
			c.lookStatic()
			return true
		}
	}
	if !found.Is() {
		return false
	}
	if r.Chunked || r.ContentLength > 0 {
		c.keep, c.last = false, true // the body is read away
	}
	if s.pool.Access.Enabled() {
		files.note.Record(r, &c.peer)
	} else {
		files.note.Noted = false
	}
	a := static.NewAnswer(&files.q, found)
	c.begun, c.deadline, c.state = false, 0, connBusy
	if a.Large() {
		c.unsent = string(ingress.Label(nil, r))
		if s.env.Files.Kept(a.Descriptor()) {
			a.Close()
			c.respond(503, "too many files are open")
			s.pool.StaticAnswered(&files.note, 503, 0, s.loop.Now()-since)
			return true
		}
		c.more = true
	}
	a.Send(c, &files.buf, false)
	c.more = false
	s.pool.StaticAnswered(&files.note, a.Status, a.BodyLength(&files.q), s.loop.Now()-since)
	return true
}

// lookStatic has the disk asked.
func (c *conn) lookStatic() {
	s := c.server
	wait := &staticWait{found: static.None, site: s.static.site, since: s.loop.Now()}
	c.static, c.state, c.begun = wait, connStatic, false
	c.until(s.spec.Workers.RequestTimeout.D())
	wait.site.Look(&s.static.q, func(found static.Found) {
		s.loop.Post(func() {
			if c.static != wait || c.state != connStatic {
				found.Close() // the client is gone, or has been told
				return
			}
			wait.found = found
			c.state = connHead
			if c.leaving() {
				found.Close() // the next master looks itself
				c.static = nil
			}
			c.pump()
		})
	})
}

// staticExpired: the disk did not answer.
func (c *conn) staticExpired() {
	s := c.server
	c.static = nil
	what := "a static file"
	if s.readAgain(c.in) == nil {
		what = string(ingress.Label(nil, &s.req))
	}
	s.log.Error(ingress.StaticLate(what))
	c.in = nil
	s.pool.StaticAnswered(nil, 504, 0, 0)
	c.keep, c.last = false, true
	c.respond(504, "the disk does not answer")
}
