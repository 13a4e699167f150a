package gate

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// DialAt is DialPacket for a name in a folder that is open, also where its path leads
// elsewhere by now or is too long for a socket's address.
func DialAt(folder int, name string) (fd int, err error) {
	return DialPacket(fmt.Sprintf("/proc/self/fd/%d/%s", folder, name))
}

// DialPacket connects to a SOCK_SEQPACKET socket at a path, without waiting: unix.EAGAIN
// tells that too many wait there already.
func DialPacket(path string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	// A whole message must fit; the kernel may give less, then large heads fail alone.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*maxMessage)
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err == nil {
			return fd, nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		_ = unix.Close(fd)
		return -1, err
	}
}
