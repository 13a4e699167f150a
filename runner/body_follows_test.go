package runner

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// narrow leaves the sockets over which a master speaks to its workers so little room that a
// request goes through and nothing behind it. It works on duplicates of them.
func narrow(t *testing.T, pid int) {
	t.Helper()
	master, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(master)
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range all {
		number, _ := strconv.Atoi(e.Name())
		fd, err := unix.PidfdGetfd(master, number, 0)
		if err != nil {
			t.Skipf("needs root: a duplicate of another process's descriptor: %v", err)
		}
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err == nil && kind == unix.SOCK_SEQPACKET {
			n++
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil { // the kernel takes its least
				t.Error(err)
			}
		}
		_ = unix.Close(fd)
	}
	if n == 0 {
		t.Fatal("the master has no socket to a worker")
	}
}

// frozen keeps a process from running until it is killed. Its parent does not see that, as it
// would see a signal.
func frozen(t *testing.T, pid int) {
	t.Helper()
	stops, ends := make(chan error), make(chan struct{})
	go func() {
		defer close(ends)
		runtime.LockOSThread() // who traces is a thread, which ends with this
		err := unix.PtraceSeize(pid)
		if err == nil {
			err = unix.PtraceInterrupt(pid)
		}
		var ws unix.WaitStatus
		if err == nil {
			_, err = unix.Wait4(pid, &ws, unix.WALL, nil)
		}
		stops <- err
		for err == nil && !ws.Signaled() && !ws.Exited() {
			_, err = unix.Wait4(pid, &ws, unix.WALL, nil)
		}
	}()
	if err := <-stops; err != nil {
		t.Skipf("needs root: to hold a process: %v", err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		<-ends
	})
}

// A worker that has got a request, and to which its body cannot follow, would take what comes
// next for the body: it is ended, and another one is given both. The client notices nothing.
func TestAWorkerToWhichABodyCannotFollow(t *testing.T) {
	a := newTestApp(t, bodyLengthApp, nil)
	h := a.start(StateReady)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	old := st.Workers[0].PID
	frozen(t, old)
	narrow(t, h.PID)
	body := strings.Repeat("b", 300<<10)
	c := a.dial()
	c.send("POST / HTTP/1.1\r\nHost: h\r\nX-Long: " + strings.Repeat("h", 3500) + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	got := c.answer("POST")
	if got.StatusCode != http.StatusOK || got.body != strconv.Itoa(len(body)) {
		t.Errorf("%s %q", got.Status, got.body)
	}
	a.mustLogLine("ERROR", fmt.Sprintf("worker %d is killed: it does not accept requests", old))
	a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 1 && !pids(st)[old] })
}

const bodyLengthApp = `
def application(environ, start_response):
    start_response("200 OK", [])
    n = 0
    while True:
        some = environ["wsgi.input"].read(65536)
        if not some:
            return [str(n).encode()]
        n += len(some)
`
