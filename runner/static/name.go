package static

import (
	"bytes"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// maxName is the longest name of a file below a folder, in bytes (PATH_MAX).
const maxName = 4096

// decode takes the percent-encoding off a path; false: it is not well formed. The
// result may be path itself.
func decode(path []byte) ([]byte, bool) {
	at := bytes.IndexByte(path, '%')
	if at < 0 {
		return path, true
	}
	out := append(make([]byte, 0, len(path)), path[:at]...)
	for i := at; i < len(path); i++ {
		if path[i] != '%' {
			out = append(out, path[i])
			continue
		}
		if i+2 >= len(path) {
			return nil, false
		}
		hi, lo := wsgi.HexDigit[path[i+1]], wsgi.HexDigit[path[i+2]]
		if hi > 15 || lo > 15 {
			return nil, false
		}
		out = append(out, hi<<4|lo)
		i += 2
	}
	return out, true
}

// served tells whether a name below a folder, decoded, may be a file that is
// served. A part that begins with a dot is none: neither the way out of the folder
// nor what people hide. Nor is an empty one: a folder, or a name that another
// server would write in another way.
func served(name []byte) bool {
	if len(name) == 0 || len(name) > maxName {
		return false
	}
	start := true // of a part
	for _, c := range name {
		switch {
		case c == 0:
			return false
		case start && (c == '.' || c == '/'):
			return false
		}
		start = c == '/'
	}
	return !start
}

// Hashed tells whether a name carries the hash of the content, so that the content
// never changes under it: "app.5f3c9a1b2d4e.css", as Django's manifest storage and
// the bundlers write it, or "app-<20 digits or more>.js". A number alone is none,
// which may be a date.
func Hashed(name string) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	for rest := base; ; {
		i := strings.IndexAny(rest, ".-")
		if i < 0 {
			return false
		}
		least := 8
		if rest[i] == '-' {
			least = 20
		}
		rest = rest[i+1:]
		end := strings.IndexAny(rest, ".-")
		if end < 0 {
			return false // an ending
		}
		if rest[end] == '.' && isHash(rest[:end], least) {
			return true
		}
	}
}

// isHash tells whether a part of a name is lower-case hexadecimal with letters and
// digits.
func isHash(s string, least int) bool {
	if len(s) < least || len(s) > 128 {
		return false
	}
	digits, letters := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			letters++
		default:
			return false
		}
	}
	return digits > 0 && letters > 0
}
