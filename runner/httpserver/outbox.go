package httpserver

import (
	"os"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// outbox is what is still to be sent on a connection.
type outbox struct {
	unread.Queue

	cipher Cipher // by which it is sent; nil: as it is
}

// Empty tells that nothing is.
func (o *outbox) Empty() bool { return o.Queue.Empty() && (o.cipher == nil || !o.cipher.Owes()) }

// residence knows files that are sent. resident tells how much of a part of one is read
// without a wait for the disk; 0: nothing, and whoever was asked flushes again when
// there is.
type residence interface {
	resident(file *os.File, off, n int64) int64
}

// errNotReady is what send answers where residence says so.
const errNotReady = syscall.EBUSY

// send sends a piece of what comes next; buf is for what must be read first.
func (o *outbox) send(fd int, buf []byte, disk residence) (int, syscall.Errno) {
	if o.cipher != nil {
		return o.seal(buf, disk)
	}
	file, off, left := o.File()
	if file == nil {
		b, err := o.peek(buf, disk)
		if err != nil {
			return 0, syscall.EIO
		}
		if b == nil {
			return 0, errNotReady
		}
		n, errno := evloop.Send(fd, b)
		if errno != 0 {
			return 0, errno
		}
		o.Take(int64(n))
		return n, 0
	}
	piece := disk.resident(file, off, min(left, 1<<20))
	if piece == 0 {
		return 0, errNotReady
	}
	n, errno := evloop.Sendfile(fd, int(file.Fd()), &off, int(piece))
	if errno != 0 {
		return 0, errno
	}
	if n == 0 {
		return 0, syscall.EIO // the file is shorter than was said
	}
	o.Take(int64(n))
	return n, 0
}

// seal is send by the cipher.
func (o *outbox) seal(buf []byte, disk residence) (int, syscall.Errno) {
	if o.cipher.Owes() {
		if errno := o.cipher.Flush(); errno != 0 || o.Queue.Empty() {
			return 0, errno
		}
	}
	b, err := o.peek(buf, disk)
	if err != nil {
		return 0, syscall.EIO
	}
	if b == nil {
		return 0, errNotReady
	}
	n, errno := o.cipher.Write(b, nil)
	o.Take(int64(n))
	return n, errno
}

// peek is the bytes that come next; nil: those of the spool must be read from the disk
// first.
func (o *outbox) peek(buf []byte, disk residence) ([]byte, error) {
	b, f, off, n := o.Front()
	if f == nil {
		return b, nil
	}
	if n = disk.resident(f, off, n); n == 0 {
		return nil, nil
	}
	return unread.ReadPart(buf, f, off, n)
}
