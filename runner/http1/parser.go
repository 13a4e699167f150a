package http1

import (
	"bytes"
	"cmp"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Limits are those of a request head. Zero: the default.
type Limits struct {
	MaxLine   int // of the request line without LF, in bytes: 414 beyond
	MaxHead   int // of the whole head, in bytes: 431 beyond
	MaxFields int // number of headers: 431 beyond
}

// Most is what nobody may set a limit beyond: a larger head fits into no message to
// a worker, nor from a gate to a master.
var Most = Limits{MaxLine: 48 << 10, MaxHead: 112 << 10, MaxFields: 1024}

// OrDefault fills in the defaults.
func (l Limits) OrDefault() Limits {
	return Limits{cmp.Or(l.MaxLine, DefaultMaxLine), cmp.Or(l.MaxHead, DefaultMaxHead), cmp.Or(l.MaxFields, DefaultMaxFields)}
}

// Limits of a request head where nobody names others.
const (
	DefaultMaxLine   = 16 << 10
	DefaultMaxHead   = 64 << 10
	DefaultMaxFields = 128
)

// maxEmptyLines may stand before a request: old clients end a body with one
// (RFC 9112, section 2.2).
const maxEmptyLines = 2

// Parser reads request heads, one after the other. The zero value is ready; it
// serves one connection at a time.
type Parser struct {
	Limits

	base    *byte        // where the head that is half read begins
	pos     int          // of the line to read next
	scanned int          // no LF is between pos and here
	inHead  bool         // the request line has been read
	saved   wsgi.Request // what has been read of it

	empty     int // empty lines skipped
	absolute  bool
	sawHost   bool
	sawLength bool
	sawCoding bool
	sawClose  bool
	sawKeep   bool
	expect    bool
	host      []byte // of the Host header
}

// Reset forgets a head that is half read: the next call begins a new one.
func (p *Parser) Reset() {
	*p = Parser{Limits: p.Limits}
}

// Started tells whether a part of a request has been seen. Empty lines before
// it are none: a connection that sent only those is idle.
func (p *Parser) Started() bool {
	return p.base != nil && (p.inHead || p.scanned > p.pos)
}

// ParseHead reads a request head from the beginning of buf into r, whose
// slices then point into buf. It returns the length of the head; 0 without an
// error asks for more bytes, to be appended to those that are there. Between
// two such calls buf may move to another address, not change; r may serve
// another parser.
//
// An error is an *Error and final.
func (p *Parser) ParseHead(buf []byte, r *wsgi.Request) (n int, err error) {
	if len(buf) == 0 {
		return 0, nil
	}
	if p.base != &buf[0] {
		// Begin, or begin again where the buffer has moved: buffers grow by
		// doubling, so that it costs no more than reading the head twice.
		p.Reset()
		p.base = &buf[0]
		*r = wsgi.Request{Headers: r.Headers[:0]}
	} else {
		*r = p.saved
	}
	n, e := p.parse(buf, r)
	switch {
	case e != nil:
		return 0, e
	case n == 0:
		// The list is the parser's until the head is whole.
		p.saved = *r
		r.Headers = nil
	default:
		p.base, p.saved = nil, wsgi.Request{}
	}
	return n, nil
}

// parse goes on where the last call stopped.
func (p *Parser) parse(buf []byte, r *wsgi.Request) (int, *Error) {
	if !p.inHead {
		if e := p.requestLine(buf, r); e != nil {
			return 0, e
		}
		if !p.inHead {
			return 0, nil
		}
	}
	maxHead, maxFields := p.MaxHead, p.MaxFields
	if maxHead == 0 {
		maxHead = DefaultMaxHead
	}
	if maxFields == 0 {
		maxFields = DefaultMaxFields
	}
	for {
		i := bytes.IndexByte(buf[p.scanned:], '\n')
		if i < 0 {
			p.scanned = len(buf)
			if len(buf) > maxHead {
				return 0, errHeadLong
			}
			return 0, nil
		}
		end := p.scanned + i
		if end >= maxHead {
			return 0, errHeadLong
		}
		line := buf[p.pos:end]
		p.pos, p.scanned = end+1, end+1
		if len(line) == 0 || line[len(line)-1] != '\r' {
			return 0, errBareLF
		}
		line = line[:len(line)-1]
		if len(line) == 0 {
			break
		}
		if len(r.Headers) >= maxFields {
			return 0, errFields
		}
		if e := p.field(line, r); e != nil {
			return 0, e
		}
	}
	if e := p.finish(r); e != nil {
		return 0, e
	}
	return p.pos, nil
}

// requestLine reads empty lines and the request line. It sets inHead when it
// is done.
func (p *Parser) requestLine(buf []byte, r *wsgi.Request) *Error {
	for {
		if p.pos == len(buf) {
			return nil
		}
		if buf[p.pos] != '\r' {
			break
		}
		if p.pos+1 == len(buf) {
			return nil
		}
		if buf[p.pos+1] != '\n' {
			return errStart
		}
		if p.empty++; p.empty > maxEmptyLines {
			return errEmptyLines
		}
		p.pos += 2
		p.scanned = p.pos
	}
	// Refuse at the first byte what is no HTTP at all, such as a TLS handshake.
	if !tokenChar[buf[p.pos]] {
		return errStart
	}
	maxLine := p.MaxLine
	if maxLine == 0 {
		maxLine = DefaultMaxLine
	}
	i := bytes.IndexByte(buf[p.scanned:], '\n')
	if i < 0 {
		p.scanned = len(buf)
		if len(buf)-p.pos > maxLine {
			return errLineLong
		}
		return nil
	}
	end := p.scanned + i
	if end-p.pos > maxLine {
		return errLineLong
	}
	line := buf[p.pos:end]
	p.pos, p.scanned = end+1, end+1
	if line[len(line)-1] != '\r' {
		return errBareLF
	}
	p.inHead = true
	return p.parseLine(line[:len(line)-1], r)
}

// parseLine reads METHOD SP TARGET SP VERSION (RFC 9112, section 3).
func (p *Parser) parseLine(line []byte, r *wsgi.Request) *Error {
	i := 0
	for i < len(line) && tokenChar[line[i]] {
		i++
	}
	if i == len(line) || line[i] != ' ' {
		return errMethod
	}
	r.Method = line[:i]
	rest := line[i+1:]
	i = 0
	for i < len(rest) && rest[i] > ' ' && rest[i] != 0x7f {
		i++
	}
	if i == 0 || i == len(rest) {
		return errRequestLine
	}
	if rest[i] != ' ' {
		return errTargetChar
	}
	target := rest[:i]
	switch version := rest[i+1:]; string(version) {
	case "HTTP/1.1":
		r.Proto = "HTTP/1.1"
	case "HTTP/1.0":
		r.Proto = "HTTP/1.0"
	default:
		if len(version) != 8 || string(version[:5]) != "HTTP/" || !isDigit(version[5]) || version[6] != '.' || !isDigit(version[7]) {
			return errVersion
		}
		if version[5] != '1' {
			return errVersionUnknown
		}
		// A later minor version is read as the highest that we know (RFC 9110,
		// section 2.5).
		r.Proto = "HTTP/1.1"
	}
	if string(r.Method) == "CONNECT" {
		return errConnect
	}
	return p.target(target, r)
}

// target reads the origin form, the absolute form and "*" (RFC 9112, section
// 3.2). A fragment, which no client should send, is cut off.
func (p *Parser) target(t []byte, r *wsgi.Request) *Error {
	if t[0] != '/' {
		if len(t) == 1 && t[0] == '*' {
			if string(r.Method) != "OPTIONS" {
				return errTargetStar
			}
			r.Path = t
			return nil
		}
		rest, ok := cutScheme(t)
		if !ok {
			return errTargetForm
		}
		end := bytes.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		authority := rest[:end]
		if i := bytes.LastIndexByte(authority, '@'); i >= 0 {
			authority = authority[i+1:]
		}
		if !wsgi.ValidHost(authority) {
			return errTargetHost
		}
		r.Host = authority
		p.absolute = true
		t = rest[end:]
		if len(t) == 0 || t[0] != '/' {
			r.Path = slash
		}
	}
	if i := bytes.IndexByte(t, '#'); i >= 0 {
		t = t[:i]
	}
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		r.Query = t[i+1:]
		t = t[:i]
	}
	if len(t) > 0 {
		r.Path = t
	}
	return nil
}

var slash = []byte("/")

// cutScheme takes "http://" or "https://" off, in any case.
func cutScheme(t []byte) ([]byte, bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(t) > len(scheme) && wsgi.EqualFold(t[:len(scheme)], scheme) {
			return t[len(scheme):], true
		}
	}
	return nil, false
}

// finish checks what only the whole head tells.
func (p *Parser) finish(r *wsgi.Request) *Error {
	http11 := r.Proto == "HTTP/1.1"
	if http11 && !p.sawHost {
		return errNoHost
	}
	if !p.absolute {
		r.Host = p.host
	}
	if p.sawCoding {
		if !http11 {
			return errCoding10
		}
		if p.sawLength {
			return errLengthChunked
		}
		r.Chunked = true
		r.ContentLength = -1
	}
	r.KeepAlive = !p.sawClose && (http11 || p.sawKeep)
	r.Expect100 = p.expect && http11 && r.ContentLength != 0
	return nil
}
