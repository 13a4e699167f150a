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
// never followed: Stat tells of the link itself, and opening it fails.
//
// A folder that does not exist is an empty RootFs, whose Mkdir("/") makes it.
type RootFs struct {
	path string

	mu   sync.Mutex
	root *os.Root // nil: the folder does not exist; guarded by mu; closed by Close
	dir  *os.File // the folder itself, O_PATH; set, guarded and closed as root is
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

// openRoot sets root and dir; r.mu is held, or nobody else knows r yet.
func (r *RootFs) openRoot(create bool) error {
	if len(components(r.path)) == 0 {
		return fmt.Errorf("cannot use / as app folder: it is the root of the whole system; mend path")
	}
	fd, err := openFolder(r.path, create)
	if err != nil {
		return err
	}
	// os.OpenRoot takes a name only; this one is the folder that the walk has
	// judged, whatever stands at its path by now.
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		unix.Close(fd)
		return fmt.Errorf("cannot open app folder %s: %w", r.path, err)
	}
	r.root, r.dir = root, os.NewFile(uintptr(fd), r.path)
	return nil
}

// Path is the absolute path of the folder.
func (r *RootFs) Path() string { return r.path }

// Close gives the descriptor back.
func (r *RootFs) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.root == nil {
		return nil
	}
	err := errors.Join(r.root.Close(), r.dir.Close())
	r.root, r.dir = nil, nil
	return err
}

// Name is the name of the kind of file system.
func (r *RootFs) Name() string { return "RootFs" }

// rel turns a name as afero's callers write it into one below an os.Root.
func rel(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// at returns the root and the name below it.
func (r *RootFs) at(op, name string) (*os.Root, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.root == nil {
		return nil, "", r.fail(op, name, unix.ENOENT)
	}
	return r.root, rel(name), nil
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
	root, n, err := r.at("lstat", name)
	if err != nil {
		return nil, true, err
	}
	fi, err := root.Lstat(n)
	return fi, true, r.fail("lstat", name, err)
}

// Stat is Lstat: links are not followed.
func (r *RootFs) Stat(name string) (fs.FileInfo, error) {
	fi, _, err := r.LstatIfPossible(name)
	return fi, err
}

// ReadlinkIfPossible returns where a symbolic link points to.
func (r *RootFs) ReadlinkIfPossible(name string) (string, error) {
	root, n, err := r.at("readlink", name)
	if err != nil {
		return "", err
	}
	s, err := root.Readlink(n)
	return s, r.fail("readlink", name, err)
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
	f, err := r.open(name, flag, perm)
	if err != nil {
		return nil, r.fail("open", name, err)
	}
	return f, nil
}

func (r *RootFs) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	root, n, err := r.at("open", name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	dir := r.dir
	r.mu.Unlock()
	// What stands there is looked at before it is opened, since opening a device
	// may already do something, and again afterwards, through the descriptor.
	if fi, err := root.Lstat(n); err == nil && !fi.IsDir() && !fi.Mode().IsRegular() {
		return nil, notRegular(fi)
	}
	if parent := path.Dir(n); parent != "." {
		if dir, err = root.OpenFile(parent, unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
			return nil, err
		}
		defer dir.Close()
	}
	base := path.Base(n)
	// O_TRUNC waits until the file is known to be ours to empty.
	how := flag&^os.O_TRUNC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), base, how, uint32(perm.Perm()))
	if err != nil {
		return nil, err
	}
	write := flag&(os.O_WRONLY|os.O_RDWR) != 0
	if err := checkOpened(fd, write); err == nil && flag&os.O_TRUNC != 0 {
		err = unix.Ftruncate(fd, 0)
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
	} else if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), Join(r.path, n)), nil
}

func checkOpened(fd int, write bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return nil
	case unix.S_IFREG:
		if write && st.Nlink != 1 {
			return fmt.Errorf("it has %d names (hard links)", st.Nlink)
		}
		return nil
	default:
		return fmt.Errorf("it is %s, not a file", kindOf(st.Mode))
	}
}

func notRegular(fi fs.FileInfo) error {
	if st, ok := sysStat(fi); ok {
		return fmt.Errorf("it is %s, not a file", kindOf(st.Mode))
	}
	return fmt.Errorf("it is not a file")
}

// Mkdir makes a folder; "/" makes the app folder itself, with its parents.
func (r *RootFs) Mkdir(name string, perm fs.FileMode) error {
	if rel(name) == "." {
		return r.makeRoot()
	}
	root, n, err := r.at("mkdir", name)
	if err != nil {
		return err
	}
	return r.fail("mkdir", name, root.Mkdir(n, perm.Perm()))
}

func (r *RootFs) makeRoot() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.root != nil {
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
	root, n, err := r.at("mkdir", name)
	if err != nil || n == "." {
		return err
	}
	return r.fail("mkdir", name, root.MkdirAll(n, perm.Perm()))
}

// Remove removes a name, never what a link points to.
func (r *RootFs) Remove(name string) error {
	root, n, err := r.at("remove", name)
	if err != nil {
		return err
	}
	return r.fail("remove", name, root.Remove(n))
}

// RemoveAll removes a tree, without following links.
func (r *RootFs) RemoveAll(name string) error {
	root, n, err := r.at("remove", name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if n == "." {
		return r.fail("remove", name, errors.New("the app folder itself is never removed"))
	}
	return r.fail("remove", name, root.RemoveAll(n))
}

// Rename renames; what stood at newname loses that name only.
func (r *RootFs) Rename(oldname, newname string) error {
	root, o, err := r.at("rename", oldname)
	if err != nil {
		return err
	}
	return r.fail("rename", newname, root.Rename(o, rel(newname)))
}

// Chmod sets the permission bits of a folder, or of a file that has a single
// name.
func (r *RootFs) Chmod(name string, mode fs.FileMode) error {
	return r.change("chmod", name, func(f *os.File) error { return f.Chmod(mode) })
}

// Chown sets owner and group of a folder, or of a file that has a single name.
func (r *RootFs) Chown(name string, uid, gid int) error {
	return r.change("chown", name, func(f *os.File) error { return f.Chown(uid, gid) })
}

// Chtimes sets the times of a folder, or of a file that has a single name.
func (r *RootFs) Chtimes(name string, atime, mtime time.Time) error {
	return r.change("chtimes", name, func(f *os.File) error {
		ts := []unix.Timespec{unix.NsecToTimespec(atime.UnixNano()), unix.NsecToTimespec(mtime.UnixNano())}
		return unix.UtimesNanoAt(int(f.Fd()), "", ts, unix.AT_EMPTY_PATH)
	})
}

// change opens a name and does f to what it opened, if that is a folder or a
// regular file with a single name.
func (r *RootFs) change(op, name string, f func(*os.File) error) error {
	file, err := r.open(name, os.O_RDONLY, 0)
	if errors.Is(err, unix.EACCES) {
		return r.changeUnreadable(op, name, f)
	}
	if err != nil {
		return r.fail(op, name, err)
	}
	defer file.Close()
	if err := checkOpened(int(file.Fd()), true); err != nil {
		return r.fail(op, name, err)
	}
	return r.fail(op, name, f(file))
}

// changeUnreadable is for an ordinary user, who cannot open what he has taken
// his own read permission from: the mode is put back first, by name, which can
// only reach what is his anyway.
func (r *RootFs) changeUnreadable(op, name string, f func(*os.File) error) error {
	root, n, err := r.at(op, name)
	if err != nil {
		return err
	}
	fi, err := root.Lstat(n)
	if err != nil || fi.Mode()&fs.ModeSymlink != 0 || os.Geteuid() == 0 {
		return r.fail(op, name, unix.EACCES)
	}
	if err := root.Chmod(n, fi.Mode().Perm()|0o400); err != nil {
		return r.fail(op, name, err)
	}
	file, err := r.open(name, os.O_RDONLY, 0)
	if err != nil {
		return r.fail(op, name, err)
	}
	defer file.Close()
	return r.fail(op, name, f(file))
}
