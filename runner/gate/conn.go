package gate

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
)

// conn is a connection whose app is not known yet, or whose app has not taken it over
// yet. There may be many that say nothing: it is small.
type conn struct {
	s      *Server
	fd     int
	at     *place
	app    *app // nil: not known yet
	source netip.Addr
	port   uint16        // of source
	bytes  []byte        // read from it: what it begins with, once it has an app without a PROXY header
	host   []byte        // by which it was routed
	parser *http1.Parser // of a head that came in pieces and was taken
	// proxied is what a proxy has said of it; nil: nothing.
	proxied *Proxied

	since      int64 // when it came into its list
	in         *list
	prev, next *conn

	skip   int // length of the PROXY header that it began with
	seen   int // how much of what is unread has been looked at
	unread int // once it has an app: how much of what was looked at is unread

	takes   bool // what comes is read; else it stays in the connection until its app is known
	rescued bool // it comes from a gate that was killed
	ended   bool // its client sends no more
	proxy   bool // its PROXY header is still to come
	watched bool // the loop knows it
	spoke   bool // a byte has come
	isHead  bool // its request is a HEAD
	plain   bool // it speaks HTTP, whatever its listener does by now
	tls     bool // it speaks TLS
	closed  bool
}

// OnEvents implements evloop.Pollable.
func (c *conn) OnEvents(events uint32) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.ended = true
	}
	c.read()
}

// read looks at what has come.
func (c *conn) read() {
	s := c.s
	for !c.closed && c.app == nil {
		get := evloop.Peek
		if c.takes {
			get = evloop.Read
		}
		n, errno := get(c.fd, s.rbuf)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			c.watch()
			return
		case errno != 0 || n == 0:
			c.close() // nothing was asked, nobody is there to be told
			return
		case c.in == s.lingering:
			continue // nobody listens any more
		}
		c.spoke = true
		data := s.rbuf[:n]
		if c.takes && len(c.bytes) > 0 {
			c.bytes = append(c.bytes, data...)
			data = c.bytes
		}
		if n != c.seen || c.takes {
			c.look(data)
			c.seen = n
		}
		if c.app != nil || c.closed || c.in == s.lingering {
			continue
		}
		switch {
		case !c.takes && n == len(s.rbuf):
			// No more can be seen without taking it. What has been taken is lost with
			// this process.
			if c.rescued && !untouched(c.fd) {
				c.close()
				return
			}
			mark(c.fd)
			c.takes, c.parser = true, nil
		case n < len(s.rbuf):
			if c.ended && !c.takes {
				c.take() // a part of a head, and no more will come
				c.close()
				return
			}
			c.watch()
			if c.watched {
				return // edge-triggered: more will be an event
			}
		}
	}
}

// watch has the loop tell of what comes.
func (c *conn) watch() {
	if c.watched {
		return
	}
	if err := c.s.Loop.Add(c.fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET, c); err != nil {
		c.s.say(err.Error())
		c.close()
		return
	}
	c.watched = true
}

// look finds out whom the connection is for. data is all that was read of it and may
// be a buffer that others use.
func (c *conn) look(data []byte) {
	s := c.s
	all := data
	data = data[min(c.skip, len(data)):]
	if c.proxy {
		p, n, err := readProxy(data)
		if err != nil {
			c.refuseProxy(err)
			return
		}
		if n == 0 {
			c.keep(all)
			return
		}
		c.proxy, c.proxied, c.skip = false, &p, n
		data = data[n:]
	}
	switch {
	case len(data) == 0:
		return
	case !c.plain && (c.at.TLS || c.at.name == "" && isTLS(data[0])):
		c.lookHello(all, data)
		return
	case !c.takes && c.seen > c.skip && bytes.IndexByte(all[c.seen:], '\n') < 0:
		return // no line has come to its end
	}
	p := c.parser
	if p == nil {
		p = &s.parser
		p.Limits = http1.Most // which the app's master keeps
	}
	n, err := p.ParseHead(data, &s.req)
	switch {
	case err != nil:
		p.Reset()
		c.refuseHead(err, data)
		return
	case n == 0:
		if c.parser == nil {
			p.Reset() // a head that is not taken is read anew: there may be many
		}
		if c.parser == nil && c.takes {
			c.parser = &http1.Parser{Limits: http1.Most}
		}
		c.keep(all)
		return
	}
	c.isHead = string(s.req.Method) == "HEAD"
	if c.answerHere() {
		return
	}
	name := s.config.Table.Lookup(s.req.Host)
	if name == "" {
		s.say(fmt.Sprintf("%s: 421: no app has the host %q, and there is no default app", c.from(), clip(s.req.Host)))
		c.refuse(refusedName, 421)
		return
	}
	c.host = slices.Clone(s.req.Host)
	c.parser = nil
	if len(data) > MaxBytes {
		c.refuse(refusedHead, 431)
		return
	}
	c.enough(all, data)
	s.appOf(name).give(c)
}

// enough: all is known of it that must be. all was looked at, and data is of its app.
func (c *conn) enough(all, data []byte) {
	if c.takes {
		c.bytes = slices.Clone(data)
	} else {
		c.unread = len(all)
	}
}

// client is the client's end of it; not valid: that is not known, or none of TCP.
func (c *conn) client() netip.AddrPort {
	if !c.source.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(c.source, c.port)
}

// keep makes bytes that were taken its own.
func (c *conn) keep(data []byte) {
	if !c.takes {
		return
	}
	if len(c.bytes) == 0 || &c.bytes[0] != &data[0] {
		c.bytes = slices.Clone(data)
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 100)] }

func (c *conn) from() string {
	switch {
	case c.proxied != nil && c.proxied.Known:
		return c.proxied.From.Addr().String() + " by " + c.source.String()
	case c.source.IsValid():
		return c.source.String()
	}
	return "a client"
}

// late: the head did not arrive in time.
func (c *conn) late() {
	s := c.s
	s.Counts.Refused[refusedSlow]++
	switch {
	case c.proxy && !c.spoke, !c.spoke:
		c.close() // it has asked for nothing
	case c.tls:
		s.say(fmt.Sprintf("%s: its ClientHello did not arrive within %v", c.from(), headTimeout))
		c.close()
	case c.proxy:
		s.say(fmt.Sprintf("%s: its PROXY header did not arrive within %v", c.from(), headTimeout))
		c.close()
	default:
		data := c.bytes
		if !c.takes {
			n, _ := evloop.Peek(c.fd, s.rbuf)
			data = s.rbuf[:max(n, 0)]
		}
		s.say(fmt.Sprintf("%s: %s: 408: its head did not arrive within %v", c.from(), http1.Excerpt(data[min(c.skip, len(data)):]), headTimeout))
		c.answer(408)
	}
}

// refuseProxy ends a connection that does not begin as it has to. It gets no answer:
// who speaks is not known.
func (c *conn) refuseProxy(err error) {
	c.s.Counts.Refused[refusedProxy]++
	c.s.say(fmt.Sprintf("%s: %v", c.from(), err))
	c.take()
	c.close()
}

func (c *conn) refuseHead(err error, data []byte) {
	status, reason := 400, err.Error()
	if e := (*http1.Error)(nil); errors.As(err, &e) {
		status, reason = e.Status, e.Reason
	}
	c.s.say(fmt.Sprintf("%s: %s: %d: %s", c.from(), http1.Excerpt(data), status, reason))
	c.refuse(refusedHead, status)
}

func (c *conn) refuse(reason string, status int) {
	c.s.Counts.Refused[reason]++
	c.answer(status)
}

// answer says why there is no other answer, and ends the connection.
func (c *conn) answer(status int) {
	if c.tls {
		c.say(alertOf(status))
		return
	}
	c.explain(status, "")
}

// explain is answer with a reason that the client may know.
func (c *conn) explain(status int, reason string) {
	c.say(http1.AppendError(c.s.wbuf[:0], status, reason,
		&http1.HeadOptions{Proto: "HTTP/1.1", Head: c.isHead, BodyLength: -1, Date: c.s.dateLine(), Reasons: reason != ""}))
}

// say sends our last word, and ends the connection.
func (c *conn) say(b []byte) {
	s := c.s
	if !c.take() {
		c.app = nil
		c.close()
		return
	}
	if cap(b) > cap(s.wbuf) {
		s.wbuf = b[:0]
	}
	_, _ = evloop.Send(c.fd, b) // an empty buffer takes it
	_ = unix.Shutdown(c.fd, unix.SHUT_WR)
	c.leave()
	c.app, c.bytes, c.parser, c.host = nil, nil, nil, nil
	s.lingering.push(c)
	c.watch()
}

// leave takes it out of its list.
func (c *conn) leave() {
	s := c.s
	if c.in == s.heads && c.source.IsValid() {
		if n := s.sources[c.source]; n <= 1 {
			delete(s.sources, c.source)
		} else {
			s.sources[c.source] = n - 1
		}
	}
	c.remove()
}

// close ends the connection, as far as it is ours.
func (c *conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.leave()
	c.unwatch()
	evloop.Close(c.fd)
	c.bytes, c.parser = nil, nil
	c.s.checkEmpty()
}

// unwatch takes it off the loop; others may have the same connection.
func (c *conn) unwatch() {
	if c.watched {
		c.watched = false
		c.s.Loop.Remove(c.fd)
	}
}
