package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// managerSocket is a service manager of the test: the socket that NOTIFY_SOCKET
// names.
type managerSocket struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManagerSocket listens, and sets the environment as systemd would.
func newManagerSocket(t *testing.T) *managerSocket {
	t.Helper()
	dir := shortdir.New(t)
	path := filepath.Join(dir, "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &managerSocket{t, conn}
}

// next is the next message, with the descriptors that came with it.
func (m *managerSocket) next() (string, []*os.File) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(fleettest.Patience)); err != nil {
		m.t.Fatal(err)
	}
	b, oob := make([]byte, 4096), make([]byte, 4096)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(b, oob)
	if err != nil {
		m.t.Fatalf("no message came: %v", err)
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			m.t.Fatal(err)
		}
		for _, fd := range fds {
			f := os.NewFile(uintptr(fd), "")
			m.t.Cleanup(func() { _ = f.Close() })
			files = append(files, f)
		}
	}
	return string(b[:n]), files
}

// want fails unless the next messages are these.
func (m *managerSocket) want(messages ...string) {
	m.t.Helper()
	for _, want := range messages {
		if got, _ := m.next(); got != want {
			m.t.Errorf("the service manager was told %q, want %q", got, want)
		}
	}
}

// nothing fails if a message is there.
func (m *managerSocket) nothing() {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, 4096)
	if n, err := m.conn.Read(b); err == nil {
		m.t.Errorf("the service manager was told %q, want nothing", b[:n])
	}
}

func TestNotifyTellsTheLifeOfTheDaemon(t *testing.T) {
	m := newManagerSocket(t)
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	log, _ := fleettest.Log()
	manager, err := Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	manager.Status("2 apps: 1 ready,\n1 backoff")
	manager.Status("2 apps: 1 ready, 1 backoff") // the same: not sent again
	manager.Ready()
	m.want("STATUS=2 apps: 1 ready, 1 backoff", "READY=1")

	before := monotonicMicros()
	manager.Reloading()
	got, _ := m.next()
	at, ok := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
	if !ok {
		t.Fatalf("the service manager was told %q", got)
	}
	if us, err := strconv.ParseInt(at, 10, 64); err != nil || us < before || us > monotonicMicros() {
		t.Errorf("MONOTONIC_USEC=%s is not the time of the reload", at)
	}

	if interval := WatchdogInterval(); interval != 15*time.Second {
		t.Errorf("the watchdog is fed each %s, want half of its 30s", interval)
	}
	manager.Watchdog()
	manager.ExtendTimeout(30 * time.Second)
	manager.Stopping()
	m.want("WATCHDOG=1", "EXTEND_TIMEOUT_USEC=30000000", "STOPPING=1")
	m.nothing()
}

// A watchdog of another process (a shell that inherited the environment) is not
// ours to feed.
func TestWatchdogOfAnotherProcess(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", "1")
	if d := WatchdogInterval(); d != 0 {
		t.Errorf("interval %s, want none", d)
	}
}

// A service manager that went away is said once and not with each message.
func TestNotifyDeafServiceManager(t *testing.T) {
	m := newManagerSocket(t)
	log, said := fleettest.Log()
	n := &notifier{log: log, present: true}
	if err := m.conn.Close(); err != nil {
		t.Fatal(err)
	}
	n.ready()
	n.watchdog()
	n.watchdog()
	if got := strings.Count(said.String(), "cannot notify the service manager: "); got != 1 {
		t.Errorf("it was said %d times, want once:\n%s", got, said)
	}
}
