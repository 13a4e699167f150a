package appdir

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// explain adds the next step to the errors of a disk that a user meets. The
// error stays reachable with errors.Is.
func explain(err error, path string) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the caller names the path
	}
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w; the existing file is unchanged: free space on the disk of %s", err, path)
	case errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w; the existing file is unchanged: raise the quota, or free space below %s", err, path)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w; mount it writable: the program keeps pid files and logs there; a complete app folder is also served from a read-only disk, where the spec says log { target = \"stderr\" } or \"journal\"", err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w; the program runs as %s: run it as root, or as the user that the folder belongs to", err, userName(unix.Geteuid()))
	}
	return err
}

// sysStat is what the kernel told of a file, where the file system has a
// kernel behind it (afero's memory has none).
func sysStat(fi fs.FileInfo) (*syscall.Stat_t, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return st, ok && st != nil
}

// OwnerOf is the uid of a file's owner, -1 where it has none.
func OwnerOf(fi fs.FileInfo) int {
	if st, ok := sysStat(fi); ok {
		return int(st.Uid)
	}
	return -1
}

// Lstat tells of a name itself on any file system.
func Lstat(fsys fsLstater, name string) (fs.FileInfo, error) {
	if l, ok := fsys.(interface {
		LstatIfPossible(name string) (fs.FileInfo, bool, error)
	}); ok {
		fi, _, err := l.LstatIfPossible(name)
		return fi, err
	}
	return fsys.Stat(name)
}

type fsLstater interface {
	Stat(name string) (fs.FileInfo, error)
}
