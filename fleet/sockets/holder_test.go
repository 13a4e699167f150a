package sockets

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
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
	path := filepath.Join(shortdir.New(t), "sockets.sock")
	old := holderSocket(t, path)
	oldID := SocketID(path)

	c, err := net.Dial("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if last := lastClient(old, path, oldID); last == nil {
		t.Error("who comes in the last moment is not served")
	}
	if SocketID(path) != oldID {
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
	if last := lastClient(successor, path, SocketID(path)); last != nil {
		t.Error("nobody came")
	}
	for _, left := range []string{path, path + ".old"} {
		if _, err := os.Lstat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", left, err)
		}
	}
}

// A holder that is killed is replaced while the daemon lives, by one that has all
// the sockets that it had, also of apps to which nothing happens.
func TestHolderThatIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := shortdir.New(t)
	log, _ := fleettest.Log()
	k := NewStore(func(string, map[string]*os.File) {})
	h, _ := OpenHolder(dir, log, k.With)
	t.Cleanup(h.Close)
	inodes := map[string]bool{}
	for _, app := range []string{"blog", "shop"} {
		f := fleettest.Listener(t)
		inodes[fmt.Sprintf("socket:[%d]", fleettest.Inode(t, f))] = true
		files := map[string]*os.File{"127.0.0.1:80": f}
		k.Keep(app, files)
		h.Set(app, files)
	}
	listeners := func(pid int) (n int) {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			if target, _ := os.Readlink(fd); inodes[target] {
				n++
			}
		}
		return n
	}
	old := 0
	fleettest.Eventually(t, "a holder has the sockets", func() bool {
		old = holderPID(dir)
		return old > 0 && listeners(old) == 2
	})
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	fleettest.Eventually(t, "another holder has them", func() bool {
		now := holderPID(dir)
		return now > 0 && now != old && listeners(now) == 2
	})
}

// What the holder lets go of is free when the daemon goes on, or has ended: somebody
// else may listen there.
func TestHolderLetsGo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	log, _ := fleettest.Log()
	k := NewStore(func(string, map[string]*os.File) {})
	h, _ := OpenHolder(shortdir.New(t), log, k.With)
	t.Cleanup(h.Close)
	for i := range 40 {
		f := fleettest.Listener(t)
		ln, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		_ = ln.Close()
		h.Set("blog", map[string]*os.File{addr: f})
		_ = f.Close()
		if i == 39 {
			h.Close()
		} else {
			h.Drop("blog")
		}
		again, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		_ = again.Close()
	}
}

// holderPID finds the holder by its name; 0: there is none.
func holderPID(dir string) int {
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		args, _ := os.ReadFile(path)
		if bytes.HasPrefix(args, []byte(HolderName+dir+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}
