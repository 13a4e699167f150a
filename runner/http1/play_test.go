package http1

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// player is a connection without a network: it reads requests as the master
// does and writes down what an application would have been given.
type player struct {
	parser  Parser
	chunks  ChunkedReader
	req     wsgi.Request
	buf     []byte
	move    bool // the buffer gets another address with every feed
	inBody  bool
	left    int64 // of the body, where its length is known
	body    []byte
	log     []string
	stopped bool
}

// feed gives the connection more bytes.
func (p *player) feed(b []byte) {
	if p.stopped {
		return
	}
	if p.move {
		p.buf = append(append(make([]byte, 0, len(p.buf)+len(b)), p.buf...), b...)
	} else {
		if p.buf == nil {
			p.buf = make([]byte, 0, 256<<10)
		}
		p.buf = append(p.buf, b...)
	}
	for !p.stopped && p.step() {
	}
}

// step takes one thing off the buffer; false: it needs more bytes.
func (p *player) step() bool {
	switch {
	case !p.inBody:
		n, err := p.parser.ParseHead(p.buf, &p.req)
		if n == 0 && err == nil {
			// As where connections share a request, another uses it in between.
			foreign := wsgi.Request{Method: []byte("FOREIGN"), ContentLength: 7, Chunked: true, Headers: p.req.Headers[:0]}
			foreign.Headers = append(foreign.Headers, wsgi.Header{Name: []byte("Foreign")})
			p.req = foreign
		}
		if err != nil {
			p.fail(err)
			return false
		}
		if n == 0 {
			return false
		}
		p.inBody, p.left, p.body = true, p.req.ContentLength, nil
		p.chunks.Reset()
		p.log = append(p.log, fmt.Sprintf("%s %s", p.req.Method, p.req.Path))
		if p.req.Query != nil {
			p.log[len(p.log)-1] += "?" + string(p.req.Query)
		}
		p.log[len(p.log)-1] += " host=" + string(p.req.Host)
		for _, h := range p.req.Headers {
			if string(h.Name) == "Foreign" {
				p.log = append(p.log, "a header of another connection")
			}
		}
		p.take(n)
	case p.req.Chunked:
		data, n, done, err := p.chunks.Decode(p.buf)
		if err != nil {
			p.fail(err)
			return false
		}
		p.body = append(p.body, data...)
		p.take(n)
		if done {
			p.end()
			return true
		}
		return n > 0
	case p.left == 0:
		p.end()
	case len(p.buf) == 0:
		return false
	default:
		n := min(p.left, int64(len(p.buf)))
		p.body = append(p.body, p.buf[:n]...)
		p.left -= n
		p.take(int(n))
	}
	return true
}

func (p *player) take(n int) {
	if p.move {
		p.buf = bytes.Clone(p.buf[n:])
	} else {
		p.buf = p.buf[:copy(p.buf, p.buf[n:])]
	}
}

func (p *player) fail(err error) {
	var e *Error
	if !errors.As(err, &e) {
		panic("an error of another type: " + err.Error())
	}
	what := fmt.Sprintf("%d %s", e.Status, e.Reason)
	if p.inBody {
		what = "body: " + what
		p.log = p.log[:len(p.log)-1] // the request never reached the application
	}
	p.log = append(p.log, what)
	p.stopped = true
}

// end finishes a request: the application gets it.
func (p *player) end() {
	p.log[len(p.log)-1] += fmt.Sprintf(" body=%q", p.body)
	p.inBody = false
	if !p.req.KeepAlive {
		p.log = append(p.log, "close")
		p.stopped = true
	}
}

// result is what became of all that was fed. A request that is not whole waits.
func (p *player) result() string {
	log := p.log
	if p.inBody && !p.stopped {
		log = append(log[:len(log)-1:len(log)-1], "wait for body")
	} else if p.parser.Started() && !p.stopped {
		log = append(slices.Clip(log), "wait for head")
	}
	return strings.Join(log, " | ")
}

// play feeds everything at once.
func play(raw []byte) string {
	var p player
	p.feed(raw)
	return p.result()
}

// playSplit feeds in pieces of the lengths given, over and over.
func playSplit(raw []byte, move bool, sizes ...int) string {
	p := player{move: move}
	for i := 0; len(raw) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(raw))
		p.feed(raw[:n])
		raw = raw[n:]
	}
	return p.result()
}
