package bridge

import (
	"io"
	"net/http"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// upload makes the way of a body that is to be read as it arrives, behind a head of n
// bytes in c.in. nil: it is here already, or to be read first.
func (c *conn1) upload(n int) *Upload {
	r := &c.req
	switch size := int64(len(c.in) - n); {
	case !c.limits.Unbuffered,
		!r.Chunked && r.ContentLength <= 0,
		r.ContentLength > c.limits.MaxBody,
		!r.Chunked && size >= r.ContentLength && r.ContentLength <= wsgi.MaxInlineBody:
		return nil
	}
	return c.s.newUpload()
}

// source1 reads what belongs to the body out of c.in, which is its own until feed ends.
type source1 struct {
	c      *conn1
	left   int64 // -1: not known, it is chunked
	chunks http1.ChunkedReader
	expect bool // the client waits for a 100
	buf    []byte
}

func (s *source1) lost() <-chan struct{} { return s.c.gone }

func (s *source1) waits() bool { return len(s.c.got) > 0 }

func (s *source1) begin(u *Upload) {
	if !s.expect || len(s.c.in) > 0 {
		return
	}
	u.unlessAnswered(func() {
		deadline(s.c.c.SetWriteDeadline, s.c.s.Limits().BodyTimeout)
		_, _ = s.c.c.Write([]byte(http1.Continue))
		deadline(s.c.c.SetWriteDeadline, 0)
	})
}

func (s *source1) next(u *Upload, patience time.Duration) (b []byte, last bool, err error) {
	c := s.c
	for {
		data, used, done := c.in, 0, false
		if s.left >= 0 {
			data = data[:min(int64(len(data)), s.left)]
			used = len(data)
			s.left -= int64(used)
			done = s.left == 0
		} else if data, used, done, err = s.chunks.Decode(data); err != nil {
			return nil, false, err
		}
		s.buf = append(s.buf[:0], data...)
		c.in = c.in[:copy(c.in, c.in[used:])]
		if done {
			// A read that waits tells when the client is lost, as where a body was read first.
			deadline(c.c.SetReadDeadline, 0)
			if len(c.in) == 0 {
				c.ask()
			}
		}
		if done || len(s.buf) > 0 {
			return s.buf, done, nil
		}
		if used > 0 && len(c.in) > 0 {
			continue
		}
		deadline(c.c.SetReadDeadline, patience)
		if err := c.fillUntil(u.stopped); err != nil {
			return nil, false, err
		}
	}
}

// fillUntil is fill, given up when stopped is closed.
func (c *conn1) fillUntil(stopped <-chan struct{}) error {
	c.ask()
	select {
	case n := <-c.got:
		c.take(n)
		return nil
	case <-c.gone:
		return c.fill()
	case <-stopped:
		return errStopped
	}
}

// upload makes the way of a body that is to be read as it arrives; nil: it is to be
// read first, or there is none.
func (w *writer2) upload(hr *http.Request) *Upload {
	if !w.limits.Unbuffered || hr.ContentLength == 0 || hr.Body == nil || hr.ContentLength > w.limits.MaxBody {
		return nil
	}
	return w.s.newUpload()
}

// source2 reads a body from net/http, which tells a client to go on by itself.
type source2 struct {
	rc   *http.ResponseController
	body io.Reader
	left int64 // -1: not known
	buf  []byte
}

func (s *source2) lost() <-chan struct{} { return nil } // the context tells

func (s *source2) waits() bool { return false }

func (s *source2) begin(*Upload) { s.buf = make([]byte, 16<<10) }

func (s *source2) next(u *Upload, patience time.Duration) (b []byte, last bool, err error) {
	for {
		deadline(s.rc.SetReadDeadline, patience)
		if u.isStopped() { // which has set a deadline that this may have undone
			return nil, false, errStopped
		}
		n, err := s.body.Read(s.buf)
		if s.left >= 0 {
			s.left -= int64(n)
		}
		switch {
		case err == io.EOF, err == nil && s.left == 0:
			deadline(s.rc.SetReadDeadline, 0)
			return s.buf[:n], true, nil
		case err != nil || n > 0:
			return s.buf[:n], false, err
		}
	}
}

// interrupt has a read return.
func (s *source2) interrupt() { _ = s.rc.SetReadDeadline(time.Unix(1, 0)) }
