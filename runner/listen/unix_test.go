package listen

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func unixSpec(t *testing.T) (*appspec.Spec, string) {
	t.Helper()
	dir := shortdir.New(t)
	path := filepath.Join(dir, "s")
	spec := appspec.Default("blog", dir)
	spec.Sockets.HTTP = []appspec.HTTPSocket{{Listen: unixPrefix + path, Mode: 0o660}}
	return spec, path
}

func fileMode(t *testing.T, path string) os.FileMode {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode()
}

// A socket that is handed over gets the mode that the spec says now, and one
// whose file is gone is opened anew.
func TestUnixSocketHandedOver(t *testing.T) {
	spec, path := unixSpec(t)
	s := &spec.Sockets.HTTP[0]
	f, err := Open(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m := fileMode(t, path).Perm(); m != 0o660 {
		t.Errorf("mode %o", m)
	}
	s.Mode = 0o666
	given := map[string]*os.File{s.Listen: f}
	all, opened, err := OpenMissing(spec, given)
	if err != nil || len(opened) != 0 || all[s.Listen] != f {
		t.Fatalf("opened %v, %v", opened, err)
	}
	if m := fileMode(t, path).Perm(); m != 0o666 {
		t.Errorf("mode %o after a change to 666", m)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	all, opened, err = OpenMissing(spec, given)
	if err != nil || len(opened) != 1 || all[s.Listen] == f {
		t.Fatalf("opened %v, %v", opened, err)
	}
	defer opened[0].Close()
	if c, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

// A rush at a unix socket waits for a master that is starting or held up; it would fail at once
// if the queue were full (findings/nginx-fails-at-a-full-unix-socket-at-once.sh).
func TestUnixSocketTakesARush(t *testing.T) {
	spec, path := unixSpec(t)
	f, err := Open(spec, &spec.Sockets.HTTP[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := StartFile(f); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Fatalf("connection %d, of which none was taken: %v", i+1, err)
		}
	}
}

// A link that the app's user puts in the socket's place is not followed.
func TestUnixSocketReplacedByALink(t *testing.T) {
	spec, path := unixSpec(t)
	victim := filepath.Join(spec.Path, "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	s := &spec.Sockets.HTTP[0]
	file, err := openSocketFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	if err := giveSocket(spec, s, file, true); err == nil || !strings.Contains(err.Error(), "removed right after it was created") {
		t.Errorf("%v", err)
	}
	if err := Remove(spec, s); err != nil {
		t.Error(err)
	}
	if _, err := Open(spec, s); err == nil || err.Error() != "cannot listen on "+s.Listen+": a file that is not a socket exists there; remove it" {
		t.Errorf("%v", err)
	}
	if m := fileMode(t, victim).Perm(); m != 0o600 {
		t.Errorf("the file that the link leads to has mode %o", m)
	}
	if fileMode(t, path)&os.ModeSymlink == 0 {
		t.Error("the link was removed")
	}
}

func TestRemoveSocket(t *testing.T) {
	spec, path := unixSpec(t)
	s := &spec.Sockets.HTTP[0]
	remove := func() bool {
		t.Helper()
		if err := Remove(spec, s); err != nil {
			t.Fatal(err)
		}
		_, err := os.Lstat(path)
		return os.IsNotExist(err)
	}
	remove() // nothing is there
	f, err := Open(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	if remove() {
		t.Error("a socket that somebody listens on is gone")
	}
	f.Close()
	if !remove() {
		t.Error("the socket of nobody stays")
	}
	if err := Remove(spec, &appspec.HTTPSocket{Listen: "127.0.0.1:80"}); err != nil {
		t.Error(err)
	}
}

// appOwned makes a folder run that belongs to www-data, as an app's own folders do,
// beside one of root's that holds a socket of www-data on which nobody listens.
func appOwned(t *testing.T) (spec *appspec.Spec, run, secret string, dead os.FileInfo) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can act on what is another user's")
	}
	spec, _ = unixSpec(t)
	spec.User, spec.Group = "www-data", "www-data"
	if err := os.Chmod(spec.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(spec.Path, "app")
	run, secret = filepath.Join(app, "run"), filepath.Join(spec.Path, "root")
	for _, d := range []string{app, run, secret} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	uid, gid, err := socketOwner(spec, &spec.Sockets.HTTP[0])
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(secret, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	for _, p := range []string{app, run, filepath.Join(secret, "s")} {
		if err := os.Lchown(p, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	if dead, err = os.Lstat(filepath.Join(secret, "s")); err != nil {
		t.Fatal(err)
	}
	spec.Sockets.HTTP[0].Listen = unixPrefix + filepath.Join(run, "s")
	return spec, run, secret, dead
}

// An app that swaps a folder on the way to its socket for a link makes root create,
// change and remove nothing where the link leads.
func TestUnixSocketFolderSwapped(t *testing.T) {
	spec, run, secret, dead := appOwned(t)
	s := &spec.Sockets.HTTP[0]
	unharmed := func() {
		t.Helper()
		now, err := os.Lstat(filepath.Join(secret, "s"))
		if err != nil || !os.SameFile(dead, now) || now.Mode() != dead.Mode() {
			t.Fatalf("the socket in root's folder was changed: %v %v", now, err)
		}
		if all, err := os.ReadDir(secret); err != nil || len(all) != 1 {
			t.Fatalf("root's folder holds %v %v", all, err)
		}
	}
	f, err := Open(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("unix", filepath.Join(run, "s")); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	f.Close()

	link := run + ".link"
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, int(dead.Sys().(*syscall.Stat_t).Uid), -1); err != nil {
		t.Fatal(err)
	}
	exchange := func() {
		t.Helper()
		if err := unix.Renameat2(unix.AT_FDCWD, run, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	if _, err := Open(spec, s); err == nil || !strings.Contains(err.Error(), "contains a symbolic link owned by www-data to a folder of root") {
		t.Errorf("the link is followed, or nobody says why not: %v", err)
	}
	if err := Remove(spec, s); err == nil {
		t.Error("RemoveSocket goes through the link")
	}
	unharmed()
	exchange()

	// The same, in every moment.
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, run, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	}()
	opened := 0
	for n := 0; n < 400 || opened == 0 && n < 1_000_000; n++ {
		if f, err := Open(spec, s); err == nil {
			opened++
			f.Close()
		}
		_ = Remove(spec, s)
		unharmed()
	}
	close(stop)
	<-done
	if opened == 0 {
		t.Error("the socket was never opened: nothing was tried")
	}
}

// What ss shows of a socket is its path where only root can make it lead elsewhere.
func TestUnixSocketName(t *testing.T) {
	spec, path := unixSpec(t)
	f, err := Open(spec, &spec.Sockets.HTTP[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name, err := unix.Getsockname(int(f.Fd()))
	if un, ok := name.(*unix.SockaddrUnix); err != nil || !ok || un.Name != path {
		t.Errorf("bound to %v, want %s: %v", name, path, err)
	}
}
