package mongrel2

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrMalformed is the kind of every error of Parse: the message did not come
// from a mongrel2.
var ErrMalformed = errors.New("malformed message")

func malformed(what string) error {
	return fmt.Errorf("cannot read mongrel2 message: %w: %s", ErrMalformed, what)
}

// Parse reads one message into r, whose earlier contents are lost and whose
// memory is reused. The message must not change as long as r is in use.
//
// An error means that the message is not one of mongrel2's at all. A message
// that is, but holds a request that must not be served, is no error: see Kind
// and Fault.
func (r *Request) Parse(msg []byte) error {
	r.Reset()
	var ok bool
	rest := msg
	if r.Sender, rest, ok = bytes.Cut(rest, space); !ok || len(r.Sender) == 0 {
		return malformed("no sender")
	}
	if r.ConnID, rest, ok = bytes.Cut(rest, space); !ok {
		return malformed("no connection id")
	}
	if r.ID, ok = parseID(r.ConnID); !ok {
		return malformed("connection id is not a number")
	}
	if r.Path, rest, ok = bytes.Cut(rest, space); !ok || len(r.Path) == 0 {
		return malformed("no path")
	}
	var kind byte
	if r.RawHeaders, kind, rest, ok = cutNetstring(rest); !ok {
		return malformed("headers are not a netstring")
	}
	switch kind {
	case ',':
		r.JSON = true
		p := jsonText{b: r.RawHeaders}
		if err := p.object(r.add); err != nil {
			return err
		}
	case '}':
		if err := eachTnet(r.RawHeaders, r.add); err != nil {
			return err
		}
	default:
		return malformed("headers are neither JSON nor a tnetstring dictionary")
	}
	r.Body, kind, rest, ok = cutNetstring(rest)
	if !ok || kind != ',' {
		return malformed("body is not a netstring")
	}
	if len(rest) != 0 {
		return malformed("bytes after the body")
	}
	return r.classify()
}

var space = []byte{' '}

// parseID reads a connection id: decimal, up to 64 bits.
func parseID(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// cutNetstring takes "len:bytes" and the type byte behind it from the front.
func cutNetstring(b []byte) (data []byte, kind byte, rest []byte, ok bool) {
	n := 0
	for i, c := range b {
		if c == ':' && i > 0 {
			b = b[i+1:]
			if n >= len(b) { // the type byte must be there too
				return nil, 0, nil, false
			}
			return b[:n:n], b[n], b[n+1:], true
		}
		if c < '0' || c > '9' || i == 10 {
			break
		}
		n = n*10 + int(c-'0')
	}
	return nil, 0, nil, false
}

// eachTnet reads the contents of a tnetstring dictionary.
func eachTnet(b []byte, f fieldFunc) error {
	for len(b) > 0 {
		key, kind, rest, ok := cutNetstring(b)
		if !ok || kind != ',' {
			return malformed("header name is not a tnetstring")
		}
		value, kind, rest, ok := cutNetstring(rest)
		if !ok {
			return malformed("header value is not a tnetstring")
		}
		b = rest
		switch kind {
		case ',':
			if err := f(key, value, false); err != nil {
				return err
			}
		case ']':
			for len(value) > 0 {
				var item []byte
				if item, kind, value, ok = cutNetstring(value); !ok || kind != ',' {
					return malformed("header value is not a list of strings")
				}
				if err := f(key, item, true); err != nil {
					return err
				}
			}
		default:
			return malformed("header value is neither a string nor a list")
		}
	}
	return nil
}

// add takes one header value: mongrel2's own into their fields, the client's
// into Headers.
func (r *Request) add(key, value []byte, listed bool) error {
	r.keys++ // a list counts as often as it has values: exact is only 1
	if !hasUpper(key) {
		r.Headers = append(r.Headers, Header{Name: key, Value: trim(value)})
		return nil
	}
	if listed {
		return malformed("list for " + string(key))
	}
	var field *[]byte
	switch string(key) {
	case "METHOD":
		field = &r.Method
	case "VERSION":
		field = &r.Version
	case "URI":
		field = &r.URI
	case "PATH":
		field = &r.URLPath
	case "QUERY":
		field = &r.Query
	case "PATTERN":
		field = &r.Pattern
	case "URL_SCHEME":
		field = &r.URLScheme
	case "REMOTE_ADDR":
		field = &r.RemoteAddr
	case "FLAGS":
		r.flags = true
		return nil
	default:
		return nil
	}
	if *field != nil {
		return malformed("two of " + string(key))
	}
	*field = value
	return nil
}

func hasUpper(b []byte) bool {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return false
}

// trim takes blanks from both ends; mongrel2 leaves those at the end. It is package http1's:
// this package knows of no ingress but its own, and bytes.Trim makes a set of the two
// characters at each call, for each field of each request.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
