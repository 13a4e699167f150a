package link

import (
	"bytes"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

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
	b := append(m.b, "HTTP/1.1 "...)
	b = append(b, h.Line...)
	b = append(b, "\r\n"...)
	b = append(b, h.Fields...)
	if !h.HasDate {
		b = appendDate(b)
	}
	b = append(b, r.link.cfg.Fields...)

	r.noBody = r.isHead || h.Status < 200 || h.Status == 204 || h.Status == 304
	r.remain = -1
	length := h.ContentLength
	if length < 0 && last && (len(body) > 0 || !r.noBody) {
		length = int64(len(body))
	}
	switch {
	case h.Status < 200 || h.Status == 204: // RFC 9110 section 8.6: none of both
	case length >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
		if !r.noBody {
			r.remain = length
		}
	case r.noBody:
	case r.oldHTTP:
		r.keep = false // the end of the connection ends the body
	default:
		r.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case !r.keep:
		b = append(b, "Connection: close\r\n"...)
	case r.oldHTTP:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	m.b = append(b, "\r\n"...)
	r.give(m, body, last)
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
	if r.chunked && len(body) > 0 {
		m.b = strconv.AppendInt(m.b, int64(len(body)), 16)
		m.b = append(m.b, "\r\n"...)
		m.b = append(m.b, body...)
		m.b = append(m.b, "\r\n"...)
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
		m.b = append(m.b, "0\r\n\r\n"...)
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
		f.Close()
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
		f.Close()
	} else {
		part := &filePart{f: f, offset: offset, left: length, chunked: r.chunked}
		if !r.link.post(op{reply: r, file: part, rest: r.remain}) {
			f.Close()
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
	m.b = appendFailure(m.b, status, reason, r.isHead, !r.keep, r.oldHTTP, r.link.cfg.Fields)
	r.link.post(op{reply: r, msg: m, last: true, close: !r.keep})
}

// refusal is a whole response that closes its connection.
func refusal(status int, reason string, isHead bool, fields string) string {
	return string(appendFailure(nil, status, reason, isHead, true, false, fields))
}

func appendFailure(b []byte, status int, reason string, isHead, closing, oldHTTP bool, fields string) []byte {
	phrase := http.StatusText(status)
	body := strconv.Itoa(status) + " " + phrase + "\n"
	if reason != "" {
		body += reason + "\n"
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, phrase...)
	b = append(b, "\r\nContent-Type: text/plain; charset=utf-8\r\n"...)
	b = appendDate(b)
	b = append(b, fields...)
	if status == http.StatusServiceUnavailable {
		b = append(b, "Retry-After: 1\r\n"...)
	}
	switch {
	case closing:
		b = append(b, "Connection: close\r\n"...)
	case oldHTTP:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	if !isHead {
		b = append(b, body...)
	}
	return b
}

// date is the Date line of one second.
type date struct {
	second int64
	line   []byte
}

var today atomic.Pointer[date]

func appendDate(b []byte) []byte {
	now := time.Now()
	d := today.Load()
	if d == nil || d.second != now.Unix() {
		line := append([]byte("Date: "), now.UTC().Format(http.TimeFormat)...)
		d = &date{now.Unix(), bytes.Join([][]byte{line, []byte("\r\n")}, nil)}
		today.Store(d)
	}
	return append(b, d.line...)
}

func quote(b []byte) string { return strconv.Quote(string(b)) }
