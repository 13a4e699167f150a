package applog

import (
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const (
	// accessBatch is how many bytes of access lines go to the writer at once.
	accessBatch = 32 << 10
	// accessDelay is how long a line waits for others.
	accessDelay = 100 * time.Millisecond
	// maxAccessField bounds what a client can put into a line, in bytes a field.
	maxAccessField = 4 << 10
)

// Note is what the access log needs of a request beyond its exchange,
// copied while the ingress still has it.
type Note struct {
	buf    []byte // remote, method, target, referer and user agent, one behind the other
	end    [5]int // where each ends in buf
	proto  string
	Noted  bool
	length int64 // what of the response's body the client gets at most; -1: all
}

// Record copies what there is to tell of a request.
func (n *Note) Record(r *wsgi.Request, p *wsgi.Peer) {
	n.Noted, n.proto, n.length = true, r.Proto, -1
	if string(r.Method) == "HEAD" {
		n.length = 0
	}
	b := append(n.buf[:0], wsgi.ClientAddr(r, p)...)
	n.end[0] = len(b)
	b = appendClipped(b, r.Method)
	n.end[1] = len(b)
	b = appendClipped(b, r.Path)
	if r.Query != nil {
		b = appendClipped(append(b, '?'), r.Query)
	}
	n.end[2] = len(b)
	var referer, agent []byte
	for i := range r.Headers {
		switch h := &r.Headers[i]; len(h.Name) {
		case len("referer"):
			if referer == nil && wsgi.EqualFold(h.Name, "referer") {
				referer = h.Value
			}
		case len("user-agent"):
			if agent == nil && wsgi.EqualFold(h.Name, "user-agent") {
				agent = h.Value
			}
		}
	}
	b = appendClipped(b, referer)
	n.end[3] = len(b)
	b = appendClipped(b, agent)
	n.end[4] = len(b)
	n.buf = b
}

// RecordUnparsed notes a request that could not be read.
func (n *Note) RecordUnparsed(p *wsgi.Peer) {
	n.Noted, n.proto, n.length = true, "", -1
	n.buf = append(n.buf[:0], p.RemoteAddr...)
	for i := range n.end {
		n.end[i] = len(n.buf)
	}
}

// Limit notes that the client gets no more of the body than this.
func (n *Note) Limit(length int64) {
	if n.length < 0 || length < n.length {
		n.length = length
	}
}

// field i of buf.
func (n *Note) field(i int) []byte {
	from := 0
	if i > 0 {
		from = n.end[i-1]
	}
	return n.buf[from:n.end[i]]
}

// Reset forgets the request and keeps the memory, unless it is much.
func (n *Note) Reset() {
	b := n.buf[:0]
	if cap(b) > 4<<10 {
		b = nil
	}
	*n = Note{buf: b}
}

func appendClipped(dst, b []byte) []byte {
	if len(b) > maxAccessField {
		return append(append(dst, b[:maxAccessField]...), "..."...)
	}
	return append(dst, b...)
}

// Access writes a line a request. It belongs to the loop: lines are put
// together there, without reflection and without a call into the kernel, and go
// to the log's writer in batches.
type Access struct {
	log   *Log
	loop  *evloop.Loop
	app   string
	on    atomic.Bool // read by the ingresses' goroutines too
	json  bool
	batch *entry
	timer evloop.Timer

	base   int64 // loop time 0 in nanoseconds of the wall clock
	second int64 // of the wall clock, which the texts below are of
	clf    []byte
	iso    []byte // up to the second
	zone   []byte
}

// NewAccess is an access log that goes with the log of an app.
func NewAccess(l *evloop.Loop, log *Log, app string) *Access {
	a := &Access{log: log, loop: l, app: app}
	a.timer.Do = a.Flush
	return a
}

// NoteOf makes a note of a request where one is wanted, for ingresses whose
// requests come to the loop later: an *accessNote or nil.
func (a *Access) NoteOf(r *wsgi.Request, p *wsgi.Peer) any {
	if !a.on.Load() {
		return nil
	}
	n := &Note{}
	n.Record(r, p)
	return n
}

// Enabled tells whether requests are to be noted.
func (a *Access) Enabled() bool { return a.on.Load() }

// Configure turns it on or off. What was noted before still goes out as it was.
func (a *Access) Configure(on, json bool) {
	if a.json != json {
		a.Flush()
	}
	a.on.Store(on)
	a.json = json
}

// Write adds the line of a request that has ended.
func (a *Access) Write(n *Note, status int, sent, ns int64, worker int) {
	if n.length >= 0 && sent > n.length || status == 204 || status == 304 {
		sent = 0
	}
	if a.batch == nil {
		a.batch = &entry{kind: kindAccess, text: a.log.buffer()}
		a.loop.Set(&a.timer, accessDelay)
	}
	e := a.batch
	a.clock()
	if a.json {
		e.text = a.appendJSON(e.text, n, status, sent, ns, worker)
	} else {
		e.text = a.appendCombined(e.text, n, status, sent, ns, worker)
	}
	e.ends = append(e.ends, accessEnd{at: len(e.text), worker: worker})
	if len(e.text) >= accessBatch {
		a.Flush()
	}
}

// Flush hands over what was put together.
func (a *Access) Flush() {
	e := a.batch
	if e == nil {
		return
	}
	a.batch = nil
	a.loop.Clear(&a.timer)
	a.log.put(e)
}

// clock renews the texts of the time when its second has passed.
func (a *Access) clock() {
	if a.second != 0 && (a.base+a.loop.Now())/1e9 == a.second {
		return
	}
	// Read anew each second: the wall clock may have been set.
	now := time.Now()
	a.base = now.UnixNano() - a.loop.Elapsed()
	a.second = (a.base + a.loop.Now()) / 1e9
	t := time.Unix(a.second, 0)
	a.clf = t.AppendFormat(a.clf[:0], " - - [02/Jan/2006:15:04:05 -0700] \"")
	a.iso = t.AppendFormat(a.iso[:0], "2006-01-02T15:04:05")
	a.zone = t.AppendFormat(a.zone[:0], "Z07:00")
}

// appendCombined writes the combined format, and behind it the duration in
// seconds, the worker's pid and the app.
func (a *Access) appendCombined(dst []byte, n *Note, status int, sent, ns int64, worker int) []byte {
	dst = appendOrDash(dst, n.field(0))
	dst = append(dst, a.clf...)
	if n.proto == "" {
		dst = append(dst, '-')
	} else {
		dst = appendEscaped(dst, n.field(1))
		dst = append(dst, ' ')
		dst = appendEscaped(dst, n.field(2))
		dst = append(dst, ' ')
		dst = append(dst, n.proto...)
	}
	dst = append(dst, "\" "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, sent, 10)
	dst = append(dst, " \""...)
	dst = appendOrDash(dst, n.field(3))
	dst = append(dst, "\" \""...)
	dst = appendOrDash(dst, n.field(4))
	dst = append(dst, "\" "...)
	dst = appendSeconds(dst, ns)
	dst = append(dst, ' ')
	if worker == 0 {
		dst = append(dst, '-')
	} else {
		dst = strconv.AppendInt(dst, int64(worker), 10)
	}
	dst = append(dst, ' ')
	dst = append(dst, a.app...)
	return append(dst, '\n')
}

func (a *Access) appendJSON(dst []byte, n *Note, status int, sent, ns int64, worker int) []byte {
	dst = append(dst, `{"time":"`...)
	dst = append(dst, a.iso...)
	us := max(a.base+a.loop.Now()-a.second*1e9, 0) / 1e3
	dst = append(dst, '.')
	dst = appendPadded(dst, us, 6)
	dst = append(dst, a.zone...)
	dst = append(dst, `","level":"INFO","source":"access","app":"`...)
	dst = append(dst, a.app...) // its letters need no escape: see appspec.ValidName
	dst = append(dst, `","pid":`...)
	dst = strconv.AppendInt(dst, int64(worker), 10)
	dst = append(dst, `,"remote":`...)
	dst = appendJSONString(dst, n.field(0))
	dst = append(dst, `,"method":`...)
	dst = appendJSONString(dst, n.field(1))
	dst = append(dst, `,"target":`...)
	dst = appendJSONString(dst, n.field(2))
	dst = append(dst, `,"protocol":"`...)
	dst = append(dst, n.proto...)
	dst = append(dst, `","status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"bytes":`...)
	dst = strconv.AppendInt(dst, sent, 10)
	dst = append(dst, `,"referer":`...)
	dst = appendJSONString(dst, n.field(3))
	dst = append(dst, `,"user_agent":`...)
	dst = appendJSONString(dst, n.field(4))
	dst = append(dst, `,"seconds":`...)
	dst = appendSeconds(dst, ns)
	return append(dst, "}\n"...)
}

// appendSeconds writes nanoseconds as seconds with six places.
func appendSeconds(dst []byte, ns int64) []byte {
	us := max(ns, 0) / 1e3
	dst = strconv.AppendInt(dst, us/1e6, 10)
	return appendPadded(append(dst, '.'), us%1e6, 6)
}

// appendPadded writes a number with zeros before it.
func appendPadded(dst []byte, v int64, width int) []byte {
	at := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := at + width - 1; i >= at && v > 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

func appendOrDash(dst, b []byte) []byte {
	if len(b) == 0 {
		return append(dst, '-')
	}
	return appendEscaped(dst, b)
}

const hexDigits = "0123456789abcdef"

// appendEscaped writes what came from a client so that it cannot end its field
// or its line, or speak to a terminal: as Apache and nginx do, \xHH.
func appendEscaped(dst, b []byte) []byte {
	from := 0
	for i, c := range b {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, b[from:i]...)
		dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		from = i + 1
	}
	return append(dst, b[from:]...)
}

// appendJSONString writes a JSON string. What is not UTF-8 is replaced, what a
// terminal would obey is escaped.
func appendJSONString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := decodeRune(s[i:min(len(s), i+utf8.UTFMax)])
			if obeyed(r) {
				dst = append(append(dst, s[from:i]...), '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
				i += n
				from = i
				continue
			}
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(append(dst, s[from:i]...), "\uFFFD"...)
			i++
			from = i
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func decodeRune[T string | []byte](s T) (rune, int) { return utf8.DecodeRuneInString(string(s)) }
