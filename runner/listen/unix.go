package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

const unixPrefix = "unix:"

// socketFile is the place of a unix socket's file: a name in a folder that was
// opened by a walk which judges each link. The folder, and folders on the way to
// it, may be the app's own, who can put anything at any name there at any time: so
// all that is done goes by the descriptor, or by that of the file itself.
type socketFile struct {
	dir   *os.File // O_PATH
	name  string
	path  string
	fixed bool // the path cannot lead elsewhere than to dir
}

func openSocketFile(path string) (*socketFile, error) {
	dir, fixed, err := appdir.Folder("socket's folder", filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return &socketFile{dir: dir, name: filepath.Base(path), path: path, fixed: fixed}, nil
}

func (f *socketFile) close() { _ = f.dir.Close() }

// open returns an O_PATH descriptor of what stands at the name now, never of
// what a link leads to.
func (f *socketFile) open() (fd int, st unix.Stat_t, err error) {
	fd, err = unix.Openat(int(f.dir.Fd()), f.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, st, err
	}
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

func isSocket(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFSOCK }

// bind makes the socket. The name that it is bound by is what ss(8) shows, so it
// is the path where that is certain to lead into the folder.
func (f *socketFile) bind(network string) (*net.UnixListener, error) {
	name := f.path
	if !f.fixed {
		name = fmt.Sprintf("/proc/self/fd/%d/%s", f.dir.Fd(), f.name)
	}
	ln, err := net.ListenUnix(network, &net.UnixAddr{Name: name, Net: network})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	return ln, nil
}

// remove takes the name away if it still stands for the given file.
func (f *socketFile) remove(was *unix.Stat_t) error {
	var now unix.Stat_t
	if err := unix.Fstatat(int(f.dir.Fd()), f.name, &now, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if now.Ino != was.Ino || now.Dev != was.Dev {
		return nil // another app has taken the path over
	}
	return unix.Unlinkat(int(f.dir.Fd()), f.name, 0)
}

func listenUnix(spec *appspec.Spec, s *appspec.HTTPSocket, path string) (*os.File, error) {
	fail := func(err error) (*os.File, error) {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("its folder does not exist")
		}
		return nil, fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	file, err := openSocketFile(path)
	if err != nil {
		return fail(err)
	}
	defer file.close()
	if fd, st, err := file.open(); err == nil {
		defer unix.Close(fd)
		if !isSocket(&st) {
			return fail(errors.New("a file that is not a socket exists there; remove it"))
		}
		if listensAt(fd) {
			return nil, &TakenError{Listen: s.Listen}
		}
		if err := file.remove(&st); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail(err)
		}
	}
	network := "unix"
	if s.Adopts {
		network = "unixpacket" // a message is a connection
	}
	ln, err := file.bind(network)
	if err != nil {
		return fail(err)
	}
	defer ln.Close()
	if err := giveSocket(spec, s, file, true); err != nil {
		if fd, st, oerr := file.open(); oerr == nil {
			if isSocket(&st) {
				_ = file.remove(&st)
			}
			_ = unix.Close(fd)
		}
		return fail(err)
	}
	return FileOf(ln, s.Listen)
}

// listensAt tells whether somebody listens on a unix socket, given by an O_PATH
// descriptor of its file.
func listensAt(fd int) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	if err == nil {
		_ = c.Close()
		return true
	}
	// A full queue has somebody before it too.
	return !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
}

var errSocketTaken = errors.New("the socket was removed right after it was created")

// giveSocket sets owner and mode of a socket's file, of nothing else that was put
// in its place: no link is followed, and a socket with a second name may be
// somebody else's. One that is new is ours still.
func giveSocket(spec *appspec.Spec, s *appspec.HTTPSocket, file *socketFile, isNew bool) error {
	uid, gid, err := socketOwner(spec, s)
	if err != nil {
		return err
	}
	fd, st, err := file.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !isSocket(&st) || st.Nlink != 1 || isNew && int(st.Uid) != os.Geteuid() {
		return errSocketTaken
	}
	if os.Geteuid() == 0 && (int(st.Uid) != uid || int(st.Gid) != gid) {
		if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if st.Mode&0o7777 == s.Mode {
		return nil
	}
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), os.FileMode(s.Mode))
}

// keepsFile tells whether a socket that is open already can be served further:
// not if it is a unix socket whose file is gone. Owner and mode may have changed
// since it was opened.
func keepsFile(spec *appspec.Spec, s *appspec.HTTPSocket) (bool, error) {
	path, ok := strings.CutPrefix(s.Listen, unixPrefix)
	if !ok {
		return true, nil
	}
	file, err := openSocketFile(path)
	if err != nil {
		return false, nil //nolint:nilerr // listening anew says what is wrong
	}
	defer file.close()
	fd, st, err := file.open()
	if err != nil {
		return false, nil //nolint:nilerr // as above
	}
	_ = unix.Close(fd)
	if !isSocket(&st) {
		return false, nil
	}
	if err := giveSocket(spec, s, file, false); err != nil {
		return false, fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	return true, nil
}

// Remove takes away the file of a unix socket of a spec, if nobody listens
// on it any more; other sockets have none. It removes nothing but a socket that
// belongs to the one whom Listen gives it to.
func Remove(spec *appspec.Spec, s *appspec.HTTPSocket) error {
	path, ok := strings.CutPrefix(s.Listen, unixPrefix)
	if !ok {
		return nil
	}
	fail := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("cannot remove socket %s: %w", path, err)
	}
	uid, _, err := socketOwner(spec, s)
	if err != nil {
		return fail(err)
	}
	file, err := openSocketFile(path)
	if err != nil {
		return fail(err)
	}
	defer file.close()
	fd, st, err := file.open()
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	if !isSocket(&st) || int(st.Uid) != uid && int(st.Uid) != os.Geteuid() || listensAt(fd) {
		return nil
	}
	if err := file.remove(&st); err != nil {
		return fail(err)
	}
	return nil
}
