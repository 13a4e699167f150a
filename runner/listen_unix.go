package runner

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
)

const unixPrefix = "unix:"

func listenUnix(spec *appspec.Spec, s *appspec.HTTPSocket, path string) (*os.File, error) {
	fail := func(err error) (*os.File, error) {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("its folder does not exist")
		}
		return nil, fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return fail(errors.New("a file that is not a socket stands there; remove it"))
		}
		if listensAt(path) {
			return fail(errors.New("another process listens there"))
		}
		if err := os.Remove(path); err != nil {
			return fail(err)
		}
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	defer ln.Close()
	ln.SetUnlinkOnClose(false)
	if err := giveSocket(spec, s, path); err != nil {
		_ = os.Remove(path)
		return fail(err)
	}
	return ln.File()
}

// listensAt tells whether somebody listens on a unix socket.
func listensAt(path string) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "unix", path)
	if err == nil {
		_ = c.Close()
		return true
	}
	// A full queue has somebody before it too.
	return !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
}

// giveSocket sets owner and mode of a socket's file. The folder may be the app's
// own: what stands there now is changed only if it is a socket, never what a
// link that was put in its place leads to.
func giveSocket(spec *appspec.Spec, s *appspec.HTTPSocket, path string) error {
	uid, gid, err := socketOwner(spec, s)
	if err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return errors.New("the socket was taken away as soon as it was made")
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
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
		return false, nil // listening anew says what is wrong
	}
	if err := giveSocket(spec, s, path); err != nil {
		return false, fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	return true, nil
}

// RemoveSocket takes away the file of a unix socket of a spec, if nobody listens
// on it any more; other sockets have none. It removes nothing but a socket that
// belongs to the one whom Listen gives it to.
func RemoveSocket(spec *appspec.Spec, s *appspec.HTTPSocket) error {
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
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(dir)
	name := filepath.Base(path)
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != uid && int(st.Uid) != os.Geteuid() {
		return nil
	}
	if listensAt(fmt.Sprintf("/proc/self/fd/%d/%s", dir, name)) {
		return nil
	}
	// Another app may have taken the path over meanwhile.
	var now unix.Stat_t
	if err := unix.Fstatat(dir, name, &now, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fail(err)
	}
	if now.Ino != st.Ino || now.Dev != st.Dev {
		return nil
	}
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return fail(err)
	}
	return nil
}
