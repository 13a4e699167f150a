package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// maxSent bounds what is on its way to one app: the kernel bounds the descriptors that
// are on their way of all senders of a user (ETOOMANYREFS, see unix(7)).
const maxSent = 128

// absentWait is how long a client waits for an app of which nobody has the socket: it
// is stopped, or the daemon is about to open it.
const absentWait = 5 * time.Second

// app is an app as a gate knows it: where to pass its connections.
type app struct {
	s      *Server
	name   string
	link   *Link
	queue  *list // have not arrived; those that were passed come first
	next   *conn // the first that was not passed; nil: all were
	retry  evloop.Timer
	pause  time.Duration
	absent bool // nobody had its socket when it was tried last
	told   bool // that was said

	fresh int    // given in this turn of the loop, and not tried to be passed
	turn  func() // passes them at its end
}

func (s *Server) appOf(name string) *app {
	a := s.apps[name]
	if a == nil {
		a = &app{s: s, name: name}
		a.queue = newList(s.Loop, s.wait(name), a.expired)
		a.retry.Do = a.flush
		a.turn = func() {
			if a.fresh > 0 && !a.retry.IsSet() {
				a.flush()
			}
		}
		s.apps[name] = a
	}
	return a
}

// give passes a connection as soon as that can be: with others that come in the same turn
// of the loop, where there are any.
func (a *app) give(c *conn) {
	c.leave()
	c.unwatch()
	c.app = a
	a.s.passing++
	a.queue.push(c)
	if a.next == nil {
		a.next = c
	}
	if a.retry.IsSet() {
		return
	}
	switch a.fresh++; a.fresh {
	case 1:
		a.s.Loop.AtTurnEnd(a.turn)
	case MostTogether:
		a.flush()
	}
}

// flush passes what waits.
func (a *app) flush() {
	a.fresh = 0
	for a.next != nil {
		if a.link == nil && !a.dial() {
			return
		}
		room := maxSent - a.link.Sent()
		if room <= 0 {
			return // see arrived
		}
		c := a.next
		n, err := a.pass(room)
		switch {
		case err == nil:
			for range n {
				a.next = a.next.next
			}
		case errors.Is(err, unix.EAGAIN):
			return // see Link.Writable
		case Ended(err):
			a.link.Finish() // what it has said of those before counts
		case IsCrowded(err):
			a.later()
			return
		default:
			a.s.say(fmt.Sprintf("cannot pass a connection to app %s: %v", a.name, err))
			a.drop(c, refusedPassing)
		}
	}
}

// pass passes the connections that come next, at most so many, as far as they go in one
// message. It tells how many.
func (a *app) pass(most int) (int, error) {
	c := a.next
	if c.takes || !a.link.Together() {
		p := c.passed()
		p.Bytes = c.beginning()
		return 1, a.link.Pass(c.fd, &p, c)
	}
	batch := a.s.batch[:0]
	for ; c != nil && !c.takes && len(batch) < min(most, MostTogether); c = c.next {
		batch = append(batch, Passing{FD: c.fd, Passed: c.passed(), What: c})
	}
	n, err := a.link.PassTogether(batch)
	clear(batch)
	a.s.batch = batch
	return n, err
}

// passed is what a master is told of the connection, but for its bytes.
func (c *conn) passed() Passed {
	return Passed{Host: c.host, Listen: c.at.name, TLS: c.tls, Proxied: c.proxied, Unread: c.unread, Skip: c.skip, Client: c.client(), Rescued: c.rescued && !c.takes}
}

// beginning is what the connection begins with, beyond a PROXY header.
func (c *conn) beginning() []byte {
	if c.takes {
		return c.bytes
	}
	b := c.s.rbuf
	n, _ := evloop.Peek(c.fd, b[:c.unread])
	return b[min(c.skip, max(n, 0)):max(n, 0)]
}

// dial opens the link. Where that cannot be it is tried again in a while.
func (a *app) dial() bool {
	fd, err := a.s.Dial(a.name)
	if err == nil {
		l := &Link{Loop: a.s.Loop, Room: &a.s.room, Arrived: a.arrived, Taken: a.s.back, Writable: a.flush}
		l.Over = func(left []any) { a.over(l, left) }
		if err = l.Open(fd); err == nil {
			a.link, a.absent, a.pause, a.told = l, false, 0, false
			return true
		}
	}
	a.absent = errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED)
	if !a.told {
		a.told = true
		a.s.say(fmt.Sprintf("cannot reach app %s: %v; its clients are waiting", a.name, err))
	}
	a.reroute()
	a.later()
	return false
}

// reroute leads those that wait for the app, and were not passed to it, to who has their names
// now: it may have been taken out, or have given them away.
func (a *app) reroute() {
	s := a.s
	if a.link != nil {
		return
	}
	for c, next := a.queue.first, (*conn)(nil); c != nil; c = next {
		next = c.next
		name := s.config.Table.Lookup(c.host)
		switch {
		case name == a.name:
			continue
		case name == "":
			a.done(c)
			s.say(fmt.Sprintf("%s: %s: no app has the host %q any more, and there is no default app", c.from(), c.means(421), clip(c.host)))
			c.refuse(refusedName, 421)
		case c.tls && !s.config.TLS[name]:
			a.done(c)
			c.refuseUncertified(name, c.host)
		default:
			a.done(c)
			s.appOf(name).give(c)
		}
	}
}

// later tries again in a while.
func (a *app) later() {
	a.pause = min(max(2*a.pause, 5*time.Millisecond), 200*time.Millisecond)
	a.s.Loop.Set(&a.retry, a.pause)
	if a.absent {
		for c := a.queue.first; c != nil && c.since+int64(min(absentWait, a.queue.limit)) <= a.s.Loop.Now(); c = a.queue.first {
			a.drop(c, refusedAbsent)
		}
	}
}

// arrived: the app's master has it.
func (a *app) arrived(what any) {
	c := what.(*conn)
	c.bytes = nil
	a.done(c)
	c.close()
	a.s.Counts.Routed++
	if c.tls {
		a.s.Counts.TLS++
	}
	a.s.Counts.Apps[a.name]++
	if a.next != nil && !a.retry.IsSet() {
		a.flush()
	}
}

// done takes a connection out of the queue.
func (a *app) done(c *conn) {
	if a.next == c {
		a.next = c.next
	}
	c.remove()
	c.app = nil
	a.s.passing--
}

// over: the link has ended. What did not arrive was not served, and is passed anew.
func (a *app) over(l *Link, left []any) {
	for _, what := range left {
		what.(*conn).rescued = true // it may be the app's nevertheless
	}
	if a.link != l {
		return
	}
	a.link = nil
	a.next = a.queue.first
	if a.next != nil && !a.retry.IsSet() {
		// Not at once: whoever has closed it may be about to close the socket too.
		a.later()
	}
}

// expired: the app's master has not taken it over in time.
func (a *app) expired(c *conn) {
	if a.link != nil && c != a.next {
		// It was passed and may still be taken: only when the link is gone is it
		// certain that it is not.
		a.link.Finish()
		if c.closed {
			return // it was
		}
	}
	a.drop(c, refusedAbsent)
}

// drop answers that the app cannot be reached.
func (a *app) drop(c *conn, reason string) {
	a.done(c)
	a.s.say(fmt.Sprintf("%s: %s: app %s did not take over the connection", c.from(), c.means(503), a.name))
	c.refuse(reason, 503)
}

// back takes a connection whose client asks for another host than before.
func (s *Server) back(fd int, p *Passed) {
	if p.Rescued {
		s.rescue(fd)
		return
	}
	s.Counts.HandedBack++
	c := &conn{s: s, fd: fd, at: s.place(p.Listen), plain: true, proxied: p.Proxied, spoke: true, takes: true}
	s.heads.push(c)
	c.look(p.Bytes)
	if !c.closed && c.app == nil && c.in == s.heads {
		c.read()
	}
}
