package appdir

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may lead through, the kernel's
// own limit.
const maxLinks = 40

// folderWalk opens a folder component by component, so that each symbolic link
// on the way can be judged before it is followed.
type folderWalk struct {
	what   string // in messages
	path   string
	create bool // make what is missing
	root   bool // we are root: links of other users are not to be trusted
	links  int
	// owner is the user of the first link that is not to be trusted, -1 where
	// there was none: the folder must be that user's own.
	owner int
	// loose tells that somebody else may put another folder at a name that the
	// walk went through.
	loose bool
	here  *unix.Stat_t // of the folder that the walk has come to; nil: it was not looked at
	file  bool         // the path is a regular file's
	last  bool         // the component is the last one
}

// Folder opens the folder at an absolute path as an O_PATH descriptor, by the
// walk that Open takes to an app folder: root follows a link of another user only
// to a folder of that user. what names it in errors. fixed tells that nobody but
// root and ourselves can make the path lead elsewhere from now on; where it is
// false, whoever acts in the folder has to go by the descriptor.
func Folder(what, path string) (dir *os.File, fixed bool, err error) {
	w := folderWalk{what: what, path: path, root: os.Geteuid() == 0, owner: -1}
	fd, err := w.open()
	if err != nil {
		return nil, false, err
	}
	return os.NewFile(uintptr(fd), path), !w.loose, nil
}

// OpenNamed is OpenFile for a path that a spec names as it stands, whose errors are
// those of os.Open.
func OpenNamed(path string) (*os.File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := OpenFile("file", abs)
	if link, ok := errors.AsType[*foreignLink](err); ok {
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New(link.reason)}
	}
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return nil, &os.PathError{Op: "open", Path: path, Err: errno}
	}
	return f, err
}

// OpenFile opens a regular file for reading by the same walk. It waits for no FIFO.
func OpenFile(what, path string) (*os.File, error) {
	w := folderWalk{what: what, path: path, root: os.Geteuid() == 0, owner: -1, file: true}
	at, err := w.open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	if err := w.isFile(at); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s %s: %w", what, path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

func (w *folderWalk) isFile(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot open %s %s: %w", w.what, w.path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("cannot open %s %s: it is %s, not a file", w.what, w.path, kindOf(st.Mode))
	}
	return nil
}

// openFolder opens the folder at an absolute path as an O_PATH descriptor.
// With create it makes the missing ones, mode 0755. A missing folder without
// create is an error that wraps os.ErrNotExist.
func openFolder(path string, create bool) (int, error) {
	w := folderWalk{what: "app folder", path: path, create: create, root: os.Geteuid() == 0, owner: -1}
	return w.open()
}

func (w *folderWalk) open() (int, error) {
	if !filepath.IsAbs(w.path) {
		return -1, fmt.Errorf("cannot open %s %s: the path is not absolute", w.what, w.path)
	}
	cur, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open /: %w", err)
	}
	rest := components(w.path)
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		w.last = len(rest) == 0
		next, link, err := w.step(cur, name)
		if err != nil {
			unix.Close(cur)
			return -1, err
		}
		if next < 0 {
			target := components(link)
			rest = append(target, rest...)
			if !filepath.IsAbs(link) {
				continue
			}
			if next, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
				unix.Close(cur)
				return -1, fmt.Errorf("cannot open /: %w", err)
			}
			w.here = nil
		}
		unix.Close(cur)
		cur = next
	}
	if w.owner >= 0 {
		var st unix.Stat_t
		if err := unix.Fstat(cur, &st); err != nil {
			unix.Close(cur)
			return -1, fmt.Errorf("cannot open %s %s: %w", w.what, w.path, err)
		}
		if int(st.Uid) != w.owner {
			unix.Close(cur)
			return -1, w.untrusted(fmt.Sprintf("to a %s of %s", w.kind(), userName(int(st.Uid))))
		}
	}
	return cur, nil
}

// step opens one component below cur. A symbolic link that may be followed is
// returned as its target, with a negative descriptor.
func (w *folderWalk) step(cur int, name string) (int, string, error) {
	sticky, err := w.lookAt(cur)
	if err != nil {
		return -1, "", fmt.Errorf("cannot open %s %s: %w", w.what, w.path, err)
	}
	const flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(cur, name, flags, 0)
	if errors.Is(err, unix.ENOENT) && w.create && name != ".." {
		if w.owner >= 0 {
			return -1, "", w.untrusted("to a folder that does not exist")
		}
		if err := unix.Mkdirat(cur, name, uint32(DirMode)); err != nil && !errors.Is(err, unix.EEXIST) {
			return -1, "", fmt.Errorf("cannot create %s %s: %w", w.what, w.path, explain(err, w.path))
		}
		fd, err = unix.Openat(cur, name, flags, 0)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return -1, "", fmt.Errorf("cannot open %s %s: something on the way to it is not a folder: %w", w.what, w.path, err)
	}
	if err != nil {
		return -1, "", fmt.Errorf("cannot open %s %s: %w", w.what, w.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, "", fmt.Errorf("cannot open %s %s: %w", w.what, w.path, err)
	}
	w.loose = w.loose || sticky && foreign(&st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.here = &st
		return fd, "", nil
	case unix.S_IFLNK:
		defer unix.Close(fd)
		if w.links++; w.links > maxLinks {
			return -1, "", fmt.Errorf("cannot open %s %s: its path contains more than %d symbolic links", w.what, w.path, maxLinks)
		}
		if w.root && st.Uid != 0 && w.owner < 0 {
			w.owner = int(st.Uid)
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", buf)
		if err != nil {
			return -1, "", fmt.Errorf("cannot open %s %s: %w", w.what, w.path, err)
		}
		return -1, string(buf[:n]), nil
	default:
		if w.file && w.last {
			return fd, "", nil // looked at in OpenFile
		}
		unix.Close(fd)
		return -1, "", fmt.Errorf("cannot use %s as %s: %s is %s, not a folder; move it away or correct path",
			w.path, w.what, name, kindOf(st.Mode))
	}
}

// lookAt finds out who may exchange what a name in a folder leads to. sticky: the
// owner of each entry, which is then to be looked at too.
func (w *folderWalk) lookAt(dir int) (sticky bool, err error) {
	if w.here == nil {
		var st unix.Stat_t
		if err := unix.Fstat(dir, &st); err != nil {
			return false, err
		}
		w.here = &st
	}
	shared := w.here.Mode&0o022 != 0
	sticky = shared && w.here.Mode&unix.S_ISVTX != 0
	w.loose = w.loose || foreign(w.here) || shared && !sticky
	return sticky, nil
}

// foreign tells that something is neither root's nor ours.
func foreign(st *unix.Stat_t) bool { return st.Uid != 0 && int(st.Uid) != os.Geteuid() }

// foreignLink is the error of a way through a link that is not to be trusted.
type foreignLink struct{ what, path, reason string }

func (e *foreignLink) Error() string {
	return "cannot open " + e.what + " " + e.path + ": " + e.reason
}

func (w *folderWalk) untrusted(where string) error {
	return &foreignLink{w.what, w.path, fmt.Sprintf("its path contains a symbolic link owned by %s %s; root follows such a link only to a %s of the same user: write the real path into the spec, or let root make the link",
		userName(w.owner), where, w.kind())}
}

func (w *folderWalk) kind() string {
	if w.file {
		return "file"
	}
	return "folder"
}

// components splits a path without folding "..", whose meaning depends on the
// links before it.
func components(path string) []string {
	var out []string
	for c := range strings.SplitSeq(path, "/") {
		if c != "" && c != "." {
			out = append(out, c)
		}
	}
	return out
}

// kindOf says in words what a file of this mode is.
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFBLK, unix.S_IFCHR:
		return "a device"
	default:
		return "a file"
	}
}

// userName is the name of a user id, or the number where it has none.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// UserName is the name of a user, or the number of one that has none.
func UserName(uid int) string { return strings.TrimPrefix(userName(uid), "uid ") }
