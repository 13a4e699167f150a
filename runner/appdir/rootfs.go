package appdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// RootFs is an app folder as a file system of its own: "/" is the folder. No
// name leads out of it, and a symbolic link in the last place of a name is
// never followed: Stat tells of the link itself, and opening it fails. To root no
// link is followed in any place.
//
// A folder that does not exist is an empty RootFs, whose Mkdir("/") makes it.
type RootFs struct {
	path string

	mu  sync.Mutex
	dir *os.File // the folder itself, O_PATH; nil: it does not exist; guarded by mu; closed by Close
}

var (
	_ afero.Fs         = (*RootFs)(nil)
	_ afero.Lstater    = (*RootFs)(nil)
	_ afero.LinkReader = (*RootFs)(nil)
)

// Open opens the app folder at an absolute path, which need not exist. The
// caller closes it. An error says why the path cannot be an app folder: it is a
// file, or it leads through a link that must not be trusted.
func Open(path string) (*RootFs, error) {
	r := &RootFs{path: path}
	if err := r.openRoot(false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r, nil
}

// FromDescriptor is the app folder that a descriptor stands for, which Open has
// judged in another process, whatever lies at its path by now. The descriptor is
// the RootFs's from here on.
func FromDescriptor(fd int, path string) *RootFs {
	return &RootFs{path: path, dir: os.NewFile(uintptr(fd), path)}
}

// Folder is the folder's own descriptor, to be handed to another process; it
// stays the RootFs's. A folder that does not exist is an error.
func (r *RootFs) Folder() (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir == nil {
		return nil, r.fail("open", "/", unix.ENOENT)
	}
	return r.dir, nil
}

// openRoot sets dir; r.mu is held, or nobody else knows r yet.
func (r *RootFs) openRoot(create bool) error {
	if len(components(r.path)) == 0 {
		return fmt.Errorf("cannot use / as app folder: it is the root of the whole system; correct path")
	}
	fd, err := openFolder(r.path, create)
	if err != nil {
		return err
	}
	r.dir = os.NewFile(uintptr(fd), r.path)
	return nil
}

// Path is the absolute path of the folder.
func (r *RootFs) Path() string { return r.path }

// Close gives the descriptor back.
func (r *RootFs) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir == nil {
		return nil
	}
	err := r.dir.Close()
	r.dir = nil
	return err
}

// Name is the name of the kind of file system.
func (r *RootFs) Name() string { return "RootFs" }

// rel turns a name as afero's callers write it into one below the folder.
func rel(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// at does f with the folder's descriptor and the name below it.
func (r *RootFs) at(op, name string, f func(dir int, name string) error) error {
	r.mu.Lock()
	dir := r.dir
	r.mu.Unlock()
	if dir == nil {
		return r.fail(op, name, unix.ENOENT)
	}
	raw, err := dir.SyscallConn()
	if err != nil {
		return r.fail(op, name, err)
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd), rel(name)) }); err != nil {
		return r.fail(op, name, err)
	}
	return r.fail(op, name, ferr)
}

// in does f with the descriptor of the folder that the name stands in, and the
// name's last part.
func (r *RootFs) in(op, name string, f func(dir int, base string) error) error {
	return r.at(op, name, func(dir int, name string) error {
		parent, base, err := openParent(dir, name)
		if err != nil {
			return err
		}
		defer parent.close()
		return f(parent.fd, base)
	})
}

// fail names the absolute path and keeps only the reason of err.
func (r *RootFs) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &fs.PathError{Op: op, Path: Join(r.path, rel(name)), Err: err}
}

// LstatIfPossible tells of the name itself.
func (r *RootFs) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	var fi fs.FileInfo
	err := r.in("lstat", name, func(dir int, base string) (err error) {
		fi, err = lstatAt(dir, base)
		return err
	})
	return fi, true, err
}

// Stat is Lstat: links are not followed.
func (r *RootFs) Stat(name string) (fs.FileInfo, error) {
	fi, _, err := r.LstatIfPossible(name)
	return fi, err
}

// ReadlinkIfPossible returns where a symbolic link points to.
func (r *RootFs) ReadlinkIfPossible(name string) (string, error) {
	var to string
	err := r.in("readlink", name, func(dir int, base string) error {
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dir, base, buf)
		to = string(buf[:max(n, 0)])
		return err
	})
	return to, err
}

// Create makes or empties a file.
func (r *RootFs) Create(name string) (afero.File, error) {
	return r.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens a file or folder for reading.
func (r *RootFs) Open(name string) (afero.File, error) { return r.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens a regular file or a folder; anything else, and for writing
// also a file that has a second name (a hard link, whose other name may be
// somebody else's), is an error. It never blocks on a FIFO.
func (r *RootFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := r.openFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// OpenRegular is OpenFile for what may be no folder either.
func (r *RootFs) OpenRegular(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := r.openFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errIsAFolder
	}
	if err != nil {
		_ = f.Close()
		return nil, r.fail("open", name, err)
	}
	return f, nil
}

func (r *RootFs) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	var f *os.File
	err := r.at("open", name, func(dir int, n string) error {
		fd, err := openChecked(dir, n, flag, perm)
		if err == nil {
			f = os.NewFile(uintptr(fd), Join(r.path, n))
		}
		return err
	})
	return f, err
}

// Mkdir makes a folder; "/" makes the app folder itself, with its parents.
func (r *RootFs) Mkdir(name string, perm fs.FileMode) error {
	if rel(name) == "." {
		return r.makeRoot()
	}
	return r.in("mkdir", name, func(dir int, base string) error { return unix.Mkdirat(dir, base, uint32(perm.Perm())) })
}

func (r *RootFs) makeRoot() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir != nil {
		return r.fail("mkdir", "/", unix.EEXIST)
	}
	return r.openRoot(true)
}

// MkdirAll makes a folder with its parents.
func (r *RootFs) MkdirAll(name string, perm fs.FileMode) error {
	if _, err := r.Stat("/"); errors.Is(err, fs.ErrNotExist) {
		if err := r.makeRoot(); err != nil {
			return err
		}
	}
	made := ""
	for _, part := range components(rel(name)) {
		made = path.Join(made, part)
		if err := r.Mkdir("/"+made, perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// Remove removes a file or an empty folder, never what a link points to.
func (r *RootFs) Remove(name string) error {
	return r.in("remove", name, func(dir int, base string) error {
		err := unix.Unlinkat(dir, base, 0)
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
			if derr := unix.Unlinkat(dir, base, unix.AT_REMOVEDIR); !errors.Is(derr, unix.ENOTDIR) {
				err = derr
			}
		}
		return err
	})
}

// RemoveAll removes a tree, without following links.
func (r *RootFs) RemoveAll(name string) error {
	if rel(name) == "." {
		return r.fail("remove", name, errors.New("the app folder itself is never removed"))
	}
	err := r.in("remove", name, func(dir int, base string) error { return os.RemoveAll(byDescriptor(dir) + "/" + base) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename renames; what stood at newname loses that name only.
func (r *RootFs) Rename(oldname, newname string) error {
	return r.in("rename", oldname, func(from int, old string) error {
		return r.in("rename", newname, func(to int, base string) error { return unix.Renameat(from, old, to, base) })
	})
}

// Chmod sets the permission bits of a folder, or of a file that has a single
// name.
func (r *RootFs) Chmod(name string, mode fs.FileMode) error {
	return r.change("chmod", name, func(fd int) error { return os.Chmod(byDescriptor(fd), mode) })
}

// Chown sets owner and group of a folder, or of a file that has a single name.
func (r *RootFs) Chown(name string, uid, gid int) error {
	return r.change("chown", name, func(fd int) error { return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH) })
}

// Chtimes sets the times of a folder, or of a file that has a single name.
func (r *RootFs) Chtimes(name string, atime, mtime time.Time) error {
	return r.change("chtimes", name, func(fd int) error {
		ts := []unix.Timespec{unix.NsecToTimespec(atime.UnixNano()), unix.NsecToTimespec(mtime.UnixNano())}
		return unix.UtimesNanoAt(unix.AT_FDCWD, byDescriptor(fd), ts, 0)
	})
}

// change does f to the descriptor of what stands at a name, if that is a folder
// or a regular file with a single name.
func (r *RootFs) change(op, name string, f func(fd int) error) error {
	return r.at(op, name, func(dir int, n string) error {
		fd, err := openBeneath(dir, n, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := checkOpened(fd, true); err != nil {
			return err
		}
		return f(fd)
	})
}
