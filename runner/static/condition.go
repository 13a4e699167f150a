package static

import (
	"bytes"
	"time"
)

// outcome is what the conditions of a request come to.
type outcome uint8

const (
	send        outcome = iota
	notModified         // 304
	failed              // 412
)

// evaluate looks at the conditions in the order of RFC 9110, section 13.2.2.
func evaluate(r *Request, f *File) outcome {
	get := isGet(r.Method) || isHead(r.Method)
	switch {
	case r.IfMatch != nil:
		if !matches(r.IfMatch, f.ETag, false) {
			return failed
		}
	case r.IfUnmodifiedSince != nil:
		if t, ok := date(r.IfUnmodifiedSince); ok && f.Modified.After(t) {
			return failed
		}
	}
	switch {
	case r.IfNoneMatch != nil:
		if matches(r.IfNoneMatch, f.ETag, true) {
			if get {
				return notModified
			}
			return failed
		}
	case r.IfModifiedSince != nil && get:
		// A rollback brings an older file back, which a client that only knows dates has to
		// get: the date must be the file's own, as nginx has it, and not just no earlier one.
		if t, ok := date(r.IfModifiedSince); ok && t.Equal(f.Modified) {
			return notModified
		}
	}
	return send
}

// rangeHolds tells whether If-Range lets a range be sent: by an ETag that is strong
// and the same, or by exactly the date of the file (RFC 9110, section 13.1.5).
func rangeHolds(ifRange []byte, f *File) bool {
	if ifRange == nil {
		return true
	}
	v := bytes.TrimSpace(ifRange)
	if len(v) > 0 && (v[0] == '"' || bytes.HasPrefix(v, []byte("W/"))) {
		return v[0] == '"' && string(v) == f.ETag
	}
	t, ok := date(v)
	// A file that changed a moment ago may change again within the same second.
	return ok && !f.Fresh && t.Equal(f.Modified)
}

// matches tells whether a list of ETags has one; weak: W/ does not count (RFC 9110,
// section 8.8.3.2).
func matches(list []byte, etag string, weak bool) bool {
	list = bytes.TrimSpace(list)
	if string(list) == "*" {
		return true
	}
	isWeak := len(etag) > 2 && etag[:2] == "W/"
	if isWeak {
		if !weak {
			return false
		}
		etag = etag[2:]
	}
	for len(list) > 0 {
		list = bytes.TrimLeft(list, " \t,")
		had := bytes.HasPrefix(list, []byte("W/"))
		if had {
			list = list[2:]
		}
		if len(list) == 0 || list[0] != '"' {
			return false // no list of ETags
		}
		end := bytes.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if string(list[:end+2]) == etag && (weak || !had) {
			return true
		}
		list = list[end+2:]
	}
	return false
}

// dateFormats are those of RFC 9110, section 5.6.7.
var dateFormats = [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}

// date reads a date; one that is none counts as not sent.
func date(v []byte) (time.Time, bool) {
	for _, format := range dateFormats {
		if t, err := time.Parse(format, string(bytes.TrimSpace(v))); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func isGet(method []byte) bool  { return string(method) == "GET" }
func isHead(method []byte) bool { return string(method) == "HEAD" }
