package runner

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// leavingApp waits until its client has gone, which it sees between two pieces.
const leavingApp = `
import time
def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    name = environ["QUERY_STRING"]
    if not name:
        return [b"hello"]
    open(name + ".begun", "w").close()
    try:
        while True:
            write(b"x")
            time.sleep(0.005)
    finally:
        open(name + ".gone", "w").close()
`

// Connections of one request each, many at once: all are answered and closed, what they
// had is given back, and a client that goes while its request is at work is noticed
// beside them, however little the loop sleeps.
func TestShortConnections(t *testing.T) {
	a := newTestApp(t, leavingApp, nil)
	a.spec.Workers.Min, a.spec.Workers.Max = 2, 2
	h := a.start(StateReady)
	idle := openFiles(t, h.PID)
	name := a.spec.Path + "/logs/left"
	there := func(name string) func() bool {
		return func() bool { _, err := os.Stat(name); return err == nil }
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					if n >= 20 {
						return
					}
				default:
				}
				c := dial(t, a.addr)
				_, _ = fmt.Fprint(c.Conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
				if got := c.answer("GET"); got.StatusCode != http.StatusOK || got.body != "hello" {
					t.Errorf("connection %d: %s %q %v", n, got.Status, got.body, got.err)
					return
				}
				c.closed()
				_ = c.Close()
			}
		})
	}
	leaves := a.dial()
	leaves.send("GET /?" + name + " HTTP/1.1\r\nHost: h\r\n\r\n")
	eventually(t, "a request to be at work", there(name+".begun"))
	_ = leaves.Close()
	eventually(t, "its worker to know that the client has gone", there(name+".gone"))
	close(stop)
	all.Wait()
	eventually(t, "all descriptors to be given back", func() bool { return openFiles(t, h.PID) <= idle })
}

// Who sends more behind his last request, which nobody reads any more, gets all of his
// answer and then the end of the connection, not a reset: whatever has come before the
// answer is sent. By a unix socket, where a write is there when it returns.
func TestMoreBehindTheLastRequest(t *testing.T) {
	var sock string
	a := newTestApp(t, leavingApp, func(s *appspec.Spec) {
		sock = filepath.Join(filepath.Dir(s.Path), "x.sock")
		s.Sockets.HTTP = append(s.Sockets.HTTP, appspec.HTTPSocket{Listen: "unix:" + sock, Mode: 0o666})
	})
	h := a.start(StateReady)
	idle := openFiles(t, h.PID)
	end := time.Now().Add(patience)
	var counted atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for counted.Load() < 800 && time.Now().Before(end) && !t.Failed() {
				answer, before, err := moreBehind(sock)
				if !before {
					continue // on a busy machine it may come behind the end
				}
				counted.Add(1)
				if err != nil || !strings.HasSuffix(answer, "\r\n\r\nhello") {
					t.Errorf("%q, %v", answer, err)
				}
			}
		})
	}
	all.Wait()
	if counted.Load() == 0 {
		t.Error("nothing came before an answer")
	}
	eventually(t, "all descriptors to be given back", func() bool { return openFiles(t, h.PID) <= idle })
}

// moreBehind sends a last request and another one; before tells that this one was there
// before the answer was.
func moreBehind(sock string) (answer string, before bool, err error) {
	c, err := net.Dial("unix", sock)
	if err != nil {
		return "", true, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if _, err := fmt.Fprint(c, "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n"); err == nil {
		raw, err := c.(*net.UnixConn).SyscallConn()
		if err != nil {
			return "", true, err
		}
		_ = raw.Control(func(fd uintptr) { before = !evloop.HasUnread(int(fd)) })
	}
	all, err := io.ReadAll(c)
	return string(all), before, err
}
