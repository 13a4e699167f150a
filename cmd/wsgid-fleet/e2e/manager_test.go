package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// manager stands in for a service manager with a store of descriptors: what one
// daemon gives it, the next one is started with.
type manager struct {
	path string // NOTIFY_SOCKET
	conn *net.UnixConn
	seen chan struct{} // a message of our own has come
	done chan struct{} // closed when nobody reads any more

	mu    sync.Mutex
	store map[string]*os.File // by FDNAME; guarded by mu
}

func newManager(t *testing.T, dir string) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(dir, "notify"), store: map[string]*os.File{}, seen: make(chan struct{}, 1), done: make(chan struct{})}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(m.path, 0o666); err != nil {
		t.Fatal(err)
	}
	m.conn = conn
	go m.read()
	t.Cleanup(func() {
		_ = conn.Close()
		<-m.done
		m.forget()
	})
	return m
}

// barrier is a message of the test's own: what was sent before it has been read.
const barrier = "BARRIER"

// read takes messages until the socket is closed.
func (m *manager) read() {
	defer close(m.done)
	text, oob := make([]byte, 8192), make([]byte, 4096)
	for {
		n, oobn, _, _, err := m.conn.ReadMsgUnix(text, oob)
		if err != nil {
			return
		}
		if string(text[:n]) == barrier {
			m.seen <- struct{}{}
			continue
		}
		m.take(string(text[:n]), descriptors(oob[:oobn]))
	}
}

func descriptors(oob []byte) (files []*os.File) {
	messages, _ := unix.ParseSocketControlMessage(oob)
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "stored"))
		}
	}
	return files
}

func (m *manager) take(text string, files []*os.File) {
	lines := strings.Split(text, "\n")
	name := ""
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, "FDNAME="); ok {
			name = v
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(lines, "FDSTOREREMOVE=1") {
		_ = m.store[name].Close() // nil: it says so
		delete(m.store, name)
	}
	for _, f := range files {
		if slices.Contains(lines, "FDSTORE=1") && m.store[name] == nil {
			m.store[name] = f
		} else {
			_ = f.Close()
		}
	}
}

// equip has a command start as a service with the stored descriptors. Not
// notified, it gets them and has no manager to tell of others. No other daemon may
// run meanwhile.
func (m *manager) equip(cmd *exec.Cmd, notified bool) error {
	c, err := net.Dial("unixgram", m.path)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte(barrier)); err != nil {
		return err
	}
	<-m.seen
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.store))
	for name, f := range m.store {
		names = append(names, name)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if notified {
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path)
	}
	cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	// The number of a process that does not run yet is the shell's to tell.
	cmd.Args = append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	return nil
}

// forget lets go of what is stored.
func (m *manager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.store {
		_ = f.Close()
	}
	clear(m.store)
}
