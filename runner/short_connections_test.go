package runner

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
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
// answer and then the end of the connection, not a reset.
func TestMoreBehindTheLastRequest(t *testing.T) {
	a := newTestApp(t, leavingApp, nil)
	h := a.start(StateReady)
	idle := openFiles(t, h.PID)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range 100 {
				c := dial(t, a.addr)
				_, _ = fmt.Fprint(c.Conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
				_, _ = fmt.Fprint(c.Conn, "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n")
				answer, err := io.ReadAll(c.Conn)
				_ = c.Close()
				if err != nil || !strings.HasSuffix(string(answer), "\r\n\r\nhello") {
					t.Errorf("connection %d: %q, %v", n, answer, err)
					return
				}
			}
		})
	}
	all.Wait()
	eventually(t, "all descriptors to be given back", func() bool { return openFiles(t, h.PID) <= idle })
}
