package lazyzmq

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

func mapped(t *testing.T) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte("libzmq"))
}

// TestLoad is one test because a library that is loaded stays.
func TestLoad(t *testing.T) {
	if mapped(t) {
		t.Fatal("libzmq is linked: every master pays for it")
	}
	ctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ctx.NewSocket(zmq.PULL); zmq.AsErrno(err) != zmq.Errno(syscall.ENOSYS) {
		t.Errorf("socket without the library: %v", err)
	}

	want := "cannot load ZeroMQ, which mongrel2 sockets need (Debian's package libzmq5): libzmq.so.none: cannot open shared object file: No such file or directory"
	if err := load("libzmq.so.none"); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	// A library that lacks the functions changes nothing.
	if err := load("libc.so.6"); err == nil {
		t.Error("the C library passes for ZeroMQ")
	}
	if _, err := ctx.NewSocket(zmq.PULL); zmq.AsErrno(err) != zmq.Errno(syscall.ENOSYS) {
		t.Errorf("socket without the library: %v", err)
	}

	for range 2 {
		if err := Load(); err != nil {
			t.Fatal(err)
		}
	}
	if ctx, err = zmq.NewContext(); err != nil {
		t.Fatal(err)
	}
	s, err := ctx.NewSocket(zmq.PULL)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := ctx.Term(); err != nil {
		t.Error(err)
	}
}
