package http1

import (
	"bytes"
	"encoding/binary"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// field reads one header line, without its CR LF and not empty (RFC 9112,
// section 5).
func (p *Parser) field(line []byte, r *wsgi.Request) *Error {
	i := 0
	for i < len(line) && tokenChar[line[i]] {
		i++
	}
	if i == len(line) || line[i] != ':' || i == 0 {
		switch {
		case line[0] == ' ' || line[0] == '\t':
			return errFold
		case i > 0 && i < len(line) && (line[i] == ' ' || line[i] == '\t'):
			return errNameSpace
		}
		return errName
	}
	name, value := line[:i], trim(line[i+1:])
	if !clean(value) {
		return errValue
	}
	r.Headers = append(r.Headers, wsgi.Header{Name: name, Value: value})
	switch len(name) {
	case 4:
		if wsgi.EqualFold(name, "host") {
			return p.hostField(value)
		}
	case 6:
		if wsgi.EqualFold(name, "expect") {
			return p.expectField(value)
		}
	case 10:
		if wsgi.EqualFold(name, "connection") {
			p.connection(value)
		}
	case 14:
		if wsgi.EqualFold(name, "content-length") {
			return p.length(value, r)
		}
	case 17:
		if wsgi.EqualFold(name, "transfer-encoding") {
			return p.coding(value)
		}
	}
	return nil
}

// hostField takes an empty Host: a client whose target has no authority must
// send one (RFC 9112, section 3.2).
func (p *Parser) hostField(value []byte) *Error {
	if p.sawHost {
		return errHostTwice
	}
	if len(value) > 0 && !wsgi.ValidHost(value) {
		return errHost
	}
	p.sawHost, p.host = true, value
	return nil
}

// expectField reads a list (RFC 9110, section 10.1.1). An empty one, or an empty
// member, expects nothing (section 5.6.1.2).
func (p *Parser) expectField(value []byte) *Error {
	for len(value) > 0 {
		var member []byte
		member, value, _ = bytes.Cut(value, comma)
		switch member = trim(member); {
		case len(member) == 0:
		case wsgi.EqualFold(member, "100-continue"):
			p.expect = true
		default:
			return errExpect
		}
	}
	return nil
}

// connection looks for close and keep-alive in a list of tokens.
func (p *Parser) connection(value []byte) {
	for len(value) > 0 {
		var option []byte
		option, value, _ = bytes.Cut(value, comma)
		option = trim(option)
		p.sawClose = p.sawClose || wsgi.EqualFold(option, "close")
		p.sawKeep = p.sawKeep || wsgi.EqualFold(option, "keep-alive")
	}
}

var comma = []byte(",")

// length reads a Content-Length. A list of equal numbers, which RFC 9110,
// section 8.6, lets a server take, is refused.
func (p *Parser) length(value []byte, r *wsgi.Request) *Error {
	if p.sawLength {
		return errLengthTwice
	}
	p.sawLength = true
	if len(value) == 0 || len(value) > 18 {
		return errLength
	}
	n := int64(0)
	for _, c := range value {
		if !isDigit(c) {
			return errLength
		}
		n = n*10 + int64(c-'0')
	}
	r.ContentLength = n
	return nil
}

// coding reads a Transfer-Encoding: chunked alone is known. Where chunked is
// not the last coding the end of the body cannot be told (RFC 9112, section
// 6.3).
func (p *Parser) coding(value []byte) *Error {
	if p.sawCoding {
		return errCodingTwice
	}
	p.sawCoding = true
	if wsgi.EqualFold(value, "chunked") {
		return nil
	}
	for coding, rest, more := []byte(nil), value, true; more; {
		coding, rest, more = bytes.Cut(rest, comma)
		coding = trim(coding)
		if len(coding) == 0 {
			return errCoding
		}
		for _, c := range coding {
			if !tokenChar[c] {
				return errCoding
			}
		}
		// In a list chunked is the last, and only the last.
		if isList := len(coding) < len(value); isList && wsgi.EqualFold(coding, "chunked") == more {
			return errCoding
		}
	}
	return errCodingUnknown
}

// trim takes spaces and tabs off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// clean tells that no control character but TAB is in b (RFC 9110, section
// 5.5). Bytes of 0x80 and above are let through.
func clean(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		del := x ^ 0x7f*ones
		if ((x-0x20*ones)&^x|(del-ones)&^del)&tops != 0 {
			break // a control character, or a TAB
		}
		b = b[8:]
	}
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// tokenChar: the characters of a token (RFC 9110, section 5.6.2).
var tokenChar = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()
