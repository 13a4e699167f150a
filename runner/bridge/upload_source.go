package bridge

import (
	"io"
	"net/http"
	"time"
)

// upload makes the way of a body that is to be read as it arrives; nil: it is to be
// read first, or there is none.
func (w *writer2) upload(hr *http.Request) *Upload {
	if !w.limits.Unbuffered || hr.ContentLength == 0 || hr.Body == nil || hr.ContentLength > w.limits.MaxBody {
		return nil
	}
	return w.s.newUpload()
}

// source reads a body from net/http, which tells a client to go on by itself. Its next
// waits for a piece, which is good until the next call; last: it is the last one.
// os.ErrDeadlineExceeded: the client sent nothing for that long. errStopped: stop was
// called.
type source struct {
	rc   *http.ResponseController
	body io.Reader
	left int64 // -1: not known
	buf  []byte
}

func (s *source) begin() { s.buf = make([]byte, 16<<10) }

func (s *source) next(u *Upload, patience time.Duration) (b []byte, last bool, err error) {
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
func (s *source) interrupt() { _ = s.rc.SetReadDeadline(time.Unix(1, 0)) }
