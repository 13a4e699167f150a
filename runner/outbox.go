package runner

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spoolAfter is how much of a response may wait in memory for a slow client;
// what comes beyond it waits in a file, so that the worker is free again.
const spoolAfter = 512 << 10

// spoolMost is how much may wait in that file; past it the worker must wait for
// the client after all.
const spoolMost = 256 << 20

// outbox is what is still to be sent on a connection: bytes, and parts of
// files, in order.
type outbox struct {
	parts  []outPart
	memory int
	spool  *os.File // where bytes go once memory is full
	spEnd  int64
}

// outPart is bytes, or a part of a file.
type outPart struct {
	b     []byte
	file  *os.File // nil: bytes
	owned bool     // closed by us when sent
	off   int64
	n     int64
}

func (o *outbox) empty() bool { return len(o.parts) == 0 }

// add appends bytes; they are copied.
func (o *outbox) add(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if o.spool != nil {
		if _, err := o.spool.WriteAt(b, o.spEnd); err != nil {
			return fmt.Errorf("cannot write to a temporary file: %w", err)
		}
		if k := len(o.parts); k > 0 && o.parts[k-1].file == o.spool {
			o.parts[k-1].n += int64(len(b))
		} else {
			o.parts = append(o.parts, outPart{file: o.spool, off: o.spEnd, n: int64(len(b))})
		}
		o.spEnd += int64(len(b))
		return nil
	}
	o.memory += len(b)
	if k := len(o.parts); k > 0 && o.parts[k-1].file == nil && len(b) < 4096 {
		o.parts[k-1].b = append(o.parts[k-1].b, b...)
		return nil
	}
	o.parts = append(o.parts, outPart{b: append([]byte(nil), b...)})
	return nil
}

// startSpool makes further bytes go to a file.
func (o *outbox) startSpool(open func() (*os.File, error)) (err error) {
	o.spool, err = open()
	o.spEnd = 0
	return err
}

// addFile appends a part of a file, which is closed when it has been sent.
func (o *outbox) addFile(f *os.File, off, n int64) {
	o.parts = append(o.parts, outPart{file: f, owned: true, off: off, n: n})
}

// send sends one piece of the first part.
func (o *outbox) send(fd int) (int, syscall.Errno) {
	p := &o.parts[0]
	if p.file == nil {
		n, errno := rawSend(fd, p.b)
		if errno != 0 {
			return 0, errno
		}
		o.memory -= n
		if p.b = p.b[n:]; len(p.b) == 0 {
			o.shift()
		}
		return n, 0
	}
	n, err := unix.Sendfile(fd, int(p.file.Fd()), &p.off, int(min(p.n, 1<<20)))
	if err != nil {
		errno := syscall.EIO
		_ = errors.As(err, &errno)
		return 0, errno
	}
	if n == 0 {
		return 0, syscall.EIO // the file is shorter than was said
	}
	if p.n -= int64(n); p.n == 0 {
		o.shift()
	}
	return n, 0
}

// shift drops the first part.
func (o *outbox) shift() {
	if p := &o.parts[0]; p.owned {
		_ = p.file.Close()
	}
	o.parts[0] = outPart{}
	o.parts = o.parts[1:]
	if len(o.parts) == 0 {
		o.parts = nil
		o.memory = 0
		if o.spool != nil {
			_ = o.spool.Close()
			o.spool = nil
			o.spEnd = 0
		}
	}
}

// close drops all.
func (o *outbox) close() {
	for len(o.parts) > 0 {
		o.shift()
	}
}
