package static

import (
	"bytes"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// Request is what the answer to a request for a file depends on. The slices are
// those of the wsgi.Request.
type Request struct {
	Method []byte
	// The fields by which it is conditional; nil: not sent. Lists that come in
	// several lines are joined.
	IfMatch, IfNoneMatch, IfModifiedSince, IfUnmodifiedSince, IfRange, Range []byte
	AcceptEncoding                                                           []byte
	plain                                                                    bool // none of them came
}

// read takes what matters of a request.
func (r *Request) read(from *wsgi.Request) {
	*r = Request{Method: from.Method, plain: true}
	ranges := 0
	for i := range from.Headers {
		h := &from.Headers[i]
		switch len(h.Name) {
		case len("range"):
			if bytes.EqualFold(h.Name, []byte("range")) {
				r.Range = h.Value
				r.plain = false
				ranges++
			}
		case len("if-match"): // and if-range
			switch {
			case bytes.EqualFold(h.Name, []byte("if-match")):
				r.IfMatch = joined(r.IfMatch, h.Value)
				r.plain = false
			case bytes.EqualFold(h.Name, []byte("if-range")):
				r.IfRange = once(r.IfRange, h.Value)
			}
		case len("if-none-match"):
			if bytes.EqualFold(h.Name, []byte("if-none-match")) {
				r.IfNoneMatch = joined(r.IfNoneMatch, h.Value)
				r.plain = false
			}
		case len("accept-encoding"):
			if bytes.EqualFold(h.Name, []byte("accept-encoding")) {
				r.AcceptEncoding = joined(r.AcceptEncoding, h.Value)
			}
		case len("if-modified-since"):
			if bytes.EqualFold(h.Name, []byte("if-modified-since")) {
				r.IfModifiedSince = once(r.IfModifiedSince, h.Value)
				r.plain = false
			}
		case len("if-unmodified-since"):
			if bytes.EqualFold(h.Name, []byte("if-unmodified-since")) {
				r.IfUnmodifiedSince = once(r.IfUnmodifiedSince, h.Value)
				r.plain = false
			}
		}
	}
	if ranges > 1 {
		r.Range = nil // it is not a list; which one counts cannot be told
	}
}

// joined adds a line of a list.
func joined(list, line []byte) []byte {
	if list == nil {
		if line == nil {
			return []byte{}
		}
		return line
	}
	return append(append(bytes.Clone(list), ", "...), line...)
}

// once takes a field that may come once only: of two none can be believed.
func once(had, value []byte) []byte {
	if had != nil || value == nil {
		return []byte{}
	}
	return value
}
