package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Lock is held by the one master of an app that runs its processes. It ends with the
// master, however that ends.
type Lock struct {
	path string
	fd   int // -1: not held
	open func(path string) (int, error)

	shared bool // held beside others that are
	ending bool // what it was held for has ended, see schedule.keep
}

// NewLock is a lock by the file of that path, which open opens.
func NewLock(path string, open func(path string) (int, error)) *Lock {
	return &Lock{path: path, fd: -1, open: open}
}

// OpenLock opens the file of a lock.
func OpenLock(path string) (int, error) {
	return unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
}

// take tries to get the lock; false without an error: another has it.
func (l *Lock) take() (bool, error) {
	if l.fd >= 0 {
		return true, nil
	}
	fd, err := l.open(l.path)
	if err != nil {
		return false, fmt.Errorf("cannot open %s: %w", l.path, err)
	}
	how := unix.LOCK_EX
	if l.shared {
		how = unix.LOCK_SH
	}
	if err := unix.Flock(fd, how|unix.LOCK_NB); err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return false, nil
		}
		return false, fmt.Errorf("cannot lock %s: %w", l.path, err)
	}
	l.fd = fd
	return true, nil
}

// share has others hold it too that do.
func (l *Lock) share() {
	if l.fd >= 0 {
		_ = unix.Flock(l.fd, unix.LOCK_SH|unix.LOCK_NB)
	}
}

func (l *Lock) release() {
	if l.fd >= 0 {
		_ = unix.Close(l.fd)
		l.fd = -1
	}
}
