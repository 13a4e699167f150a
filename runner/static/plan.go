package static

import (
	"strconv"
	"time"
)

// File is one form of a file that is there, as the answer tells of it.
type File struct {
	Size     int64
	Modified time.Time // in whole seconds, and not later than now
	ETag     string
	Fresh    bool // it changed a moment ago, and may change again unnoticed: ETag is weak
	Form     Form
	Type     string        // Content-Type
	MaxAge   time.Duration // of Cache-Control
	Hashed   bool          // the name carries a hash: it never changes
	Varies   bool          // there are other forms of it

	fields []byte // of a 200, made once
}

// Plan is the answer to a request.
type Plan struct {
	Status int
	Line   string // status and reason
	Fields []byte // header lines, without Content-Length
	Length int64  // Content-Length; -1: none
	// Parts are what the body is made of, in this order; none: it has none, or the
	// request is a HEAD.
	Parts []Part
}

// Part is text, or a piece of the file.
type Part struct {
	Text         []byte
	From, Length int64
}

// decide makes the answer to a request for a file that is there. boundary is asked
// for where several ranges are sent.
func decide(r *Request, f *File, boundary func() string) Plan {
	if !isGet(r.Method) && !isHead(r.Method) {
		return text(405, "405 Method Not Allowed", "Allow: GET, HEAD\r\n")
	}
	if r.plain {
		return whole(r, f)
	}
	switch evaluate(r, f) {
	case failed:
		return text(412, "412 Precondition Failed", "")
	case notModified:
		return Plan{Status: 304, Line: "304 Not Modified", Fields: f.validators(nil), Length: -1}
	case send:
	}
	// RFC 9110, section 14.2: Range is of GET alone.
	if r.Range == nil || !isGet(r.Method) || !rangeHolds(r.IfRange, f) {
		return whole(r, f)
	}
	spans, ok := rangesOf(r.Range, f.Size)
	switch {
	case !ok:
		return whole(r, f)
	case len(spans) == 0:
		return text(416, "416 Range Not Satisfiable", "Content-Range: bytes */"+strconv.FormatInt(f.Size, 10)+"\r\n")
	case len(spans) == 1:
		s := spans[0]
		fields := f.representation(nil)
		fields = append(fields, "Content-Range: "...)
		fields = append(appendRange(fields, s, f.Size), "\r\n"...)
		return Plan{Status: 206, Line: "206 Partial Content", Fields: f.validators(fields), Length: s.length,
			Parts: []Part{{From: s.from, Length: s.length}}}
	}
	return several(f, spans, boundary())
}

// whole is all of the file.
func whole(r *Request, f *File) Plan {
	fields := f.fields
	if fields == nil {
		fields = f.whole()
	}
	p := Plan{Status: 200, Line: "200 OK", Fields: fields, Length: f.Size}
	if isGet(r.Method) && f.Size > 0 {
		p.Parts = []Part{{Length: f.Size}}
	}
	return p
}

// whole is the header lines of a 200.
func (f *File) whole() []byte {
	return f.validators(append(f.representation(nil), "Accept-Ranges: bytes\r\n"...))
}

// prepare makes them once, before others see the file.
func (f *File) prepare() { f.fields = f.whole() }

// several is an answer of several parts (RFC 9110, section 14.6).
func several(f *File, spans []span, boundary string) Plan {
	p := Plan{Status: 206, Line: "206 Partial Content"}
	for _, s := range spans {
		t := "\r\n--" + boundary + "\r\nContent-Type: " + f.Type + "\r\nContent-Range: "
		head := append(appendRange([]byte(t), s, f.Size), "\r\n\r\n"...)
		p.Parts = append(p.Parts, Part{Text: head}, Part{From: s.from, Length: s.length})
		p.Length += int64(len(head)) + s.length
	}
	end := "\r\n--" + boundary + "--\r\n"
	p.Parts = append(p.Parts, Part{Text: []byte(end)})
	p.Length += int64(len(end))
	p.Fields = f.coded([]byte("Content-Type: multipart/byteranges; boundary=" + boundary + "\r\n"))
	p.Fields = f.validators(p.Fields)
	return p
}

func appendRange(dst []byte, s span, size int64) []byte {
	dst = append(dst, "bytes "...)
	dst = strconv.AppendInt(dst, s.from, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, s.from+s.length-1, 10)
	dst = append(dst, '/')
	return strconv.AppendInt(dst, size, 10)
}

// text is a short answer without anything of the file.
func text(status int, line, fields string) Plan {
	body := line + "\n"
	return Plan{Status: status, Line: line, Fields: []byte("Content-Type: text/plain; charset=utf-8\r\n" + fields),
		Length: int64(len(body)), Parts: []Part{{Text: []byte(body)}}}
}

// representation appends the lines of what the body is.
func (f *File) representation(dst []byte) []byte {
	dst = append(append(append(dst, "Content-Type: "...), f.Type...), "\r\n"...)
	return f.coded(dst)
}

func (f *File) coded(dst []byte) []byte {
	if c := coding[f.Form]; c != "" {
		dst = append(append(append(dst, "Content-Encoding: "...), c...), "\r\n"...)
	}
	return dst
}

// aYear is how long what never changes is kept (RFC 9111 has no more than a hint).
const aYear = 365 * 24 * time.Hour

// validators appends the lines that a 304 has as well.
func (f *File) validators(dst []byte) []byte {
	dst = append(append(append(dst, "ETag: "...), f.ETag...), "\r\nLast-Modified: "...)
	dst = f.Modified.UTC().AppendFormat(dst, dateFormats[0])
	switch {
	case f.Hashed:
		dst = append(dst, "\r\nCache-Control: public, max-age="...)
		dst = strconv.AppendInt(dst, int64(aYear/time.Second), 10)
		dst = append(dst, ", immutable\r\n"...)
	case f.MaxAge < time.Second:
		dst = append(dst, "\r\nCache-Control: no-cache\r\n"...)
	default:
		dst = append(dst, "\r\nCache-Control: public, max-age="...)
		dst = strconv.AppendInt(dst, int64(f.MaxAge/time.Second), 10)
		dst = append(dst, "\r\n"...)
	}
	if f.Varies {
		dst = append(dst, "Vary: Accept-Encoding\r\n"...)
	}
	return dst
}
