package httpserver

import (
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/ingress"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// takeHead takes a request's head, the n bytes that begin data; 0: it is not complete,
// or no exchange of ours follows it.
func (c *conn) takeHead(data []byte) int {
	s := c.server
	n := c.parseHead(data)
	if n == 0 || !c.isHere(data) {
		return 0
	}
	r := &s.req
	c.begun = true
	c.goesOn = r.KeepAlive
	c.keep = r.KeepAlive && !c.closing()
	c.old = r.Proto == "HTTP/1.0"
	c.head = string(r.Method) == "HEAD"
	c.sendLeft = -1
	if (s.static != nil || c.static != nil) && c.takeStatic(r) {
		if c.state == connStatic {
			return 0
		}
		return n
	}
	x := s.pool.NewExchange()
	c.x, c.piped = x, nil
	x.Sink = c
	x.Label = ingress.Label(x.Label, r)
	ingress.ReportDropped(s.log, r)
	if s.pool.Access.Enabled() {
		x.Access.Record(r, &c.peer)
	}
	c.beginBody(data, n)
	return n
}

// parseHead parses a head into the server's request, and is its length; 0: it is not
// complete, or was refused.
func (c *conn) parseHead(data []byte) int {
	s := c.server
	p := c.parser
	if p == nil {
		p = &s.parser
	}
	n, err := p.ParseHead(data, &s.req)
	if err != nil {
		p.Reset()
		c.head = false // of the request before
		c.refuse(err, http1.Excerpt(data))
		return 0
	}
	if n > 0 {
		c.parser = nil
		return n
	}
	if c.parser == nil {
		// From here on the head has a parser of its own, which remembers how far
		// it got.
		p.Reset()
		c.parser = &http1.Parser{Limits: s.parser.Limits}
	}
	if !c.begun {
		c.begun = true
		c.until(s.spec.Request.HeaderTimeout.D())
	}
	return 0
}

// isHere tells whether the request's host is answered here: if not, the connection goes
// back to the gate, or the request is refused.
func (c *conn) isHere(data []byte) bool {
	host := c.server.req.Host
	answered := c.answers == nil || c.answers(host)
	if answered && !c.gated.strays(host, c.server.names) {
		return true
	}
	if !answered || !c.giveBack(data) {
		c.head = false // of the request before
		c.refuse(errMisdirected, http1.Excerpt(data))
	}
	return false
}

// beginBody submits a request without a body, and begins to take the body of any other.
func (c *conn) beginBody(data []byte, n int) {
	s, x := c.server, c.x
	r := &s.req
	if !r.Chunked && r.ContentLength <= 0 {
		x.Msg = wsgi.AppendRequest(x.Msg, 0, 0, r, &c.peer)
		c.submit()
		return
	}
	if r.ContentLength > int64(s.spec.Request.MaxBody) {
		c.tooLarge(r.ContentLength)
		return
	}
	if !s.spec.Request.Buffering && c.stream(r, data, n) {
		return
	}
	c.state = connBody
	c.until(s.spec.Request.BodyTimeout.D())
	if r.Expect100 && len(data) == n {
		c.goOn()
	}
	if r.Chunked {
		c.headBuf = append(c.headBuf[:0], data[:n]...)
		c.chunks = http1.ChunkedReader{}
		c.bodyBuf = c.bodyBuf[:0]
		c.left, c.size = -1, 0
		return
	}
	c.left = r.ContentLength
	if c.left <= wsgi.MaxInlineBody {
		x.Msg = wsgi.AppendRequest(x.Msg, 0, 0, r, &c.peer)
		return
	}
	x.Msg = wsgi.AppendRequest(x.Msg, wsgi.FlagBodyFile, 0, r, &c.peer)
	if !c.beginPiped() {
		x.Body = c.newBody(c.left)
	}
}
