package runner

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const ringApp = `
import sys
def application(environ, start_response):
    body = b"ring" if "wsgid.ring" in sys.modules else b"socket"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`

// Small answers of a busy worker come by shared memory unless WSGID_RING=0 says otherwise:
// the app is served either way.
func TestRingIsSwitchedOff(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: elsewhere there is no ring")
	}
	for _, on := range []bool{true, false} {
		if !on {
			t.Setenv("WSGID_RING", "0")
		}
		a := newTestApp(t, ringApp, nil)
		a.start(StateReady)
		var rings, sockets atomic.Int64
		ask := func() { // many clients at once: a worker that has one request at a time needs no ring
			var clients sync.WaitGroup
			for range 16 {
				clients.Go(func() {
					switch status, body := a.get("/"); {
					case status == 200 && body == "ring":
						rings.Add(1)
					case status == 200 && body == "socket":
						sockets.Add(1)
					default:
						t.Errorf("%d %q", status, body)
					}
				})
			}
			clients.Wait()
		}
		rounds := 0
		for end := time.Now().Add(time.Minute); rounds < 100 || on && rings.Load() == 0; rounds++ {
			if ask(); time.Now().After(end) || t.Failed() {
				break
			}
		}
		if got := rings.Load() > 0; got != on {
			t.Errorf("ring %v: %d answers while it was in use, %d while not", on, rings.Load(), sockets.Load())
		}
		t.Logf("ring %v: %d rounds, %d and %d", on, rounds, rings.Load(), sockets.Load())
	}
}

// A master with a ring between it and its worker is stopped for a while, again and again:
// nobody notices but by the time it takes. When it is killed its worker ends, in the middle of
// its answers, and the next master has a worker and a ring of its own.
func TestMasterOfARingIsKilled(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: elsewhere there is no ring")
	}
	a := newTestApp(t, ringApp, nil)
	h := a.start(StateReady)
	socket := a.listeners(h)
	for generation := 1; ; generation++ {
		st, err := h.Status(a.ctx(), 0)
		if err != nil {
			t.Fatal(err)
		}
		master, worker := st.PID, st.Workers[0].PID
		stop := a.load(16)
		eventually(t, "answers by the ring", func() bool { _, body := a.get("/"); return body == "ring" })
		for range 50 {
			_ = unix.Kill(master, unix.SIGSTOP)
			time.Sleep(time.Millisecond) // how long it stands still
			_ = unix.Kill(master, unix.SIGCONT)
			if status, body := a.get("/"); status != 200 || body != "ring" {
				t.Fatalf("after a stop: %d %q", status, body)
			}
		}
		if generation == 3 {
			if n, bad := stop(); len(bad) > 0 {
				t.Errorf("%d answers, and %q", n, bad)
			}
			return
		}
		if err := h.Kill(); err != nil {
			t.Fatal(err)
		}
		stop()
		eventually(t, "the end of the worker", func() bool { return unix.Kill(worker, 0) == unix.ESRCH })
		h = a.startWith(StateReady, socket, generation+1)
	}
}
