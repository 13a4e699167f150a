package listen

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is os.NewFile for a listening socket that is kept for others, who accept at it. It
// takes the descriptor over; the file has another one.
//
// os.NewFile has the runtime watch every descriptor that does not block, and a process that
// watches a listening socket wakes up for each client that connects, whoever accepts it.
// That it is not to be watched nobody can say, so the file is made of something else, and
// the socket takes its place.
func File(fd int, name string) *os.File {
	place, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewFile(uintptr(fd), name) // which costs time, and no more
	}
	f := os.NewFile(uintptr(place), name)
	if err := unix.Dup3(fd, place, unix.O_CLOEXEC); err != nil {
		_ = f.Close()
		return os.NewFile(uintptr(fd), name)
	}
	_ = unix.Close(fd)
	return f
}

// FileOf is a File of the socket of a listener or of another file, which stays open.
func FileOf(c syscall.Conn, name string) (*os.File, error) {
	fd := -1
	err := Control(c, func(from int) (err error) {
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl", err)
	})
	if err != nil {
		return nil, err
	}
	return File(fd, name), nil
}

// Control calls op with the descriptor, without making the file blocking.
func Control(c syscall.Conn, op func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var operr error
	if err := raw.Control(func(fd uintptr) { operr = op(int(fd)) }); err != nil {
		return err
	}
	return operr
}
