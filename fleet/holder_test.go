package fleet

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func holderSocket(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A holder whose time is over takes its own socket away and no other's, and does
// not go while somebody comes.
func TestHolderExpires(t *testing.T) {
	path := filepath.Join(shortDir(t), "sockets.sock")
	old := holderSocket(t, path)
	oldID := socketID(path)

	c, err := net.Dial("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if last := lastClient(old, path, oldID); last == nil {
		t.Error("who comes in the last moment is not served")
	}
	if socketID(path) != oldID {
		t.Error("a holder that serves on has no socket any more")
	}

	// As a daemon that has found nobody does.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	successor := holderSocket(t, path)
	if last := lastClient(old, path, oldID); last != nil {
		t.Error("somebody came to a socket that has no name")
	}
	if c, err := net.Dial("unixpacket", path); err != nil {
		t.Errorf("its successor cannot be reached any more: %v", err)
	} else {
		_ = c.Close()
		_, _ = successor.Accept()
	}
	if last := lastClient(successor, path, socketID(path)); last != nil {
		t.Error("nobody came")
	}
	for _, left := range []string{path, path + ".old"} {
		if _, err := os.Lstat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", left, err)
		}
	}
}
