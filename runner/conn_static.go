package runner

import (
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
	f := c.front
	wait := c.static
	c.static = nil
	since := f.loop.Now()
	if f.static == nil || !f.static.site.Match(r, &f.static.q) {
		if wait != nil {
			wait.found.Close()
		}
		return false
	}
	s := f.static
	found := static.None
	if wait != nil {
		found, since = wait.found, wait.since
	}
	if wait == nil || !found.Is() && wait.site != s.site { // another spec came meanwhile
		var state static.State
		if found, state = s.site.Try(&s.q); state == static.Unknown {
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
	if f.pool.Access.Enabled() {
		s.note.Record(r, &c.peer)
	} else {
		s.note.Noted = false
	}
	a := static.NewAnswer(&s.q, found)
	c.begun, c.deadline, c.state = false, 0, connBusy
	if a.Large() {
		c.unsent = string(label(nil, r))
		if f.fds.kept(a.Descriptor()) {
			a.Close()
			c.respond(503, "too many files are open")
			f.pool.StaticAnswered(&s.note, 503, 0, f.loop.Now()-since)
			return true
		}
		c.more = true
	}
	a.Send(c, &s.buf, false)
	c.more = false
	f.pool.StaticAnswered(&s.note, a.Status, a.BodyLength(&s.q), f.loop.Now()-since)
	return true
}

// lookStatic has the disk asked.
func (c *conn) lookStatic() {
	f := c.front
	wait := &staticWait{found: static.None, site: f.static.site, since: f.loop.Now()}
	c.static, c.state, c.begun = wait, connStatic, false
	c.until(f.spec.Workers.RequestTimeout.D())
	wait.site.Look(&f.static.q, func(found static.Found) {
		f.loop.Post(func() {
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
	f := c.front
	c.static = nil
	what := "a static file"
	if f.readAgain(c.in) == nil {
		what = string(label(nil, &f.req))
	}
	f.log.Error(staticLate(what))
	c.in = nil
	f.pool.StaticAnswered(nil, 504, 0, 0)
	c.keep, c.last = false, true
	c.respond(504, "the disk does not answer")
}
