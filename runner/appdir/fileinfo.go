package appdir

import (
	"errors"
	"io/fs"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// entryInfo is what the kernel tells of one name, as os.Lstat has it.
type entryInfo struct {
	name string
	mode fs.FileMode
	st   syscall.Stat_t
}

// lstatAt looks at a name that stands in a folder, by the folder's descriptor: by its name
// below /proc that costs several times as much.
func lstatAt(dir int, name string) (fs.FileInfo, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &entryInfo{name: path.Base(name), mode: fileMode(st.Mode), st: syscall.Stat_t{
			Dev: st.Dev, Ino: st.Ino, Nlink: st.Nlink, Mode: st.Mode, Uid: st.Uid, Gid: st.Gid, Rdev: st.Rdev,
			Size: st.Size, Blksize: st.Blksize, Blocks: st.Blocks,
			Atim: syscall.Timespec(st.Atim), Mtim: syscall.Timespec(st.Mtim), Ctim: syscall.Timespec(st.Ctim),
		}}, nil
	}
}

// fileMode is the kernel's mode in Go's words.
func fileMode(st uint32) fs.FileMode {
	mode := fs.FileMode(st & 0o777)
	switch st & unix.S_IFMT {
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	}
	if st&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if st&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if st&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// SameFile tells whether two looks were at one file. os.SameFile knows only what package os
// has seen, and says no of all that a RootFs tells.
func SameFile(a, b fs.FileInfo) bool {
	x, xok := a.Sys().(*syscall.Stat_t)
	y, yok := b.Sys().(*syscall.Stat_t)
	return xok && yok && x.Dev == y.Dev && x.Ino == y.Ino
}

// Name implements fs.FileInfo, as do Size, Mode, ModTime, IsDir and Sys.
func (e *entryInfo) Name() string { return e.name }

// Size is that of the file.
func (e *entryInfo) Size() int64 { return e.st.Size }

// Mode is kind and rights.
func (e *entryInfo) Mode() fs.FileMode { return e.mode }

// ModTime is when it was written last.
func (e *entryInfo) ModTime() time.Time { return time.Unix(e.st.Mtim.Unix()) }

// IsDir tells a folder.
func (e *entryInfo) IsDir() bool { return e.mode.IsDir() }

// Sys is a *syscall.Stat_t.
func (e *entryInfo) Sys() any { return &e.st }
