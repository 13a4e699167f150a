package bridge

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// writer1 writes responses in HTTP/1 framing.
type writer1 struct {
	c *conn1
	r *reader // nil: the request never came to the application
	o http1.HeadOptions

	up *Upload // nil: the body was read first
}

// sendAfter is how many bytes are gathered before they are sent.
const sendAfter = 16 << 10

func (w *writer1) head(h *wsgi.ResponseHead, size int64) error {
	if w.up.answer(); w.up != nil && size >= 0 && !w.up.all.Load() {
		w.c.keep = false // the whole answer is here, and the rest of the body nobody reads
	}
	w.o.KeepAlive, w.o.BodyLength = w.c.keep && !w.c.isClosing(), size
	var d http1.DateCache
	w.o.Date = d.Line(time.Now())
	w.c.keep = w.o.KeepAlive
	w.c.out, w.c.framing = http1.AppendHead(w.c.out, h, &w.o)
	if w.c.framing == http1.FramingClose {
		w.c.keep = false
	}
	return nil
}

func (w *writer1) body(b []byte) error {
	c := w.c
	if c.framing == http1.FramingChunked {
		c.out = http1.AppendChunk(c.out, b)
	} else {
		c.out = append(c.out, b...)
	}
	if len(c.out) < sendAfter {
		return nil
	}
	return w.flush()
}

// flush sends a piece at a time, which is then counted.
func (w *writer1) flush() error {
	c := w.c
	for rest := c.out; len(rest) > 0; {
		if w.r == nil {
			deadline(c.c.SetWriteDeadline, c.limits.BodyTimeout)
		}
		n, err := c.c.Write(rest[:min(len(rest), 16<<10)])
		if err != nil {
			return err
		}
		if w.r != nil {
			w.r.taken.Add(int64(n))
		}
		rest = rest[n:]
	}
	if c.out = c.out[:0]; cap(c.out) > 256<<10 {
		c.out = nil
	}
	return nil
}

func (w *writer1) end() error {
	if w.c.framing == http1.FramingChunked {
		w.c.out = append(w.c.out, http1.LastChunk...)
	}
	return w.flush()
}

func (w *writer1) fail(status int, reason string) error {
	if w.up.answer(); w.up != nil && !w.up.all.Load() {
		w.c.keep = false
	}
	var d http1.DateCache
	w.o.KeepAlive, w.o.Date = w.c.keep && !w.c.isClosing(), d.Line(time.Now())
	w.c.keep = w.o.KeepAlive
	w.c.out = http1.AppendError(w.c.out[:0], status, reason, &w.o)
	return w.flush()
}
