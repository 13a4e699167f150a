package runner

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// boundSocket is bound to a port of 127.0.0.1 and does not listen yet; port 0: one
// that the kernel chooses.
func boundSocket(t *testing.T, port int) (*os.File, int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "bound")
	t.Cleanup(func() { _ = f.Close() })
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return f, sa.(*unix.SockaddrInet4).Port
}

// A master whose workers are ready, but that cannot listen, is not ready: whoever
// it is to replace serves on. It says why, and serves as soon as it can.
func TestNotReadyBeforeItListens(t *testing.T) {
	for _, kind := range []string{"http", "tls"} {
		t.Run(kind, func(t *testing.T) {
			other, port := boundSocket(t, 0)
			bound, _ := boundSocket(t, port)
			if err := listen.StartFile(other); err != nil { // and so bound cannot
				t.Fatal(err)
			}
			a := newTestApp(t, helloApp, func(s *appspec.Spec) {
				s.Sockets.HTTP[0].Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
				if kind == "tls" {
					s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
				}
			})
			a.addr = a.spec.Sockets.HTTP[0].Listen
			a.url = "http://" + a.addr
			files := map[string]*os.File{a.addr: bound}
			if _, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state, Listeners: files}); err == nil ||
				!strings.Contains(err.Error(), "cannot listen on "+a.addr+": address already in use") {
				t.Errorf("a master that is not to wait for its workers starts: %v", err)
			}
			a.standby = true
			h := a.startWith(StateBackoff, files, 1)
			st := a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && st.Workers[0].State == WorkerIdle })
			if want := "cannot listen on " + a.addr + ": address already in use"; st.State != StateBackoff || st.LastError != want {
				t.Errorf("state %s, last error %q, want %q", st.State, st.LastError, want)
			}
			_ = other.Close()
			a.wait(h, func(st Status) bool { return st.State == StateReady && st.LastError == "" })
			if c, err := net.Dial("tcp", a.addr); err != nil {
				t.Errorf("it says that it is ready: %v", err)
			} else {
				_ = c.Close()
			}
		})
	}
}
