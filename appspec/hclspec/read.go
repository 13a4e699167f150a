package hclspec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// The largest files that are read. A spec of an app takes about 1 KiB.
const (
	maxSpecFile   = 8 << 20
	maxSecretFile = 1 << 20 // by file()
)

// readFile reads a regular file of at most limit bytes. It never blocks on what
// is not a regular file. Its errors are reasons without the file's name.
func readFile(fsys afero.Fs, name string, limit int64) ([]byte, error) {
	return readBy(fsys, nil, name, limit)
}

// readBy is readFile with an opener of its own; nil: the file system's.
func readBy(fsys afero.Fs, open func(string) (afero.File, error), name string, limit int64) ([]byte, error) {
	info, err := fsys.Stat(name)
	if err != nil {
		return nil, reason(fsys, name, err)
	}
	if err := regular(info); err != nil {
		return nil, err
	}
	// Between the two looks the file may have become a FIFO: not to block there,
	// open without waiting, and look again.
	flag := os.O_RDONLY
	if _, ok := info.Sys().(*syscall.Stat_t); ok { // files in memory take the flag for one to write
		flag |= syscall.O_NONBLOCK
	}
	if open == nil {
		open = func(name string) (afero.File, error) { return fsys.OpenFile(name, flag, 0) }
	}
	f, err := open(name)
	if err != nil {
		return nil, reason(fsys, name, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, reason(fsys, name, err)
	}
	if err := regular(info); err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("it has %s, more than the %s that are allowed", appspec.Size(info.Size()), appspec.Size(limit))
	}
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, reason(fsys, name, err)
	}
	if n > limit {
		return nil, fmt.Errorf("it has more than the %s that are allowed", appspec.Size(limit))
	}
	return b.Bytes(), nil
}

// regular says why a file of this kind is not read.
func regular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errors.New("it is a directory, not a file")
	case mode&fs.ModeNamedPipe != 0:
		return errors.New("it is a named pipe, not a file")
	case mode&fs.ModeSocket != 0:
		return errors.New("it is a socket, not a file")
	case mode&fs.ModeDevice != 0:
		return errors.New("it is a device, not a file")
	default:
		return errors.New("it is not a regular file")
	}
}

// reason says in words what the system said.
func reason(fsys afero.Fs, name string, err error) error {
	switch {
	case errors.Is(err, syscall.ELOOP):
		return &fileError{"its symlinks form a loop", err}
	case errors.Is(err, fs.ErrNotExist):
		if r, ok := fsys.(afero.LinkReader); ok {
			if to, err := r.ReadlinkIfPossible(name); err == nil {
				return &fileError{"it is a symlink to " + to + ", which is not there", fs.ErrNotExist}
			}
		}
		return &fileError{noSuchFile, fs.ErrNotExist}
	case errors.Is(err, fs.ErrPermission):
		return &fileError{"permission denied", fs.ErrPermission}
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

const noSuchFile = "no such file"

// fileError is why a file cannot be read, in our words.
type fileError struct {
	text string
	err  error
}

func (e *fileError) Error() string { return e.text }

func (e *fileError) Unwrap() error { return e.err }

// badText finds the first byte that cannot stand in a text file, -1 for none.
func badText(src []byte) (offset int, what string) {
	for i := 0; i < len(src); {
		c := src[i]
		if c == 0 {
			return i, "a NUL byte"
		}
		if c < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i, fmt.Sprintf("the byte 0x%02x, which is not UTF-8", c)
		}
		i += n
	}
	return -1, ""
}
