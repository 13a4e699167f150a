package appdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The one door to what lies below a folder of somebody else's. Every file that
// this program opens there comes through openBeneath and openRegular: relative
// to a descriptor that was proved, through no symbolic link, never waiting for a
// FIFO's other end, and never more than a regular file. SECURITY.md lists who
// uses it.

// errLinkOnTheWay says more than the kernel's ELOOP.
var errLinkOnTheWay = errors.New("its path contains a symbolic link, and none is followed in an app folder")

var errIsAFolder = errors.New("it is a folder, not a file")

// openBeneath opens what stands at a name below a folder as an O_PATH
// descriptor: of a symbolic link in the last place the link itself. To root any
// other link is an error; an ordinary user's may lead elsewhere in the folder.
func openBeneath(dir int, name string, flags int) (int, error) {
	return openBelow(dir, name, flags|unix.O_PATH)
}

// openListing opens a folder below a folder by the same way, to list it. Nothing but a
// folder is opened by that.
func openListing(dir int, name string) (int, error) {
	return openBelow(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
}

// openBelow opens what stands at a name, which must be safe to open by these flags whatever
// it is.
func openBelow(dir int, name string, flags int) (int, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	if !strings.Contains(name, "/") {
		return retry(func() (int, error) {
			return unix.Openat(dir, name, flags, 0)
		})
	}
	how := unix.OpenHow{
		Flags:   uint64(flags),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	if os.Geteuid() == 0 {
		how.Resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := retry(func() (int, error) { return unix.Openat2(dir, name, &how) })
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM): // Linux before 5.6, or a filter that does not know it
		fd, err = walkBeneath(dir, name, flags)
	case errors.Is(err, unix.EXDEV):
		err = errLinkOnTheWay
	}
	if errors.Is(err, unix.ELOOP) {
		err = errLinkOnTheWay
	}
	return fd, err
}

// walkBeneath is openBelow by hand, without any link.
func walkBeneath(dir int, name string, flags int) (int, error) {
	cur := -1
	for {
		part, rest, more := strings.Cut(name, "/")
		if part == ".." {
			closeFD(cur)
			return -1, errLinkOnTheWay
		}
		how := flags
		if more {
			how = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_DIRECTORY
		}
		from := dir
		if cur >= 0 {
			from = cur
		}
		next, err := retry(func() (int, error) { return unix.Openat(from, part, how, 0) })
		if errors.Is(err, unix.ENOTDIR) && more {
			var st unix.Stat_t
			if unix.Fstatat(from, part, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
				err = errLinkOnTheWay
			}
		}
		closeFD(cur)
		if err != nil || !more {
			return next, err
		}
		cur, name = next, rest
	}
}

func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
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

// byDescriptor is a name for what a descriptor stands for, whatever has become
// of its own name.
func byDescriptor(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// openPath opens again, for reading or writing, what an O_PATH descriptor was
// shown to be.
func openPath(fd, flags int) (int, error) {
	return retry(func() (int, error) {
		return unix.Open(byDescriptor(fd), flags&^(unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_TRUNC)|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
}

// checkOpened takes a folder, or a regular file: one to be written or changed
// must have a single name, for the other might be somebody else's.
func checkOpened(fd int, write bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return nil
	case unix.S_IFREG:
		if write && st.Nlink > 1 {
			return fmt.Errorf("it has %d names (hard links)", st.Nlink)
		}
		return nil
	default:
		return fmt.Errorf("it is %s, not a file", kindOf(st.Mode))
	}
}

// openChecked opens a folder or a regular file at a name below a folder. With
// os.O_CREATE a missing file is made; with os.O_TRUNC what is there is emptied
// once it is known to be ours to empty.
func openChecked(dir int, name string, flags int, perm fs.FileMode) (int, error) {
	write := flags&(os.O_WRONLY|os.O_RDWR) != 0
	if flags&os.O_CREATE != 0 {
		parent, base, err := openParent(dir, name)
		if err != nil {
			return -1, err
		}
		defer parent.close()
		dir, name = parent.fd, base
	}
	for {
		if flags&os.O_CREATE != 0 {
			fd, err := retry(func() (int, error) {
				return unix.Openat(dir, name, flags&^os.O_TRUNC|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
			})
			if !errors.Is(err, unix.EEXIST) || flags&os.O_EXCL != 0 {
				return fd, err
			}
		}
		fd, err := openExisting(dir, name, flags, write)
		if !errors.Is(err, unix.ENOENT) || flags&os.O_CREATE == 0 {
			return fd, err
		}
	}
}

func openExisting(dir int, name string, flags int, write bool) (int, error) {
	at, err := openBeneath(dir, name, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	if err := checkOpened(at, write); err != nil {
		return -1, err
	}
	fd, err := openPath(at, flags)
	if errors.Is(err, unix.EISDIR) {
		err = errIsAFolder
	}
	if err != nil {
		return -1, err
	}
	if flags&os.O_TRUNC != 0 {
		if err := unix.Ftruncate(fd, 0); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

// parentFolder is the folder that a name stands in.
type parentFolder struct {
	fd  int
	own bool // to be closed
}

func (p parentFolder) close() {
	if p.own {
		_ = unix.Close(p.fd)
	}
}

// openParent opens the folder of a name below dir, and returns the last part of
// the name.
func openParent(dir int, name string) (parentFolder, string, error) {
	base := path.Base(name)
	at := path.Dir(name)
	if at == "." {
		return parentFolder{fd: dir}, base, nil
	}
	fd, err := openBeneath(dir, at, unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOTDIR) {
		var st unix.Stat_t
		if unix.Fstatat(dir, at, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			if os.Geteuid() != 0 {
				return openLinkedParent(dir, at, base)
			}
			err = errLinkOnTheWay
		}
	}
	if err != nil {
		return parentFolder{}, "", err
	}
	return parentFolder{fd: fd, own: true}, base, nil
}

// openLinkedParent is for an ordinary user, whose folder may be a link to
// another one in the app folder.
func openLinkedParent(dir int, at, base string) (parentFolder, string, error) {
	fd, err := openBeneath(dir, at+"/.", unix.O_DIRECTORY)
	if err != nil {
		return parentFolder{}, "", err
	}
	return parentFolder{fd: fd, own: true}, base, nil
}

// ReadOutside reads a small file that may lie outside the app folder and is
// somebody else's all the same, such as a virtualenv's pyvenv.cfg: the way to it
// is judged as that to an app folder is, it may be no link, FIFO or device, and
// no longer than most bytes.
func ReadOutside(name string, most int64) ([]byte, error) {
	dir, err := openFolder(filepath.Dir(name), false)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	fd, err := openChecked(dir, filepath.Base(name), os.O_RDONLY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return readBounded(f, most)
}

// readLinked reads a small file through whatever links lead to it: what an
// ordinary user may read he may also choose.
func readLinked(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkOpened(int(f.Fd()), false); err != nil {
		return nil, err
	}
	return readBounded(f, maxRead)
}

// readBounded reads all of a file that is no longer than most bytes.
func readBounded(f io.Reader, most int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(4 << 10) // most are smaller
	if _, err := b.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > most {
		return nil, tooLargeError(most)
	}
	return b.Bytes(), nil
}
