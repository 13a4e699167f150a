package runner

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
)

// Each refusal has its status and tells a client nothing of the inside, or with
// debug why, and has one line of the
// log that names the request (or, without one, the client) and the reason.
func TestRefusals(t *testing.T) {
	t.Parallel()
	a, h, ways := everyWay(t, helloApp, map[string]string{"limits.content_length": "200000", "limits.buffer_size": "16384"}, func(s *appspec.Spec) {
		s.Request.MaxBody = 100_000
		// What is not late takes as long as it takes.
		s.Request.HeaderTimeout, s.Request.BodyTimeout = appspec.Duration(patience), appspec.Duration(patience)
		s.Workers.RequestTimeout = appspec.Duration(patience)
		s.Restart.MinDelay = appspec.Duration(time.Millisecond)
	})
	late := map[int]func(*appspec.Spec){
		408: func(s *appspec.Spec) { s.Request.BodyTimeout = appspec.Duration(1200 * time.Millisecond) },
		504: func(s *appspec.Spec) { s.Workers.RequestTimeout = appspec.Duration(2 * time.Second) },
	}
	cases := []struct {
		name    string
		http    bool // not through mongrel2, which decides it itself
		request string
		status  int
		says    string
		log     []string
		closes  bool
	}{
		{"slow head", true, "GET /slow-head HTTP/1.1\r\nHost: h\r\n", 408, "the request's head did not arrive within 1s",
			[]string{"127.0.0.1", `"GET /slow-head HTTP/1.1"`, "408", "request.header_timeout"}, true},
		{"slow body", true, "POST /slow-body HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345", 408, "no byte of the body arrived within 1.2s",
			[]string{"POST /slow-body", "408", "request.body_timeout"}, true},
		{"slow chunk", true, "POST /slow-chunk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", 408, "no byte of the body arrived within 1.2s",
			[]string{"POST /slow-chunk", "408", "request.body_timeout"}, true},
		{"large body", false, "POST /large HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n" + strings.Repeat("x", 100_001), 413, "the body is larger than 100000 bytes",
			[]string{"POST /large", "413", "100000"}, false},
		{"large body announced", true, "POST /large-expect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n", 413, "the body is larger than 100000 bytes",
			[]string{"POST /large-expect", "413", "request.max_body"}, true},
		{"large chunks", true, "POST /large-chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nf000\r\n" + strings.Repeat("x", 0xf000) + "\r\nf000\r\n" + strings.Repeat("x", 0xf000), 413, "the body is larger than 100000 bytes",
			[]string{"POST /large-chunks", "413", "request.max_body"}, true},
		{"long line", true, "GET /long" + strings.Repeat("a", 70_000) + " HTTP/1.1\r\nHost: h\r\n\r\n", 414, "request line is too long",
			[]string{"127.0.0.1", `"GET /longaaaa`, "414", "request line is too long"}, true},
		{"long headers", true, "GET /headers HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("a", 200_000) + "\r\n\r\n", 431, "headers are too long",
			[]string{"127.0.0.1", `"GET /headers HTTP/1.1"`, "431", "headers are too long"}, true},
		{"many headers", true, "GET /many HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: a\r\n", 5000) + "\r\n", 431, "too many headers",
			[]string{"127.0.0.1", `"GET /many HTTP/1.1"`, "431", "too many headers"}, true},
		{"malformed", true, "GET /bad HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n", 400, "white space before the colon of a header",
			[]string{"127.0.0.1", `"GET /bad HTTP/1.1"`, "400", "white space before the colon"}, true},
		{"bad chunk", true, "POST /chunk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad chunk size",
			[]string{"127.0.0.1", "POST /chunk", "400", "bad chunk size"}, true},
		{"worker died", false, "GET /die HTTP/1.1\r\nHost: h\r\n\r\n", 502, "died: exit status 7",
			[]string{"GET /die", "502", "worker ", "died: exit status 7"}, false},
		{"worker late", false, "GET /sleep?600 HTTP/1.1\r\nHost: h\r\n\r\n", 504, "has not answered for 2s (workers.request_timeout)",
			[]string{"GET /sleep", "504", "worker ", "has not answered for 2s (workers.request_timeout)"}, false},
	}
	for _, w := range ways {
		for _, c := range cases {
			if c.http && w.name == "mongrel2" {
				continue
			}
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				parent := a.t
				a.t = t
				defer func() { a.t = parent }()
				count := func() int { return strings.Count(a.logText(), c.log[0]) }
				before := count()
				if set := late[c.status]; set != nil {
					a.update(h, func(s *appspec.Spec) {
						if set(s); c.name == "slow head" {
							s.Request.HeaderTimeout = appspec.Duration(time.Second)
						}
					})
					defer a.update(h, func(*appspec.Spec) {})
				}
				conn := w.dial(t)
				go func() { _, _ = conn.Write([]byte(c.request)) }()
				method, _, _ := strings.Cut(c.request, " ")
				got := conn.answer(method)
				if want := strconv.Itoa(c.status) + " " + http1.StatusText(c.status) + "\n"; got.StatusCode != c.status || got.body != want || got.Header.Get("X-Wsgid") != Version {
					t.Errorf("%s %q; want %q", got.Status, got.body, want)
				}
				if c.closes {
					conn.closed()
				}
				a.mustLogLine(c.log...)
				if strings.HasPrefix(c.log[0], method) {
					eventually(t, "a line of the log", func() bool { return count() > before })
					if n := count() - before; n != 1 {
						t.Errorf("%d lines of the log name it", n)
					}
				}
				a.wait(h, func(st Status) bool { return st.State == StateReady })
			})
		}
	}
	a.mustLogLine("app.py\", line 7 in application") // the stack of the late one
	open := *a.spec
	open.Debug, open.ServerHeader = true, false
	a.spec = &open
	a.update(h, func(*appspec.Spec) {})
	for _, w := range ways {
		for _, c := range cases {
			if c.http && w.name == "mongrel2" || strings.HasPrefix(c.name, "slow") {
				continue
			}
			if set := late[c.status]; set != nil {
				a.update(h, set)
			}
			conn := w.dial(t)
			go func() { _, _ = conn.Write([]byte(c.request)) }()
			method, _, _ := strings.Cut(c.request, " ")
			got := conn.answer(method)
			if got.StatusCode != c.status || !strings.Contains(got.body, c.says) || got.Header["X-Wsgid"] != nil {
				t.Errorf("with debug, %s, %s: %s %q %v; want %d: %s", w.name, c.name, got.Status, got.body, got.Header, c.status, c.says)
			}
			a.wait(h, func(st Status) bool { return st.State == StateReady })
			a.update(h, func(*appspec.Spec) {})
		}
		if got := w.get(t, "/"); got.StatusCode != http.StatusOK || got.Header["X-Wsgid"] != nil {
			t.Errorf("server_header = false, %s: %s %v", w.name, got.Status, got.Header)
		}
	}
}

// heldApp is helloApp with a path /hold, which is answered when there is a file go.
var heldApp = strings.Replace(helloApp, `    if path == "/die":`, `    if path == "/hold":
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
            time.sleep(0.01)
    if path == "/die":`, 1)

// hold occupies the only worker until the function that it returns is called, which
// returns when the worker is free again.
func (a *testApp) hold(h *Handle, w way) (release func()) {
	a.t.Helper()
	done := make(chan answer)
	go func() { done <- w.get(a.t, "/hold") }()
	a.active(h, 1)
	return func() {
		a.t.Helper()
		a.write("go", "")
		if got := <-done; got.StatusCode != http.StatusOK {
			a.t.Errorf("/hold: %s", got.Status)
		}
		a.active(h, 0)
		if err := os.Remove(filepath.Join(a.spec.Path, "app", "go")); err != nil {
			a.t.Fatal(err)
		}
	}
}

// active waits until so many requests are served or wait.
func (a *testApp) active(h *Handle, n int) {
	a.t.Helper()
	a.wait(h, func(st Status) bool { return st.Requests.Active == n })
}

// 503: nobody is free in time, too many wait, or nothing runs. Each says when
// to come back.
func TestBusy(t *testing.T) {
	t.Parallel()
	const short = 500 * time.Millisecond
	a, h, ways := everyWay(t, heldApp, nil, func(s *appspec.Spec) {
		s.Debug = true
		s.Workers.Queue = 1
		s.Workers.QueueTimeout = appspec.Duration(5 * patience) // however long it takes
		s.Workers.RequestTimeout = appspec.Duration(5 * patience)
		s.Restart.MinDelay = appspec.Duration(time.Hour)
		s.Restart.MaxDelay = appspec.Duration(time.Hour)
	})
	generation := 1
	queueTimeout := func(d time.Duration) {
		t.Helper()
		spec := *a.spec
		spec.Workers.QueueTimeout = appspec.Duration(d)
		generation++
		if err := h.Update(a.ctx(), &spec, generation, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range ways {
		refused := func(got answer, why string) {
			if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || !strings.Contains(got.body, why) {
				t.Errorf("%s: %s %q, Retry-After %q; want 503 with %q", w.name, got.Status, got.body, got.Header.Get("Retry-After"), why)
			}
		}
		release := a.hold(h, w)
		queueTimeout(short)
		refused(w.get(t, "/busy-"+w.name+"-late"), "no worker was free within 500ms (workers.queue_timeout)")
		queueTimeout(5 * patience) // however long the rest takes
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := w.get(t, "/waits"); got.StatusCode != http.StatusOK {
				t.Errorf("%s: the one that waits: %s %q", w.name, got.Status, got.body)
			}
		})
		a.active(h, 2)
		var more sync.WaitGroup
		for i := range 20 {
			more.Go(func() {
				refused(w.get(t, fmt.Sprintf("/busy-%s-%d", w.name, i)), "1 requests wait for a worker already (workers.queue)")
			})
		}
		more.Wait()
		release()
		wg.Wait()
		a.mustLogLine("GET /busy-"+w.name, "503", "workers.queue_timeout")
		a.mustLogLine("GET /busy-"+w.name, "503", "1 requests wait for a worker already (workers.queue)")
	}
	a.write("app.py", "import nothing_of_that_name\n")
	ways[0].get(t, "/die")
	a.wait(h, func(st Status) bool { return strings.Contains(st.Reason, "next try in") })
	for _, w := range ways {
		got := w.get(t, "/down-"+w.name)
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || !strings.Contains(got.body, "no worker runs: ModuleNotFoundError: No module named 'nothing_of_that_name'") {
			t.Errorf("%s: %s %q", w.name, got.Status, got.body)
		}
		a.mustLogLine("GET /down-"+w.name, "503", "no worker runs: ModuleNotFoundError")
	}
}

// A client that stops reading a response is let go after request.body_timeout,
// with a line of the log; one that reads slowly is not.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) { s.Request.BodyTimeout = appspec.Duration(4 * time.Second) })
	h := a.start(StateReady)
	stuck := dial(t, a.addr)
	stuck.send("GET /stream?200 HTTP/1.1\r\nHost: h\r\n\r\n")
	slow := dial(t, a.addr)
	slow.send("GET /stream?240 HTTP/1.1\r\nHost: h\r\n\r\n")
	resp := slow.response("GET")
	b := make([]byte, 64<<10)
	total := 0
	for start := time.Now(); time.Since(start) < 5*time.Second; {
		n, err := resp.Body.Read(b)
		if err != nil {
			t.Fatalf("the slow one is cut after %d bytes: %v", total, err)
		}
		total += n
		<-time.After(20 * time.Millisecond)
	}
	a.mustLogLine("127.0.0.1", "GET /stream", "closed: it read nothing of its response for 4s (request.body_timeout)")
	for {
		n, err := resp.Body.Read(b)
		total += n
		if err != nil {
			break
		}
	}
	if total != 240*131072 {
		t.Errorf("the slow one got %d bytes", total)
	}
	a.active(h, 0)
}
