package runner

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// dripApp sends its body piece by piece.
const dripApp = `
import time
def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/nap":
        time.sleep(float(query))
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    def drip():
        for i in range(int(query)):
            time.sleep(0.25)
            yield b"data: piece\n\n"
        yield b"end"
    def hang():
        yield b"data: piece\n\n"
        time.sleep(3600)
    return {"/drip": drip, "/hang": hang}.get(path, lambda: [b"hello"])()
`

// A response that goes on may take longer than workers.request_timeout; one that
// stops in the middle is cut after it, and its worker replaced.
func TestRequestTimeoutBetweenPieces(t *testing.T) {
	a, h, ways := everyWay(t, dripApp, nil, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 3, 3
		s.Workers.RequestTimeout = appspec.Duration(4 * time.Second)
	})
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			got := w.get(t, "/drip?20")
			if text := got.text(t); strings.Count(text, "piece") != 20 || !strings.HasSuffix(text, "end") {
				t.Errorf("a stream of five seconds: %q", text)
			}
			if got := w.get(t, "/hang"); got.err == nil || got.body != "data: piece\n\n" {
				t.Errorf("a stream that hangs is not cut: %q, %v", got.body, got.err)
			}
		})
	}
	t.Cleanup(func() {
		a.mustLogLine("GET /hang", "504", "has sent no part of the response for 4s (workers.request_timeout)", "the response is aborted")
		a.mustLogLine("in hang")
		st := a.wait(h, func(st Status) bool { return st.State == StateReady && st.Restarts+int(st.Requests.Timeouts) >= 3 })
		if st.Requests.Timeouts != 3 {
			t.Errorf("%d requests timed out, want the 3 that hang", st.Requests.Timeouts)
		}
	})
}

// Requests that came to a worker in one message with a stream are answered when
// workers.queue_timeout is over, however long the stream goes on.
func TestWaitBehindAStream(t *testing.T) {
	a := newTestApp(t, dripApp, func(s *appspec.Spec) { s.Workers.QueueTimeout = appspec.Duration(3 * time.Second) })
	h := a.start(StateReady)
	for range 300 { // quick by experience: now requests go together
		if code, body := a.get("/"); code != http.StatusOK {
			t.Fatalf("got %d %q", code, body)
		}
	}
	nap := a.send("/nap?1.5")
	a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && len(st.Workers[0].Current) == 1 })
	if err := unix.Kill(h.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stream := a.send("/drip?24")
	var behind []*client
	for range 3 {
		behind = append(behind, a.send("/"))
	}
	if err := unix.Kill(h.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if got := nap.answer("GET"); got.StatusCode != http.StatusOK {
		t.Errorf("the first: %s", got.Status)
	}
	for i, c := range behind {
		if got := c.answer("GET"); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("behind the stream, %d: %s %q", i, got.Status, got.body)
		}
	}
	if st, err := h.Status(a.ctx(), 0); err != nil || st.Requests.Active == 0 {
		t.Errorf("they waited for the end of the stream: %+v, %v", st.Requests, err)
	}
	if got := stream.answer("GET"); got.err != nil || !strings.HasSuffix(got.body, "end") {
		t.Errorf("the stream: %q, %v", got.body, got.err)
	}
	a.wait(h, func(st Status) bool {
		return st.Requests.Active == 0 && len(st.Workers) == 1 && st.Workers[0].State == WorkerIdle
	})
	if code, body := a.get("/"); code != http.StatusOK || body != "hello" {
		t.Errorf("after it: %d %q", code, body)
	}
}
