package listen

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// watched tells whether an epoll of this process has a descriptor.
func watched(t *testing.T, fd int) bool {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // Glob's own
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) > 1 && words[0] == "tfd:" && words[1] == strconv.Itoa(fd) {
				return true
			}
		}
	}
	return false
}

func TestAFileIsNotWatched(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	usual, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer usual.Close()
	of := func(f *os.File) (fd int) {
		raw, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(p uintptr) { fd = int(p) }); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	if !watched(t, of(usual)) {
		t.Error("os.NewFile has it not watched any more: File is needless")
	}
	f, err := FileOf(usual, "again")
	if err != nil {
		t.Fatal(err)
	}
	fd := of(f)
	if watched(t, fd) {
		t.Error("the file is watched")
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x: programs that are started get it", flags)
	}
	if f.Name() != "again" {
		t.Errorf("its name is %q", f.Name())
	}
	same, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if same.Addr().String() != ln.Addr().String() {
		t.Errorf("it listens at %s, not %s", same.Addr(), ln.Addr())
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("it is closed, and its descriptor: %v", err)
	}
}
