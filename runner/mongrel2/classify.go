package mongrel2

import (
	"bytes"
	"strconv"
)

// classify sets Kind and, for HTTP, the facts about the body.
func (r *Request) classify() error {
	if len(r.Method) == 0 {
		return malformed("no METHOD")
	}
	http := len(r.Version) > 0
	switch string(r.Method) {
	case "JSON":
		r.Kind = KindJSON
		switch {
		case http:
			r.Kind = KindForeignMethod
		case string(r.Path) == "@*" && r.keys == 1 && isNotice(r.Body, "disconnect"):
			r.Kind = KindDisconnect
		case string(r.Path) == "@*" && isNotice(r.Body, "credits"):
			r.Kind = KindCredits
		}
		return nil
	case "XML":
		r.Kind = KindXML
		if http {
			r.Kind = KindForeignMethod
		}
		return nil
	case "WEBSOCKET":
		// The frames repeat the handshake's headers, VERSION among them; only
		// they have FLAGS.
		r.Kind = KindWebSocket
		if !r.flags {
			r.Kind = KindForeignMethod
		}
		return nil
	case "WEBSOCKET_HANDSHAKE":
		r.Kind = KindHandshake
		if r.Header("sec-websocket-key") == nil {
			r.Kind = KindForeignMethod
		}
		return nil
	}
	if bytes.HasPrefix(r.Method, []byte("WEBSOCKET")) {
		r.Kind = KindForeignMethod
		return nil
	}
	if !http {
		return malformed("no VERSION in an HTTP request")
	}
	if len(r.URLPath) == 0 {
		return malformed("no PATH in an HTTP request")
	}
	r.Kind = KindHTTP
	r.body()
	return nil
}

// isNotice tells whether a body is {"type":"…"}, as mongrel2 writes it.
func isNotice(body []byte, kind string) bool {
	return string(body) == `{"type":"`+kind+`"}`
}

const (
	uploadStart = "x-mongrel2-upload-start"
	uploadDone  = "x-mongrel2-upload-done"
)

// maxLength is the greatest content-length that mongrel2 handles as one.
const maxLength = 1<<31 - 1

// body finds out the length of the body and whether it is in a file, and takes
// mongrel2's upload headers away: what is not an upload bears them by forgery.
func (r *Request) body() {
	var f bodyFacts
	kept := r.Headers[:0]
	for _, h := range r.Headers {
		switch string(h.Name) {
		case uploadStart:
			f.starts++
			f.start = h.Value
			continue
		case uploadDone:
			f.dones++
			f.done = h.Value
			continue
		case "content-length":
			f.lengths++
			f.length = h.Value
		case "transfer-encoding":
			f.codings++
			f.coding = h.Value
		case "host":
			f.hosts++
		}
		if r.Fault == "" {
			r.Fault = fieldFault(h)
		}
		kept = append(kept, h)
	}
	r.Headers = kept

	n, good := parseLength(f.length)
	r.Chunked = f.codings == 1 && string(f.coding) == "chunked"
	switch {
	case f.lengths > 1:
		r.Fault = "duplicate Content-Length"
	case f.lengths == 1 && !good:
		r.Fault = "bad Content-Length"
	case n > maxLength:
		r.Fault = "Content-Length beyond 2147483647"
	case f.codings > 0 && f.lengths > 0:
		r.Fault = "Content-Length beside Transfer-Encoding"
	case f.codings > 1:
		r.Fault = "duplicate Transfer-Encoding"
	case f.codings > 0 && string(r.Version) == "HTTP/1.0":
		r.Fault = "Transfer-Encoding in HTTP/1.0"
	case f.codings > 0 && !r.Chunked:
		r.Fault = "Transfer-Encoding other than chunked"
	case f.hosts > 1:
		r.Fault = "duplicate Host"
	}
	if r.Fault != "" {
		return
	}
	if path, done, ok := r.uploadPath(&f, n); ok {
		r.UploadPath = path
		r.Kind = KindUploadStart
		if done {
			r.Kind = KindUploadDone
		}
		r.ContentLength = n
		if r.Chunked {
			r.ContentLength = -1
		}
		return
	}
	r.ContentLength = int64(len(r.Body))
	switch {
	case f.lengths == 1 && n != r.ContentLength:
		r.Fault = "Content-Length " + strconv.FormatInt(n, 10) + " with a body of " + strconv.Itoa(len(r.Body)) + " bytes"
	case f.lengths == 0 && len(r.Body) > 0:
		r.Fault = "body without Content-Length"
	case r.Chunked:
		r.Fault = "chunked request that is not an upload"
	}
}

type bodyFacts struct {
	starts, dones, lengths, codings, hosts int
	start, done, length, coding            []byte
}

// uploadPath tells whether the request is one that mongrel2 writes to a file,
// and which. A client can send both headers with any path; in a real upload
// mongrel2 has replaced them, and only a request whose body it would not hold
// in memory is one:
//
//   - the body of the message is empty although the request has one: a
//     Content-Length of 1 to 2147483647, or exactly one "chunked" without a
//     Content-Length;
//   - the start header is single; where the done header is equal to it the
//     upload is done, else it is starting (a forged done cannot guess the name);
//   - the name ends in the six characters that mkstemp chose.
func (r *Request) uploadPath(f *bodyFacts, n int64) (path string, done, ok bool) {
	if f.starts != 1 || len(r.Body) != 0 {
		return "", false, false
	}
	if f.lengths == 1 {
		if n < 1 || n > maxLength {
			return "", false, false
		}
	} else if !r.Chunked {
		return "", false, false
	}
	if !tempName(f.start) {
		return "", false, false
	}
	return string(f.start), f.dones == 1 && bytes.Equal(f.start, f.done), true
}

// tempName tells whether mkstemp can have made the name from a template that
// ends in XXXXXX.
func tempName(b []byte) bool {
	if len(b) < 6 || bytes.IndexByte(b, 0) >= 0 {
		return false
	}
	for _, c := range b[len(b)-6:] {
		if !isAlnum(c) {
			return false
		}
	}
	for part := range bytes.SplitSeq(b, []byte{'/'}) {
		if string(part) == ".." {
			return false
		}
	}
	return true
}

// parseLength reads a Content-Length: digits only. Of a number beyond maxLength
// it only tells that it is.
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n <= maxLength {
			n = n*10 + int64(c-'0')
		}
	}
	return n, true
}

// fieldFault tells what is wrong with a header field as such. mongrel2 lets no
// such request pass; a message from somewhere else could.
func fieldFault(h Header) string {
	for _, c := range h.Name {
		if !isToken[c] {
			return "bad header name"
		}
	}
	if len(h.Name) == 0 {
		return "bad header name"
	}
	for _, c := range h.Value {
		if c == '\r' || c == '\n' || c == 0 {
			return "control character in a header"
		}
	}
	return ""
}

// isToken is RFC 9110 section 5.6.2.
var isToken = func() (t [256]bool) {
	for c := range 256 {
		t[c] = isAlnum(byte(c)) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0
	}
	return t
}()

// hasToken tells whether a comma-separated list has a word, in any case.
func hasToken(list []byte, word string) bool {
	for part := range bytes.SplitSeq(list, []byte{','}) {
		if bytes.EqualFold(trim(part), []byte(word)) {
			return true
		}
	}
	return false
}
