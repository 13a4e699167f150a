package fleettest

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Patience bounds every wait for something that must happen, on however busy a
// machine.
const Patience = await.Patience

// HelperEnv tells a test binary that was started by Helper what it is to be.
const HelperEnv = "WSGID_TEST_HELPER"

// Helper is the command line that runs this test binary as another process, at one
// of its tests.
func Helper(name string) []string {
	return []string{os.Args[0], "-test.run=^" + name + "$", "-test.v"}
}

// Buffer is a log of a test; goroutines may write it.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Len is how many bytes were written.
func (b *Buffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Len()
}

// Log is a logger together with what it wrote.
func Log() (*slog.Logger, *Buffer) {
	var b Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

// Eventually waits until the condition holds; what says what is waited for.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	EventuallyIn(t, Patience, what, ok)
}

// EventuallyIn is Eventually with another limit.
func EventuallyIn(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	await.TrueIn(t, limit, what, ok)
}

// Listener is a listening socket as a file.
func Listener(t *testing.T) *os.File {
	t.Helper()
	return ListenerOn(t, "127.0.0.1:0")
}

// ListenerOn is one that listens there.
func ListenerOn(t *testing.T, addr string) *os.File {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Inode tells one socket from another.
func Inode(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := listen.Control(f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// SameSocket tells whether two files are one socket.
func SameSocket(t *testing.T, a, b *os.File) bool {
	t.Helper()
	return Inode(t, a) == Inode(t, b)
}

// Greet says hello to one client of a listening socket.
func Greet(t *testing.T, f *os.File, text string) {
	t.Helper()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}
