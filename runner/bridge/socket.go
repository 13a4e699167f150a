package bridge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// socket is a connection on a descriptor that somebody else has opened. net.FileConn
// makes one, too: of a duplicate, and it sets five options that whoever accepted the
// connection has decided on, in thirteen more system calls.
type socket struct {
	file          *os.File
	raw           syscall.RawConn // of file
	local, remote net.Addr
	first         []byte                 // read already, see Arrival
	answers       func(host []byte) bool // the same
}

// newSocket makes a connection of the descriptor of a stream socket. It takes the
// descriptor over, also where there is an error.
func newSocket(fd int) (*socket, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_NONBLOCK == 0 {
		err = unix.SetNonblock(fd, true) // else there would be no deadlines
	}
	local, remote := evloop.Local(fd), evloop.Peer(fd)
	if err == nil && local.IsValid() && !remote.IsValid() {
		err = unix.ENOTCONN // the client is gone
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	s := &socket{file: os.NewFile(uintptr(fd), "client"), local: addrOf(local), remote: addrOf(remote)}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		_ = s.file.Close()
		return nil, err
	}
	return s, nil
}

func addrOf(ap netip.AddrPort) net.Addr {
	if ap.IsValid() {
		return net.TCPAddrFromAddrPort(ap)
	}
	return &net.UnixAddr{Net: "unix"}
}

// plain is what the runtime's poller says, as a net.Conn says it. A read or write that was
// too late has to be a net.Error: TLS goes on after that, and after nothing else.
func plain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return net.ErrClosed // which is all that is left
}

// Read implements net.Conn. The system call does not block, so the scheduler is not told
// of it: that would wake the runtime's watcher of such calls each time.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if n := takeFirst(&s.first, b); n > 0 {
		return n, nil
	}
	var n int
	var errno syscall.Errno
	err := s.raw.Read(func(fd uintptr) bool {
		for {
			if n, errno = evloop.Read(int(fd), b); errno != unix.EINTR {
				return errno != unix.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, plain(err)
	case errno != 0:
		return 0, os.NewSyscallError("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	done := 0
	var errno syscall.Errno
	err := s.raw.Write(func(fd uintptr) bool {
		for done < len(b) {
			n, e := evloop.Send(int(fd), b[done:])
			switch {
			case e == unix.EINTR:
			case e == unix.EAGAIN:
				return false
			case e != 0:
				errno = e
				return true
			default:
				done += n
			}
		}
		return true
	})
	switch {
	case err != nil:
		return done, plain(err)
	case errno != 0:
		return done, os.NewSyscallError("send", errno)
	}
	return done, nil
}

// Close implements net.Conn.
func (s *socket) Close() error { return s.file.Close() }

// closeWrite ends our side.
func (s *socket) closeWrite() (err error) {
	if cerr := s.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); cerr != nil {
		return plain(cerr)
	}
	return err
}

// unsent is how many bytes were written that the other side has not taken.
func (s *socket) unsent() (n int) {
	_ = s.raw.Control(func(fd uintptr) { n = evloop.Unsent(int(fd)) })
	return n
}

// LocalAddr implements net.Conn.
func (s *socket) LocalAddr() net.Addr { return s.local }

// RemoteAddr implements net.Conn.
func (s *socket) RemoteAddr() net.Addr { return s.remote }

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error { return s.file.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.file.SetWriteDeadline(t) }

// SyscallConn implements syscall.Conn.
func (s *socket) SyscallConn() (syscall.RawConn, error) { return s.raw, nil }
