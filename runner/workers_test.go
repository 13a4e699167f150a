package runner

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func TestPreloadForksWorkers(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Debug = true // the answers tell why
		s.Workers.Min, s.Workers.Max = 2, 2
		s.Workers.Preload = true
	})
	h := a.start(StateReady)
	a.mustLogLine("workers are forked from it")
	stop := a.load(4)
	st, _ := h.Status(a.ctx(), 0)
	old := pids(st)
	a.write("app.py", strings.Replace(helloApp, `"hello"`, `"again and again"`, 1))
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool {
		for pid := range pids(st) {
			if old[pid] {
				return false
			}
		}
		return st.State == StateReady && st.Rollout == 0
	})
	if good, bad := stop(); len(bad) > 0 || good == 0 {
		t.Errorf("%d good, bad: %v", good, bad)
	}
	if _, body := a.get("/"); !strings.HasPrefix(body, "again and again ") {
		t.Errorf("after the reload: %q", body)
	}
	if code, body := a.get("/die"); code != 502 || !strings.Contains(body, "exit status 7") {
		t.Errorf("got %d %q", code, body)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 2 })
}

func TestPreloadFailure(t *testing.T) {
	a := newTestApp(t, "import nope\n", func(s *appspec.Spec) { s.Workers.Preload = true })
	h := a.start(StateBackoff)
	if st, _ := h.Status(a.ctx(), 0); !strings.HasPrefix(st.Reason, "ModuleNotFoundError: No module named 'nope'") {
		t.Errorf("reason %q", st.Reason)
	}
}

// A worker whose process ends by itself is told of with what it printed last: that is
// the only reason that anybody has.
func TestLastWordsOfAWorker(t *testing.T) {
	for _, preload := range []bool{false, true} {
		a := newTestApp(t, "import os\nos.write(2, b'no licence\\n')\nos._exit(5)\n", func(s *appspec.Spec) { s.Workers.Preload = preload })
		h := a.start(StateBackoff)
		if st, err := h.Status(a.ctx(), 0); err != nil || !strings.Contains(st.Reason, "exit status 5; last output: no licence") {
			t.Errorf("preload = %v: reason %q, %v", preload, st.Reason, err)
		}
	}
	a := newTestApp(t, `
import os, time
if os.path.exists("logs/died"):
    time.sleep(600) # the next one forgets nothing
def application(environ, start_response):
    open("logs/died", "w").close()
    print("the card reader is gone")
    os._exit(7)
`, nil)
	h := a.start(StateReady)
	if code, _ := a.get("/"); code != 502 {
		t.Errorf("the request that it died of is answered %d", code)
	}
	a.wait(h, func(st Status) bool {
		return strings.HasSuffix(st.LastError, "died: exit status 7; last output: the card reader is gone")
	})
	a.mustLogLine("OUTPUT - the card reader is gone")
}

func TestIdleAppStartsOnDemand(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 0, 2
		s.Workers.IdleTimeout = appspec.Duration(200 * time.Millisecond)
	})
	h := a.start(StateIdle)
	if code, _ := a.get("/"); code != 200 {
		t.Fatalf("first request: %d", code)
	}
	st := a.wait(h, func(st Status) bool { return st.State == StateIdle && len(st.Workers) == 0 })
	if !strings.Contains(st.Scaled, "1 → 0 workers: a worker was idle") {
		t.Errorf("scaled %q", st.Scaled)
	}
}

// The last worker leaves, for it had nothing to do, in the moment in which a
// request comes: it was given to that worker, and is taken back.
func TestRequestComesAsTheLastWorkerLeaves(t *testing.T) {
	const idle = 30 * time.Millisecond
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 0, 1
		s.Workers.IdleTimeout = appspec.Duration(idle)
	})
	h := a.start(StateIdle)
	for range 30 {
		if code, _ := a.get("/"); code != 200 {
			t.Fatalf("got %d", code)
		}
		// The master hears of both at once: that the time is over, and of the request.
		if err := syscall.Kill(h.PID, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		<-time.After(idle + 5*time.Millisecond)
		c := a.send("/")
		if err := syscall.Kill(h.PID, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if got := c.answer("GET").text(t); !strings.HasPrefix(got, "200 hello ") {
			t.Fatalf("got %q", got)
		}
	}
}

func TestScalesByTheWait(t *testing.T) {
	a := newTestApp(t, heldApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 1, 4
		s.Workers.IdleTimeout = appspec.Duration(300 * time.Millisecond)
	})
	h := a.start(StateReady)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if code, _ := a.get("/hold"); code != 200 {
				t.Errorf("got %d", code)
			}
		})
	}
	a.wait(h, func(st Status) bool { return len(st.Workers) == 4 })
	a.write("go", "")
	wg.Wait()
	a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && st.State == StateReady })
}

// However many wait while workers start, all are answered, and well.
func TestWaitForWorkersThatAreStarted(t *testing.T) {
	for _, c := range []struct{ min, requests int }{{0, 10}, {0, 100}, {1, 10}, {1, 100}} {
		t.Run(fmt.Sprintf("min %d, %d requests", c.min, c.requests), func(t *testing.T) {
			state := StateReady
			if c.min == 0 {
				state = StateIdle
			}
			a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = c.min, 8 })
			h := a.start(state)
			var wg sync.WaitGroup
			for range c.requests {
				wg.Go(func() {
					if code, body := a.get("/sleep?0.1"); code != 200 {
						t.Errorf("got %d %q", code, body)
					}
				})
			}
			wg.Wait()
			st, err := h.Status(a.ctx(), 0)
			if err != nil || st.Requests.Total != uint64(c.requests) || len(st.Workers) < 2 || len(st.Workers) > 8 {
				t.Errorf("%d requests, %d workers, %v", st.Requests.Total, len(st.Workers), err)
			}
		})
	}
}

func TestRecyclesByRequests(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 2, 2
		s.Workers.MaxRequests = 50
	})
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	old := pids(st)
	stop := a.load(4)
	// The worker that was busy last is asked first: another may never come to its
	// limit.
	a.wait(h, func(st Status) bool {
		for pid := range pids(st) {
			if !old[pid] && len(st.Workers) == 2 {
				return true
			}
		}
		return false
	})
	good, bad := stop()
	if len(bad) > 0 || good < 50 {
		t.Errorf("%d good, bad: %v", good, bad)
	}
	if st, _ := h.Status(a.ctx(), 0); st.Restarts != 0 {
		t.Errorf("recycling counts as restarts: %+v", st)
	}
}

func TestRecyclesByMemory(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.MaxMemory = 64 << 20 })
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	if code, _ := a.get("/grow?100000000"); code != 200 {
		t.Fatal(code)
	}
	a.wait(h, func(n Status) bool {
		return n.State == StateReady && len(n.Workers) == 1 && !pids(n)[st.Workers[0].PID]
	})
	a.mustLogLine("workers.max_memory is 64 MiB")
}

// A workers.max_memory that is smaller than the app itself: workers are not replaced
// for ever, the status says what to write, and a change of the limit is enough.
func TestMaxMemoryBelowTheApp(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, "kept = bytearray(b'x') * 50_000_000\n"+helloApp, nil)
	h := a.start(StateReady)
	limit := func(size appspec.Size, generation int) {
		spec := *a.spec
		spec.Workers.MaxMemory = size
		if err := h.Update(a.ctx(), &spec, generation, false); err != nil {
			t.Fatal(err)
		}
	}
	limit(32<<20, 2)
	st := a.wait(h, func(st Status) bool { return st.State == StateDegraded })
	for _, part := range []string{`workers.max_memory = "32MiB" is too small`, `write workers { max_memory = "128MiB" }`} {
		if !strings.Contains(st.Reason, part) {
			t.Errorf("the reason is %q, without %q", st.Reason, part)
		}
	}
	a.mustLogLine("WARN", `workers.max_memory = "32MiB" is too small`)
	if code, _ := a.get("/"); code != 200 {
		t.Errorf("it answers %d", code)
	}
	limit(128<<20, 3)
	a.wait(h, func(st Status) bool { return st.State == StateReady && st.Reason == "" })
}

const healthApp = `
import os, time
def application(environ, start_response):
    flag = os.path.join(os.path.dirname(__file__), "sick")
    if environ["PATH_INFO"] == "/healthz" and os.path.exists(flag):
        how = open(flag).read()
        if how == "hang":
            print("hangs", flush=True)
            time.sleep(60)
        if how == "stream":
            start_response("200 Yes", [])
            return iter(lambda: b"and so on", None)
        if how == "redirect":
            start_response("302 Found", [("Location", "http://127.0.0.1:1/")])
            return [b""]
        start_response("500 Sick", [])
        return [b""]
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
`

func TestRecyclesByAge(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 2, 2
		s.Workers.MaxAge = appspec.Duration(300 * time.Millisecond)
	})
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	old := pids(st)
	stop := a.load(4)
	a.wait(h, func(st Status) bool {
		now := pids(st)
		for pid := range old {
			if now[pid] {
				return false
			}
		}
		return len(now) >= 2 // of those that are there now one may be replaced, too
	})
	if good, bad := stop(); len(bad) > 0 || good == 0 {
		t.Errorf("%d good, bad: %v", good, bad)
	}
	a.mustLogLine("(workers.max_age is 300ms)")
	if st, _ := h.Status(a.ctx(), 0); st.Restarts != 0 || st.Counters.Restarts["age"] == 0 {
		t.Errorf("restarts %d, %v", st.Restarts, st.Counters)
	}
}

func TestHealth(t *testing.T) {
	within := func(timeout time.Duration) func(s *appspec.Spec) {
		return func(s *appspec.Spec) {
			s.Health = &appspec.Health{Path: "/healthz", Interval: appspec.Duration(50 * time.Millisecond),
				Timeout: appspec.Duration(timeout), Failures: 2}
		}
	}
	health := within(patience) // what is slow is not ill
	for _, how := range []string{"fail", "hang"} {
		t.Run(how, func(t *testing.T) {
			a := newTestApp(t, healthApp, health)
			h := a.start(StateReady)
			st := a.wait(h, func(st Status) bool { return st.Health != nil && st.Health.OK })
			if !strings.HasPrefix(st.Health.Answer, "200 in ") {
				t.Errorf("answer %q", st.Health.Answer)
			}
			a.write("sick", how)
			a.update(h, within(500*time.Millisecond))
			a.mustLogLine("health check failed (2 of 2)")
			if err := os.Remove(filepath.Join(a.spec.Path, "app", "sick")); err != nil {
				t.Fatal(err)
			}
			a.wait(h, func(n Status) bool { return n.State == StateReady && !pids(n)[st.Workers[0].PID] })
		})
	}
	// What is odd about an answer is no illness: the status counts, no redirect is
	// followed, and no body is waited for.
	for how, answer := range map[string]string{"stream": "200 in ", "redirect": "302 in "} {
		t.Run(how, func(t *testing.T) {
			a := newTestApp(t, healthApp, health)
			h := a.start(StateReady)
			before := a.wait(h, func(st Status) bool { return st.Health != nil && st.Health.OK })
			a.write("sick", how)
			// Three rounds: the first may be of before.
			last, rounds := before.Health.At, 0
			var st Status
			eventually(t, "three health checks have come", func() bool {
				var err error
				if st, err = h.Status(a.ctx(), 0); err != nil {
					t.Fatal(err)
				}
				if st.Health.At.After(last) {
					last = st.Health.At
					rounds++
				}
				return rounds >= 3
			})
			if !st.Health.OK || !strings.HasPrefix(st.Health.Answer, answer) || st.Workers[0].PID != before.Workers[0].PID {
				t.Errorf("health %+v, worker %d, before %d", st.Health, st.Workers[0].PID, before.Workers[0].PID)
			}
			if code, _ := a.get("/"); code != 200 {
				t.Errorf("does not serve on: %d", code)
			}
		})
	}
	t.Run("gates a rollout", func(t *testing.T) {
		a := newTestApp(t, healthApp, health)
		h := a.start(StateReady)
		// The worker that serves stays well.
		a.write("app.py", strings.Replace(healthApp, `"200 OK"`, `("500 No" if environ["PATH_INFO"] == "/healthz" else "200 OK")`, 1))
		if err := h.Reload(a.ctx()); err != nil {
			t.Fatal(err)
		}
		st := a.wait(h, func(st Status) bool { return st.RolloutError != "" })
		if !strings.Contains(st.RolloutError, "its health check failed 2 times: 500 in ") {
			t.Errorf("rollout error %q", st.RolloutError)
		}
		if code, _ := a.get("/"); code != 200 {
			t.Errorf("does not serve on: %d", code)
		}
	})
}

func TestBodies(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	a.start(StateReady)
	for _, size := range []int{0, 1, 65536, 65537, 300_000, 5 << 20} {
		for _, chunked := range []bool{false, true} {
			body := make([]byte, size)
			_, _ = rand.Read(body)
			var r io.Reader = bytes.NewReader(body)
			if chunked {
				r = io.MultiReader(r) // hides its length
			}
			resp, err := http.Post(a.url+"/echo", "application/octet-stream", r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, chunked %v: status %d, %d bytes came back, %v", size, chunked, resp.StatusCode, len(got), err)
			}
		}
	}
}

func TestTooLargeBody(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Debug = true; s.Request.MaxBody = 1000 })
	a.start(StateReady)
	for _, r := range []io.Reader{strings.NewReader(strings.Repeat("x", 1001)), io.MultiReader(strings.NewReader(strings.Repeat("x", 1001)))} {
		resp, err := http.Post(a.url+"/size", "text/plain", r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 413 || string(b) != "413 Content Too Large: the body is larger than 1000 bytes\n" {
			t.Errorf("got %d %q", resp.StatusCode, b)
		}
	}
}

func TestPipelining(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	a.start(StateReady)
	one := "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "%s%03d", one, i)
	}
	all.WriteString("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	got := a.raw(all.String())
	if n := strings.Count(got, "HTTP/1.1 200 OK"); n != 51 {
		t.Errorf("%d answers", n)
	}
	at := 0
	for i := range 50 {
		j := strings.Index(got[at:], fmt.Sprintf("\r\n\r\n%03d", i))
		if j < 0 {
			t.Fatalf("answer %d is not in its place", i)
		}
		at += j
	}
}

func TestClientErrors(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		// What is not late takes as long as it takes.
		s.Request.HeaderTimeout, s.Request.BodyTimeout = appspec.Duration(patience), appspec.Duration(patience)
	})
	h := a.start(StateReady)
	late := map[string]func(*appspec.Spec){
		"slow head": func(s *appspec.Spec) { s.Request.HeaderTimeout = appspec.Duration(time.Second) },
		"slow body": func(s *appspec.Spec) { s.Request.BodyTimeout = appspec.Duration(time.Second) },
		"continue":  func(s *appspec.Spec) { s.Request.BodyTimeout = appspec.Duration(time.Second) },
	}
	for name, c := range map[string]struct{ send, want string }{
		"slow head":   {"GET / HT", "HTTP/1.1 408 Request Timeout\r\n"},
		"slow body":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 408 Request Timeout\r\n"},
		"no host":     {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"both":        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		"long target": {"GET /" + strings.Repeat("a", 40_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 414 URI Too Long\r\n"},
		"old":         {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
		"continue":    {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408"},
	} {
		t.Run(name, func(t *testing.T) {
			if set := late[name]; set != nil {
				a.update(h, set)
				defer a.update(h, func(*appspec.Spec) {})
			}
			if got := a.raw(c.send); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %.200q", got)
			}
		})
	}
}

const streamApp = `
import os
state = os.path.join(os.path.dirname(os.path.dirname(__file__)), "logs", "closed")
class Pieces:
    def __init__(self, n): self.n = n
    def __iter__(self): return self
    def __next__(self):
        if self.n == 0: raise StopIteration
        self.n -= 1
        return b"x" * 65536
    def close(self):
        open(state, "w").write(str(self.n))

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/file":
        f = open(environ["QUERY_STRING"], "rb")
        start_response("200 OK", [("Content-Type", "x/y")])
        return environ["wsgi.file_wrapper"](f)
    if path == "/who":
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
    start_response("200 OK", [("Content-Type", "x/y")])
    return Pieces(int(environ["QUERY_STRING"]))
`

func TestStreams(t *testing.T) {
	a := newTestApp(t, streamApp, nil)
	a.start(StateReady)
	if code, body := a.get("/stream?200"); code != 200 || len(body) != 200*65536 {
		t.Errorf("got %d, %d bytes", code, len(body))
	}
	big := filepath.Join(a.spec.Path, "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("0123456789"), 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, body := a.get("/file?" + big); code != 200 || len(body) != 10<<20 || body[:10] != "0123456789" {
		t.Errorf("got %d, %d bytes", code, len(body))
	}
	if got := a.raw("GET /stream?3 HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.Count(got, "x") < 3*65536 || strings.Contains(got, "chunked") {
		t.Errorf("HTTP/1.0: %.200q, %d bytes", got, len(got))
	}
}

// A client that reads nothing holds no worker, and one that goes ends the
// application's iterator.
func TestSlowAndGoneClients(t *testing.T) {
	a := newTestApp(t, streamApp, nil)
	a.start(StateReady)
	c := a.send("/stream?500")
	if code, _ := a.get("/who"); code != 200 {
		t.Errorf("beside a slow client: %d", code)
	}
	b := make([]byte, 100)
	if n, err := c.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.1 200 OK") {
		t.Errorf("slow client: %q, %v", b[:n], err)
	}

	gone := a.send("/stream?100000")
	if _, err := gone.Read(b); err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	if code, _ := a.get("/who"); code != 200 {
		t.Errorf("after a client went: %d", code)
	}
	left, err := os.ReadFile(filepath.Join(a.spec.Path, "logs", "closed"))
	if err != nil || string(left) == "0" {
		t.Errorf("the iterator was not closed early: %q, %v", left, err)
	}
}

// status tells the place that the log has.
func TestReasonHasItsPlace(t *testing.T) {
	a := newTestApp(t, "x = 1\nraise ValueError('no')\n", nil)
	h := a.start(StateBackoff)
	st, err := h.Status(a.ctx(), 0)
	if want := "ValueError: no (" + a.spec.Path + "/app/app.py, line 2)"; err != nil || st.LastError != want || !strings.Contains(st.Reason, want) {
		t.Errorf("got %q, %q, %v; want %q", st.LastError, st.Reason, err, want)
	}
	// Above the traceback that tells it, it is not said once more.
	if got := WithoutPlace(st.Reason, st.Traceback); !strings.HasPrefix(got, "ValueError: no; next try") && !strings.HasPrefix(got, "ValueError: no; trying") {
		t.Errorf("got %q", got)
	}
}
