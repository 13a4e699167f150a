package static

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// resolveCached has openat2 answer EAGAIN where it would have to ask the disk
// (RESOLVE_CACHED, Linux 5.12; before it is EINVAL).
const resolveCached = 0x20

const fileFlags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// openFolder opens the folder of a block: dir below the app folder, or absolute. A
// link on the way is followed with the rights of who asks.
func openFolder(folder int, dir string) (int, error) {
	if path.IsAbs(dir) {
		folder = unix.AT_FDCWD
	}
	return retry(func() (int, error) {
		return unix.Openat(folder, dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
}

// openBelow opens a file of a folder. No link leads out of the folder.
func openBelow(dir int, name string) (int, error) {
	how := unix.OpenHow{Flags: fileFlags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := retry(func() (int, error) { return unix.Openat2(dir, name, &how) })
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // Linux before 5.6, or a filter that does not know it
		return walkBelow(dir, name)
	}
	return fd, err
}

// walkBelow is openBelow by hand, through no link at all. The name has no dots for
// a part (see served).
func walkBelow(dir int, name string) (int, error) {
	at := dir
	for {
		part, rest, more := strings.Cut(name, "/")
		flags := fileFlags | unix.O_NOFOLLOW
		if more {
			flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		}
		next, err := retry(func() (int, error) { return unix.Openat(at, part, flags, 0) })
		if at != dir {
			_ = unix.Close(at)
		}
		if err != nil || !more {
			return next, err
		}
		at, name = next, rest
	}
}

// openCached is openBelow where the kernel has all at hand, on the folder's own file
// system. EAGAIN: it has not.
func openCached(dir int, name string) (int, error) {
	how := unix.OpenHow{Flags: fileFlags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV | resolveCached}
	return unix.Openat2(dir, name, &how)
}

// retry goes on where a signal, or a rename beside us, has interrupted.
func retry(open func() (int, error)) (int, error) {
	for range 100 {
		if fd, err := open(); !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
	return -1, unix.EAGAIN
}

// notThere tells that nothing has that name: it is for the app.
func notThere(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG)
}

// reasonOf is an error of opening in words.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, unix.EXDEV):
		return "a symbolic link points outside the folder"
	case errors.Is(err, unix.ENXIO):
		return "it is not a regular file"
	case errors.Is(err, unix.EACCES):
		return "the app's user may not read it"
	}
	return err.Error()
}

// stamp tells one state of a file from another.
type stamp struct {
	dev, ino, size uint64
	ctime          unix.Timespec
	regular        bool
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{dev: st.Dev, ino: st.Ino, size: uint64(st.Size), ctime: st.Ctim, regular: st.Mode&unix.S_IFMT == unix.S_IFREG}
}

func fstat(fd int) (st unix.Stat_t, s stamp, err error) {
	if err = unix.Fstat(fd, &st); err != nil {
		return st, s, err
	}
	return st, stampOf(&st), nil
}

// sureAfter is how old a change must be, that a next one is not of the same moment
// of the file system's clock.
const sureAfter = 2 * time.Second

// fileOf is what the answer tells of a file that fstat has seen.
func fileOf(st *unix.Stat_t, name string, form Form, maxAge time.Duration, now time.Time) *File {
	f := &File{Size: st.Size, Form: form, Type: contentType(name), MaxAge: maxAge, Hashed: Hashed(name)}
	f.Modified = time.Unix(st.Mtim.Sec, 0)
	if f.Modified.After(now) {
		f.Modified = now.Truncate(time.Second) // RFC 9110, section 8.8.2.1
	}
	changed := time.Unix(st.Ctim.Sec, st.Ctim.Nsec)
	f.Fresh = now.Sub(changed) < sureAfter
	// The time of the last change, and not that of the content, which unpacking and
	// copying set back to the same for two files.
	f.ETag = fmt.Sprintf(`"%x-%x-%x%s"`, changed.UnixNano(), st.Ino, st.Size, tag[form])
	if f.Fresh {
		f.ETag = "W/" + f.ETag
	}
	return f
}

// tag ends the ETag of a form: two forms of one file are different bytes.
var tag = [forms]string{"", "-zst", "-br", "-gz"}

// kinds of file systems, by the numbers of statfs(2).
const (
	btrfsMagic = 0x9123683e
	extMagic   = 0xef53
	f2fsMagic  = 0xf2f52010
	xfsMagic   = 0x58465342
	zfsMagic   = 0x2fc12fc1
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
	overMagic  = 0x794c7630
	squashfs   = 0x73717368
	erofsMagic = 0xe0f5e1e2
)

// InMemory tells that a file is on no disk.
func InMemory(fd int) bool {
	_, memory := fsKind(fd)
	return memory
}

// fsKind tells of the file system of a descriptor: local: an open with nothing to
// look up asks nobody; memory: nor does a read.
func fsKind(fd int) (local, memory bool) {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false, false
	}
	switch uint32(st.Type) {
	case tmpfsMagic, ramfsMagic:
		return true, true
	case btrfsMagic, extMagic, f2fsMagic, xfsMagic, zfsMagic, overMagic, squashfs, erofsMagic:
		return true, false
	}
	return false, false
}
