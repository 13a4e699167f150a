package gate

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// A gate looks at what a client sends and leaves it in the connection: whoever has a
// descriptor of it can begin anew. Who takes the connection over reads it, and so makes
// it his.

// claim makes a connection that has come the receiver's. False: it is another's. room is
// where its bytes go if they did not come along.
func (l *Link) claim(fd int, p *Passed, room *[]byte) bool {
	if p.Rescued && !untouched(fd) {
		return false
	}
	if p.Unread > 0 && !p.Client.IsValid() { // else nobody has found out yet whose it is
		mark(fd)
	}
	if p.Left {
		return p.read(fd, room)
	}
	for left := p.Unread; left > 0; {
		b := l.Room.scratch()
		n, errno := evloop.Read(fd, b[:min(left, len(b))])
		switch {
		case errno == unix.EINTR:
		case errno != 0 && errno != unix.EAGAIN:
			return true // the client has gone: whoever serves it sees that
		case n <= 0:
			return false
		default:
			left -= n
		}
	}
	return true
}

// read reads what the connection begins with: all that its client has sent, where that is
// not more than a gate looks at.
func (p *Passed) read(fd int, room *[]byte) bool {
	if *room == nil {
		*room = make([]byte, maxLook)
	}
	b := *room
	for have := 0; ; {
		n, errno := evloop.Read(fd, b[have:])
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0 && errno != unix.EAGAIN:
			return true // the client has gone: whoever serves it sees that
		case n <= 0:
			return false
		}
		if have += n; have < p.Unread {
			continue
		}
		p.Bytes = b[p.Skip:have]
		if have == len(b) {
			p.Unread = 0
		}
		return true
	}
}

// take makes a connection the gate's own, which is to answer it itself. False: it is
// another's.
func (c *conn) take() bool {
	if c.takes {
		return true
	}
	if c.rescued && !untouched(c.fd) {
		return false
	}
	c.takes = true
	mark(c.fd)
	for {
		n, errno := evloop.Read(c.fd, c.s.rbuf)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n < len(c.s.rbuf) {
			return true
		}
	}
}

// scratch is where bytes go that nobody wants.
func (r *Room) scratch() []byte {
	if r.rest == nil {
		r.rest = make([]byte, 4<<10)
	}
	return r.rest
}

// mark notes on a connection over a unix socket that it is somebody's: the kernel counts
// what was read of TCP's alone. The note is an option that does nothing there, and goes
// with the connection to whoever has a descriptor of it.
func mark(fd int) {
	if family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && family == unix.AF_UNIX {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

func marked(fd int) bool {
	set, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	return err != nil || set != 0
}

const tcpEstablished = 1 // of tcp.h

// untouched tells that nothing has been read from a connection: nobody serves it.
func untouched(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return errors.Is(err, unix.EOPNOTSUPP) && !marked(fd)
	}
	left, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return false
	}
	read := int64(info.Bytes_received) - int64(left)
	if info.State != tcpEstablished {
		read-- // the end of what the client sends is counted as a byte
	}
	return read <= 0
}
