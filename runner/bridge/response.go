package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// spillAfter is how many bytes of a response wait in memory for a slow client.
const spillAfter = 512 << 10

// response is a wsgi.Sink that hands over to the goroutine of a client.
type response struct {
	s    *Server
	wake chan struct{} // holds one; sent to after every change

	mu     sync.Mutex
	head   *wsgi.ResponseHead // guarded by mu, as all below; nil: none yet, or taken
	size   int64              // of the whole body where the head came with all of it, else -1
	begun  bool               // Head was called
	parts  []part
	memory int      // bytes in parts
	spill  *os.File // takes what memory does not; nil: none needed yet
	end    int64    // of spill
	ended  bool     // the last call was made
	status int      // of Fail; 0: no failure
	reason string
	gone   bool // nobody takes anything any more
}

// part is bytes, or a part of a file.
type part struct {
	b      []byte
	file   *os.File // nil: bytes
	own    bool     // the file is the part's, to be closed behind it
	off, n int64
}

func newResponse(s *Server) *response {
	return &response{s: s, wake: make(chan struct{}, 1), size: -1}
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
	q.parts = append(q.parts, part{file: f, own: true, off: offset, n: length})
}

// Fail implements wsgi.Sink.
func (q *response) Fail(status int, reason string) {
	q.mu.Lock()
	defer q.changed(true)
	q.status, q.reason = status, reason
}

// add keeps a copy of b.
func (q *response) add(b []byte) {
	if len(b) == 0 || q.gone {
		return
	}
	if q.spill == nil && q.memory+len(b) > spillAfter {
		f, err := q.s.tempFile()
		if err != nil {
			q.cannotKeep(err)
			return
		}
		q.spill, q.end = f, 0
	}
	if q.spill == nil {
		q.memory += len(b)
		if k := len(q.parts); k > 0 && q.parts[k-1].file == nil && len(b) < 4096 {
			q.parts[k-1].b = append(q.parts[k-1].b, b...)
			return
		}
		q.parts = append(q.parts, part{b: bytes.Clone(b)})
		return
	}
	if _, err := q.spill.WriteAt(b, q.end); err != nil {
		q.cannotKeep(err)
		return
	}
	if k := len(q.parts); k > 0 && q.parts[k-1].file == q.spill {
		q.parts[k-1].n += int64(len(b))
	} else {
		q.parts = append(q.parts, part{file: q.spill, off: q.end, n: int64(len(b))})
	}
	q.end += int64(len(b))
}

// cannotKeep makes the client see that the response is not complete.
func (q *response) cannotKeep(err error) {
	q.s.log("cannot keep a response for a slow client: " + err.Error())
	if q.status == 0 {
		q.status, q.reason = 500, "the server cannot keep the response"
	}
}

// close drops what is left; the sink may still be called.
func (q *response) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone = true
	for i := range q.parts {
		q.parts[i].close()
	}
	q.parts = nil
	if q.spill != nil {
		_ = q.spill.Close()
		q.spill = nil
	}
}

func (p *part) close() {
	if p.own {
		_ = p.file.Close()
	}
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
// leaves. errShort: the connection, or stream, must be cut: the response failed
// behind its head, and what there is of it was written.
func (q *response) copyTo(w writer, noBody bool, gone <-chan struct{}) error {
	left := int64(-1) // bytes still to come by Content-Length; -1: not known
	started := false
	for {
		q.mu.Lock()
		head, size, status, reason := q.head, q.size, q.status, q.reason
		q.head = nil
		var p part
		ready := false
		switch {
		case head != nil:
		case len(q.parts) > 0:
			p, ready = q.parts[0], true
			q.parts = q.parts[1:]
			q.memory -= len(p.b)
		case q.spill != nil:
			// All of it is sent: memory is enough again.
			_ = q.spill.Close()
			q.spill, q.parts = nil, nil
		}
		ended := q.ended
		q.mu.Unlock()

		var err error
		switch {
		case head != nil:
			started = true
			if left = head.ContentLength; left < 0 {
				left = size
			}
			noBody = noBody || head.Status == 204 || head.Status == 304
			err = w.head(head, size)
		case ready:
			if !noBody {
				left, err = p.copyTo(w, left)
			}
			p.close()
		case status != 0 && started:
			if err := w.flush(); err != nil {
				return err
			}
			return errShort
		case status != 0:
			return w.fail(status, reason)
		case ended:
			if left > 0 && !noBody {
				q.s.log(fmt.Sprintf("a response was %d bytes shorter than its Content-Length; it is cut", left))
				return errShort
			}
			return w.end()
		default:
			if started {
				err = w.flush()
			}
			if err == nil {
				select {
				case <-q.wake:
				case <-gone:
					return errGone
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// copyTo writes a part, of which no more than left bytes go out.
func (p *part) copyTo(w writer, left int64) (int64, error) {
	if p.file == nil {
		b := p.b
		if left >= 0 && int64(len(b)) > left {
			b = b[:left]
		}
		if left >= 0 {
			left -= int64(len(b))
		}
		if len(b) == 0 {
			return left, nil
		}
		return left, w.body(b)
	}
	n := p.n
	if left >= 0 {
		n = min(n, left)
		left -= n
	}
	buf := make([]byte, min(n, 64<<10))
	for off := p.off; n > 0; {
		k, err := p.file.ReadAt(buf[:min(n, int64(len(buf)))], off)
		if k == 0 {
			if err == io.EOF {
				return left, errShort // the file was cut meanwhile
			}
			return left, fmt.Errorf("cannot read a file for a response: %w", err)
		}
		if err := w.body(buf[:k]); err != nil {
			return left, err
		}
		off, n = off+int64(k), n-int64(k)
	}
	return left, nil
}
