package ingress

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TempFile opens a file for a body or a response that is too large for memory. It may
// wait for a disk, and is called by goroutines that may.
func (e *Env) TempFile() (*os.File, error) {
	t, err := tempFile(e.spool)
	if err == nil && e.Files.Kept(int(t.Fd())) {
		_ = t.Close()
		return nil, fmt.Errorf("cannot make a temporary file: %w: the remaining ones are reserved for workers and the control socket", unix.EMFILE)
	}
	return t, err
}

// tempFile opens a file without a name in a folder.
func tempFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("cannot make a temporary file in %s: %w", dir, err)
	}
	t, err := os.CreateTemp(dir, "wsgid-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a temporary file in %s: %w", dir, err)
	}
	_ = os.Remove(t.Name())
	return t, nil
}
