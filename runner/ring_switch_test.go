package runner

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Small answers of a busy worker come by shared memory unless WSGID_RING=0 says otherwise:
// the app is served either way.
func TestRingIsSwitchedOff(t *testing.T) {
	const app = `
import sys
def application(environ, start_response):
    body = b"ring" if "wsgid.ring" in sys.modules else b"socket"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: elsewhere there is no ring")
	}
	for _, on := range []bool{true, false} {
		if !on {
			t.Setenv("WSGID_RING", "0")
		}
		a := newTestApp(t, app, nil)
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
