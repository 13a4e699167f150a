package runner

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func unixSpec(t *testing.T) (*appspec.Spec, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
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
	f, err := Listen(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m := fileMode(t, path).Perm(); m != 0o660 {
		t.Errorf("mode %o", m)
	}
	s.Mode = 0o666
	o := StartOptions{Spec: spec, Listeners: map[string]*os.File{s.Listen: f}}
	all, opened, err := openListeners(o)
	if err != nil || len(opened) != 0 || all[s.Listen] != f {
		t.Fatalf("opened %v, %v", opened, err)
	}
	if m := fileMode(t, path).Perm(); m != 0o666 {
		t.Errorf("mode %o after a change to 666", m)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	all, opened, err = openListeners(o)
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
	if err := giveSocket(spec, s, path); err == nil || !strings.Contains(err.Error(), "taken away") {
		t.Errorf("%v", err)
	}
	if err := RemoveSocket(spec, s); err != nil {
		t.Error(err)
	}
	if _, err := Listen(spec, s); err == nil || err.Error() != "cannot listen on "+s.Listen+": a file that is not a socket stands there; remove it" {
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
		if err := RemoveSocket(spec, s); err != nil {
			t.Fatal(err)
		}
		_, err := os.Lstat(path)
		return os.IsNotExist(err)
	}
	remove() // nothing is there
	f, err := Listen(spec, s)
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
	if err := RemoveSocket(spec, &appspec.HTTPSocket{Listen: "127.0.0.1:80"}); err != nil {
		t.Error(err)
	}
}
