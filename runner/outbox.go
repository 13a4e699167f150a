package runner

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/unread"
)

// outbox is what is still to be sent on a connection.
type outbox struct {
	unread.Queue

	// ready tells how much of a part of a file is sent without a wait for the disk; 0:
	// nothing, and whoever was asked flushes again when there is. nil: all of it.
	ready func(file *os.File, off, n int64) int64
}

// errNotReady is what send answers where outbox.ready says so.
const errNotReady = syscall.EBUSY

// send sends a piece of what comes next; buf is for what must be read first.
func (o *outbox) send(fd int, buf []byte) (int, syscall.Errno) {
	file, off, left := o.File()
	if file == nil {
		b, err := o.Peek(buf)
		if err != nil {
			return 0, syscall.EIO
		}
		n, errno := evloop.Send(fd, b)
		if errno != 0 {
			return 0, errno
		}
		o.Take(int64(n))
		return n, 0
	}
	piece := min(left, 1<<20)
	if o.ready != nil {
		if piece = o.ready(file, off, piece); piece == 0 {
			return 0, errNotReady
		}
	}
	n, errno := sendfile(fd, int(file.Fd()), &off, int(piece), o.ready != nil)
	if errno != 0 {
		return 0, errno
	}
	if n == 0 {
		return 0, syscall.EIO // the file is shorter than was said
	}
	o.Take(int64(n))
	return n, 0
}

// sendfile is sendfile(2). What waits for nothing goes to the kernel without telling
// the scheduler, as the loop's own calls do.
func sendfile(to, from int, off *int64, n int, inMemory bool) (int, syscall.Errno) {
	if inMemory {
		return evloop.Sendfile(to, from, off, n)
	}
	n, err := unix.Sendfile(to, from, off, n)
	if err != nil {
		errno := syscall.EIO
		_ = errors.As(err, &errno)
		return 0, errno
	}
	return n, 0
}
