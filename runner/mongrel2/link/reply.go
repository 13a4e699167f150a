package link

import (
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Reply is the answer to one request, a wsgi.Sink. Its methods may be called
// from any one goroutine and do not block. mongrel2 sends what we give it
// verbatim, so all of HTTP is decided here: framing, Date, Connection, bodies
// that must not be.
type Reply struct {
	// Tag is for whoever receives the request.
	Tag any

	link *Link
	conn *conn // of the link's goroutine; nil when the reply has ended
	gone atomic.Bool

	addr []byte // see mongrel2.AppendAddress

	isHead  bool // the method is HEAD
	oldHTTP bool // HTTP/1.0
	keep    bool // the client wants the connection kept

	started bool  // the head was given
	ended   bool  // nothing more is taken
	noBody  bool  // body bytes are dropped
	chunked bool  // the body is sent in chunks
	remain  int64 // body bytes that must still come; -1: until the end
}

var _ wsgi.Sink = (*Reply)(nil)

func (r *Reply) init(m *mongrel2.Request) {
	r.isHead = string(m.Method) == "HEAD"
	r.oldHTTP = string(m.Version) == "HTTP/1.0"
	r.keep = m.KeepAlive()
}

// Gone tells whether the client is known to be gone: nothing that is given any
// more is sent.
func (r *Reply) Gone() bool { return r.gone.Load() }

// Head begins the response, with as much of its body as is there.
func (r *Reply) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	if r.started || r.ended {
		return
	}
	r.started = true
	if r.gone.Load() {
		r.ended = last
		return
	}
	m := newMessage(r.addr)
	size := int64(-1)
	if last {
		size = int64(len(body))
	}
	var framing http1.Framing
	o := r.options(size)
	m.b, framing = http1.AppendHead(m.b, h, &o)
	r.remain = -1
	switch framing {
	case http1.FramingNone:
		r.noBody = true
	case http1.FramingChunked:
		r.chunked = true
	case http1.FramingClose:
		r.keep = false
	case http1.FramingLength:
		if r.remain = h.ContentLength; r.remain < 0 {
			r.remain = size
		}
	}
	r.give(m, body, last)
}

func (r *Reply) options(size int64) http1.HeadOptions {
	style := r.link.style.Load()
	o := http1.HeadOptions{
		Proto:      "HTTP/1.1",
		KeepAlive:  r.keep,
		Head:       r.isHead,
		BodyLength: size,
		Date:       dateLine(),
		Extra:      style.Fields,
		Reasons:    style.Reasons,
	}
	if r.oldHTTP {
		o.Proto = "HTTP/1.0"
	}
	return o
}

// Data goes on with the body.
func (r *Reply) Data(b []byte, last bool) {
	if !r.started || r.ended {
		return
	}
	if r.gone.Load() {
		r.ended = last
		return
	}
	r.give(newMessage(r.addr), b, last)
}

// give sends body bytes in the response's framing.
func (r *Reply) give(m *message, body []byte, last bool) {
	if r.noBody {
		body = nil
	}
	if r.remain >= 0 {
		// More than was announced would be taken for the next response.
		body = body[:min(int64(len(body)), r.remain)]
		r.remain -= int64(len(body))
	}
	if r.chunked {
		m.b = http1.AppendChunk(m.b, body)
	} else {
		m.b = append(m.b, body...)
	}
	if last {
		r.end(m)
		return
	}
	r.link.post(op{reply: r, msg: m, rest: r.remain})
}

// end sends the last bytes of a response.
func (r *Reply) end(m *message) {
	r.ended = true
	if r.chunked {
		m.b = append(m.b, http1.LastChunk...)
	}
	if r.remain > 0 { // less than was announced: the client must see it
		r.keep = false
	}
	r.link.post(op{reply: r, msg: m, last: true, close: !r.keep})
}

// File goes on with a part of a file, which is closed when it has been read.
// It is read by a goroutine of its own, piece by piece.
func (r *Reply) File(f *os.File, offset, length int64, last bool) {
	if !r.started || r.ended || r.gone.Load() || r.noBody || length <= 0 {
		_ = f.Close()
		if r.started && !r.ended {
			r.Data(nil, last)
		}
		return
	}
	if r.remain >= 0 {
		length = min(length, r.remain)
		r.remain -= length
	}
	if length == 0 {
		_ = f.Close()
	} else {
		part := &filePart{f: f, offset: offset, left: length, chunked: r.chunked}
		if !r.link.post(op{reply: r, file: part, rest: r.remain}) {
			_ = f.Close()
		}
	}
	if last {
		r.end(newMessage(r.addr))
	}
}

// Fail ends the response. Before the head it is an answer with that status,
// after it the connection is cut, so that the client sees that bytes are
// missing.
func (r *Reply) Fail(status int, reason string) {
	if r.ended {
		return
	}
	if r.gone.Load() {
		r.ended = true
		return
	}
	m := newMessage(r.addr)
	r.ended = true
	if r.started {
		r.link.post(op{reply: r, msg: m, last: true, close: true})
		return
	}
	r.started = true
	o := r.options(-1)
	m.b = http1.AppendError(m.b, status, reason, &o)
	r.link.post(op{reply: r, msg: m, last: true, close: !r.keep})
}

// date is the Date line of one second.
type date struct {
	second int64
	line   []byte
}

var today atomic.Pointer[date]

func dateLine() []byte {
	now := time.Now()
	d := today.Load()
	if d == nil || d.second != now.Unix() {
		var c http1.DateCache
		d = &date{now.Unix(), c.Line(now)}
		today.Store(d)
	}
	return d.line
}

func quote(b []byte) string { return strconv.Quote(string(b)) }
