package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// response is a wsgi.Sink that hands over to the goroutine of a client.
type response struct {
	s    *Server
	wake chan struct{} // holds one; sent to after every change

	mu     sync.Mutex
	head   *wsgi.ResponseHead // guarded by mu, as all below; nil: none yet, or taken
	size   int64              // of the whole body where the head came with all of it, else -1
	begun  bool               // Head was called
	queue  unread.Queue
	full   bool // there is no room: more is to come only when the queue is empty, or there is
	ended  bool // the last call was made
	status int  // of Fail; 0: no failure
	reason string
	gone   bool // nobody takes anything any more

	in *Incoming // whose response it is; set before the sink is called
}

func newResponse(s *Server) *response {
	return &response{s: s, wake: make(chan struct{}, 1), size: -1, queue: unread.Queue{Store: s.Store}}
}

// Full tells that there is no room for what the client has not read: whoever makes the
// response should wait, and ask again when Server.Room is called. pressed: it is the
// budget that is used up, by clients.
func (in *Incoming) Full() (full, pressed bool) { return in.out.isFull() }

func (q *response) isFull() (full, pressed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full && q.queue.Room() {
		q.full = false
	}
	return q.full, q.full && q.queue.Pressed()
}

func (q *response) isEnded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}

// changed ends a sink's call.
func (q *response) changed(last bool) {
	q.ended = q.ended || last
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Head implements wsgi.Sink.
func (q *response) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	q.mu.Lock()
	defer q.changed(last)
	q.begun = true
	c := *h
	c.Line, c.Fields = bytes.Clone(h.Line), bytes.Clone(h.Fields)
	q.head = &c
	if last {
		q.size = int64(len(body))
	}
	q.add(body)
}

// Data implements wsgi.Sink.
func (q *response) Data(b []byte, last bool) {
	q.mu.Lock()
	defer q.changed(last)
	q.add(b)
}

// File implements wsgi.Sink.
func (q *response) File(f *os.File, offset, length int64, last bool) {
	q.mu.Lock()
	defer q.changed(last)
	if q.gone || length <= 0 {
		_ = f.Close()
		return
	}
	q.queue.AddFile(f, offset, length)
}

// Fail implements wsgi.Sink.
func (q *response) Fail(status int, reason string) {
	q.mu.Lock()
	defer q.changed(true)
	q.status, q.reason = status, reason
}

// add keeps a copy of b.
func (q *response) add(b []byte) {
	if len(b) > 0 && !q.gone && !q.queue.Add(b) && !q.full {
		q.full = true
		q.queue.Await(func() {
			if q.s.Room != nil {
				q.s.Room(q.in)
			}
		})
	}
}

// close drops what is left; the sink may still be called.
func (q *response) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone, q.full = true, false
	q.queue.Close()
}

// writer is one protocol's way to the client.
type writer interface {
	// head begins the response; size is as in response.
	head(h *wsgi.ResponseHead, size int64) error
	body(b []byte) error
	flush() error
	// end completes a response that is whole.
	end() error
	// fail answers in place of the application.
	fail(status int, reason string) error
}

// What copyTo may end with, beside an error of the writer.
var (
	errGone  = errors.New("the client is gone")
	errShort = errors.New("the response is not complete")
)

// copyTo writes the response until its end. gone is closed when the client
// leaves, over when it does not send the rest of its request. errShort: the
// connection, or stream, must be cut: the response failed behind its head, and
// what there is of it was written.
func (q *response) copyTo(w writer, r *reader, noBody bool, gone, over <-chan struct{}) error {
	c := copying{q: q, w: w, r: r, noBody: noBody, left: -1}
	for {
		var err error
		switch p := q.next(); {
		case p.head != nil:
			err = c.begin(p.head, p.size)
		case p.ready:
			err = c.send(p)
		case p.status != 0:
			return c.fail(p.status, p.reason)
		case p.ended:
			return c.end()
		default:
			err = c.wait(gone, over)
		}
		if err != nil {
			return err
		}
	}
}

// part is what a response has next for its client: its head, a piece of its body,
// its failure, or its end; none of them: not yet.
type part struct {
	head *wsgi.ResponseHead
	size int64 // with head, as in response

	ready bool // a piece: of b, or of file
	b     []byte
	file  *os.File
	off   int64
	n     int64 // length of the piece

	status int
	reason string
	ended  bool
}

// next is the next part. Where all is taken and there was no room, whoever makes the
// response is told that there is.
func (q *response) next() part {
	q.mu.Lock()
	p := part{head: q.head, size: q.size, status: q.status, reason: q.reason, ended: q.ended}
	q.head = nil
	room := false
	switch {
	case p.head != nil:
	case !q.queue.Empty():
		p.ready = true
		p.b, p.file, p.off, p.n = q.queue.Front()
		if p.file == nil {
			p.n = int64(len(p.b))
		}
	case q.full:
		q.full, room = false, true
	}
	q.mu.Unlock()
	if room && q.s.Room != nil {
		q.s.Room(q.in)
	}
	return p
}

// copying is a response on its way to its client.
type copying struct {
	q *response
	w writer
	r *reader

	begun  bool  // the head is written
	noBody bool  // by method or status
	left   int64 // bytes still to come by Content-Length; -1: not known
}

func (c *copying) begin(head *wsgi.ResponseHead, size int64) error {
	c.begun = true
	c.r.busy()
	if c.left = head.ContentLength; c.left < 0 {
		c.left = size
	}
	c.noBody = c.noBody || head.Status == 204 || head.Status == 304
	return c.w.head(head, size)
}

// send writes a piece of the body, and no more of it than Content-Length says.
func (c *copying) send(p part) error {
	if !c.noBody {
		n := p.n
		if c.left >= 0 {
			n = min(n, c.left)
			c.left -= n
		}
		var err error
		if p.file == nil {
			err = c.w.body(p.b[:n])
		} else {
			err = c.q.copyFile(c.w, p.file, p.off, n)
		}
		if err != nil {
			return err
		}
	}
	c.q.take(p.n)
	return nil
}

func (c *copying) fail(status int, reason string) error {
	if !c.begun {
		return c.w.fail(status, reason)
	}
	if err := c.w.flush(); err != nil {
		return err
	}
	return errShort
}

func (c *copying) end() error {
	if c.left > 0 && !c.noBody {
		c.q.s.log(fmt.Sprintf("a response was %d bytes shorter than its Content-Length; it is truncated", c.left))
		return errShort
	}
	return c.w.end()
}

// wait gives the client what there is, and returns when there may be more.
func (c *copying) wait(gone, over <-chan struct{}) error {
	if c.begun {
		if err := c.w.flush(); err != nil {
			return err
		}
	}
	c.r.rest()
	select {
	case <-c.q.wake:
	case <-gone:
		return errGone
	case <-over:
		return errGone
	}
	c.r.busy()
	return nil
}

// take drops what is written.
func (q *response) take(n int64) {
	q.mu.Lock()
	q.queue.Take(n)
	q.mu.Unlock()
}

// copyFile writes n bytes that lie in a file.
func (q *response) copyFile(w writer, f *os.File, off, n int64) error {
	if n == 0 {
		return nil
	}
	buf, free := q.s.Store.Buffer()
	defer free()
	for n > 0 {
		b, err := unread.ReadPart(buf, f, off, n)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errShort
		case err != nil:
			return err
		}
		if err := w.body(b); err != nil {
			return err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}
