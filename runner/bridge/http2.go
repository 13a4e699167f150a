package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// serveHTTP2 is the handler of net/http.
func (s *Server) serveHTTP2(w http.ResponseWriter, hr *http.Request) {
	s.handlers.Add(1)
	defer s.handlers.Done()
	if c, ok := hr.Context().Value(connKey{}).(*h2conn); ok {
		c.size.Store(0)
	}
	if s.isDraining() {
		w.Header().Set("Connection", "close") // makes net/http say GOAWAY, and end with the last stream
	}
	w2 := &writer2{s: s, w: w, rc: http.NewResponseController(w), limits: s.Limits(), head2: hr.Method == http.MethodHead}
	var r wsgi.Request
	if status, reason := convert(hr, &r, w2.limits.Head.OrDefault()); status != 0 {
		w2.refuse(hr, status, reason, reason+settingOf[reason])
		return
	}
	if c, ok := connOf(hr).(*socket); ok && c.answers != nil && !c.answers(r.Host) {
		w2.refuse(hr, 421, wsgi.Misdirected, wsgi.Misdirected)
		return
	}
	b := &body{s: s, patience: w2.limits.BodyTimeout}
	defer b.close()
	if b.up = w2.upload(hr); b.up != nil {
		r.ContentLength = hr.ContentLength
	} else {
		if status, reason, why := w2.readBody(hr, b); status != 0 {
			w2.refuse(hr, status, reason, why)
			return
		}
		r.ContentLength = b.size
	}
	peer := s.peer2(hr)
	out := newResponse(s)
	defer out.close()
	in, ok := s.submit(&r, &peer, b, out)
	if !ok {
		const reason = wsgi.HeadTooLarge
		w2.refuse(hr, 431, reason, reason)
		return
	}
	w2.r = &reader{conn: connOf(hr), q: out, cut: func(why string) {
		s.log(fmt.Sprintf("%s: %s: closed: %s", from(peer.RemoteAddr), http1.Excerpt([]byte(hr.Method+" "+hr.RequestURI)), why))
		_ = w2.rc.SetWriteDeadline(time.Unix(1, 0))
	}}
	unwatch := s.watch(w2.r)
	up, from := in.Upload, &source{rc: w2.rc, body: hr.Body, left: hr.ContentLength}
	if up != nil {
		go up.feed(s, in, from)
	}
	err := out.copyTo(w2, w2.r, w2.head2, hr.Context().Done(), up.over())
	unwatch()
	if up != nil {
		up.stop(from.interrupt)
	}
	out.close() // before anyone is told: what comes from now on goes nowhere
	if !in.Ended() {
		s.Cancel(in)
	}
	if err != nil {
		// Resets the stream: the client must not take a part for the whole.
		panic(http.ErrAbortHandler)
	}
}

// connKey is where the context of a request has its connection.
type connKey struct{}

func connOf(hr *http.Request) net.Conn {
	if c, ok := hr.Context().Value(connKey{}).(*h2conn); ok {
		return c.raw()
	}
	return nil
}

// peer2 is what the environ says of the connection of a request.
func (s *Server) peer2(hr *http.Request) wsgi.Peer {
	p := wsgi.Peer{HTTPS: true, Software: "wsgid/" + s.Version, Trusted: s.Trusted, Believed: s.Believed, Mount: s.Mount, Multiprocess: s.Multiprocess}
	if host, port, err := net.SplitHostPort(hr.RemoteAddr); err == nil {
		p.RemoteAddr, _, _ = strings.Cut(host, "%") // a zone is this machine's matter
		p.RemotePort = port
	}
	if a, ok := hr.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		p.ServerName, p.ServerPort = hostPort(a)
	}
	return p
}

const lineLong, headLong, headersMany = "request line is too long", "headers are too long", "too many headers"

// settingOf says in the log which attribute of the spec has decided.
var settingOf = map[string]string{lineLong: " (request.max_line)", headLong: " (request.max_head)", headersMany: " (request.max_headers)"}

// convert makes a wsgi.Request of net/http's, without its body.
func convert(hr *http.Request, r *wsgi.Request, limits http1.Limits) (status int, reason string) {
	if hr.Method == http.MethodConnect {
		return 501, "CONNECT is for proxies"
	}
	target := []byte(hr.RequestURI)
	for _, c := range target {
		if c <= ' ' || c == 0x7f {
			return 400, "control character in the target"
		}
	}
	if len(target) > limits.MaxLine {
		return 414, lineLong
	}
	if len(target) == 0 || target[0] != '/' && (hr.RequestURI != "*" || hr.Method != http.MethodOptions) {
		return 400, "target is not a path"
	}
	if hr.Host != "" && !wsgi.ValidHost([]byte(hr.Host)) {
		return 400, "bad Host"
	}
	if hr.Host == "" {
		return 400, "no Host"
	}
	if i := bytes.IndexByte(target, '#'); i >= 0 {
		target = target[:i]
	}
	var found bool
	if r.Path, r.Query, found = bytes.Cut(target, []byte("?")); !found {
		r.Query = nil
	}
	r.Method, r.Proto, r.Host = []byte(hr.Method), "HTTP/2.0", []byte(hr.Host)
	r.Chunked = hr.ContentLength < 0
	size := len(hr.Method) + len(target) + len(hr.Host)
	for name, values := range hr.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
			r.Headers = append(r.Headers, wsgi.Header{Name: []byte(name), Value: []byte(v)})
		}
	}
	if len(r.Headers) > limits.MaxFields {
		return 431, headersMany
	}
	if size > limits.MaxHead {
		return 431, headLong
	}
	return 0, ""
}

// writer2 writes responses through net/http.
type writer2 struct {
	s      *Server
	w      http.ResponseWriter
	rc     *http.ResponseController
	limits Limits
	head2  bool    // the request is a HEAD
	r      *reader // nil: the request is refused
}

// readBody reads the body to its end, or returns what to answer instead, and why
// for the log.
func (w *writer2) readBody(hr *http.Request, b *body) (status int, reason, why string) {
	if hr.ContentLength == 0 || hr.Body == nil {
		return 0, "", ""
	}
	tooLarge := func() (int, string, string) {
		reason := fmt.Sprintf(unread.TooLarge, w.limits.MaxBody)
		return 413, reason, reason
	}
	if hr.ContentLength > w.limits.MaxBody {
		return tooLarge()
	}
	buf := make([]byte, 16<<10)
	for {
		deadline(w.rc.SetReadDeadline, w.limits.BodyTimeout)
		n, err := hr.Body.Read(buf)
		if b.size+int64(n) > w.limits.MaxBody {
			return tooLarge()
		}
		if e := b.add(buf[:n]); e != nil {
			return unread.Status(e), unread.NotStored, e.Error()
		}
		switch {
		case err == nil:
		case err == io.EOF:
			_ = w.rc.SetReadDeadline(time.Time{})
			if e := b.finish(); e != nil {
				return unread.Status(e), unread.NotStored, e.Error()
			}
			return 0, "", ""
		case errors.Is(err, os.ErrDeadlineExceeded):
			reason := fmt.Sprintf(unread.NoBody, w.limits.BodyTimeout)
			return 408, reason, reason
		default:
			panic(http.ErrAbortHandler) // the client is gone
		}
	}
}

// refuse answers a request that does not come to the application; why is for the
// log.
func (w *writer2) refuse(hr *http.Request, status int, reason, why string) {
	host, _, _ := net.SplitHostPort(hr.RemoteAddr)
	w.s.log(fmt.Sprintf("%s: %s: %d: %s", from(host), http1.Excerpt([]byte(hr.Method+" "+hr.RequestURI)), status, why))
	w.s.refused(w.s.peer2(hr), status)
	clear(hr.Header) // a client that does not read its answer is not to hold a large head here
	_ = w.fail(status, reason)
}

func (w *writer2) head(h *wsgi.ResponseHead, size int64) error {
	header := w.w.Header()
	for rest := h.Fields; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		key := textproto.CanonicalMIMEHeaderKey(string(name))
		header[key] = append(header[key], string(bytes.Trim(value, " \t")))
	}
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil // or net/http would guess one
	}
	if !w.limits.Anonymous {
		header.Set("X-Wsgid", w.s.Version)
	}
	length := h.ContentLength
	if length < 0 && (!w.head2 || size > 0) {
		length = size
	}
	// Behind the head of a 304 net/http sends an empty frame, which clients
	// hold against a length that is not 0.
	if length >= 0 && h.Status != 204 && h.Status != 304 {
		header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	w.w.WriteHeader(h.Status)
	return nil
}

// pieceOf2 is how many bytes are written at a time, and then counted.
const pieceOf2 = 16 << 10

func (w *writer2) body(b []byte) error {
	for len(b) > 0 {
		n, err := w.w.Write(b[:min(len(b), pieceOf2)])
		if err != nil {
			return err
		}
		w.r.taken.Add(int64(n))
		b = b[n:]
	}
	return nil
}

// flush sends what is there before a wait, which may be as long as it likes.
func (w *writer2) flush() error { return w.rc.Flush() }

// end: what net/http still has, a few kilobytes, it sends behind the handler.
func (w *writer2) end() error {
	deadline(w.rc.SetWriteDeadline, w.limits.BodyTimeout)
	return nil
}

func (w *writer2) fail(status int, reason string) error {
	header := w.w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	if !w.limits.Anonymous {
		header.Set("X-Wsgid", w.s.Version)
	}
	if status == 503 {
		header.Set("Retry-After", "1")
	}
	if !w.limits.Reasons {
		reason = ""
	}
	text := http1.ErrorText(status, reason)
	header.Set("Content-Length", strconv.Itoa(len(text)))
	deadline(w.rc.SetWriteDeadline, w.limits.BodyTimeout)
	w.w.WriteHeader(status)
	if w.head2 {
		return nil
	}
	_, err := io.WriteString(w.w, text)
	return err
}
