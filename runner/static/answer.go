package static

import (
	"crypto/rand"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// smallBody is up to what size a body is read and sent behind its head at once,
// rather than by sendfile, in bytes.
const smallBody = 32 << 10

// Answer is the answer to a request, ready to be sent.
type Answer struct {
	Plan

	found Found
}

// NewAnswer decides what a request gets of a file that is there. The file is the
// Answer's from here on.
func NewAnswer(q *Query, f Found) *Answer {
	return &Answer{Plan: decide(&q.Request, f.File, rand.Text), found: f}
}

// Large tells that the file stays open while the answer is sent.
func (a *Answer) Large() bool { return len(a.Parts) > 1 || a.Length > smallBody && len(a.Parts) > 0 }

// Descriptor is that of the file.
func (a *Answer) Descriptor() int { return a.found.fd }

// Close is for an Answer that is not sent.
func (a *Answer) Close() { a.found.Close() }

// BodyLength is how many bytes the client gets of a body.
func (a *Answer) BodyLength(q *Query) int64 {
	if len(a.Parts) == 0 || isHead(q.Method) {
		return 0
	}
	return a.Length
}

// Send gives the answer to a sink, and closes the file or has the sink do so. buf is
// for small bodies; wait: the disk may be waited for.
func (a *Answer) Send(to wsgi.Sink, buf *[]byte, wait bool) {
	defer a.found.Close()
	h := wsgi.ResponseHead{Status: a.Status, Line: []byte(a.Line), Fields: a.Fields, ContentLength: a.Length}
	switch {
	case len(a.Parts) == 0:
		to.Head(&h, nil, true)
		return
	case len(a.Parts) == 1 && a.Parts[0].Text != nil:
		to.Head(&h, a.Parts[0].Text, true)
		return
	case len(a.Parts) == 1 && a.Length <= smallBody:
		if b, ok := a.small(buf, wait); ok {
			to.Head(&h, b, true)
			return
		}
	}
	files, err := a.files()
	if err != nil {
		to.Fail(500, "cannot send a file: "+err.Error())
		return
	}
	to.Head(&h, nil, false)
	for i, p := range a.Parts {
		last := i == len(a.Parts)-1
		if p.Text != nil {
			to.Data(p.Text, last)
			continue
		}
		to.File(files[0], p.From, p.Length, last)
		files = files[1:]
	}
}

// small reads a small body; false: it would wait, or is not what it was.
func (a *Answer) small(buf *[]byte, wait bool) ([]byte, bool) {
	if *buf == nil {
		*buf = make([]byte, smallBody)
	}
	p := a.Parts[0]
	b := (*buf)[:p.Length]
	for got := 0; got < len(b); {
		var n int
		var errno unix.Errno
		if wait || a.found.memory {
			k, err := unix.Pread(a.found.fd, b[got:], p.From+int64(got))
			if n = k; err != nil {
				return nil, false
			}
		} else {
			n, errno = readNow(a.found.fd, b[got:], p.From+int64(got))
		}
		if errno != 0 || n == 0 {
			return nil, false
		}
		got += n
	}
	return b, true
}

// files are the file once for each part that is a piece of it, as a sink closes each.
func (a *Answer) files() (all []*os.File, err error) {
	for _, p := range a.Parts {
		if p.Text != nil {
			continue
		}
		fd := a.found.fd
		if len(all) > 0 {
			if fd, err = unix.FcntlInt(all[0].Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
				for _, f := range all {
					_ = f.Close()
				}
				return nil, err
			}
		}
		a.found.fd = -1
		all = append(all, fileOfDescriptor(fd))
	}
	return all, nil
}

// fileOfDescriptor makes an os.File that the poller of the runtime leaves alone: a
// regular file is always ready.
func fileOfDescriptor(fd int) *os.File {
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0)
	return os.NewFile(uintptr(fd), "static file")
}
