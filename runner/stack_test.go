package runner

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// stuckApp is at what the path says until the file "go" is there, or for good.
const stuckApp = `
import faulthandler, os, re, signal, sys, threading, time
%s
def in_sleep():
    time.sleep(3600)
def in_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
def in_loop():
    def twice(n):
        return n and twice(n - 1)
    while True:
        twice(20)
def in_c():
    while True:
        pow(3, 200001, 7 ** 20000)  # without letting go of the GIL
def in_blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
    time.sleep(3600)
def application(environ, start_response):
    f = globals().get("in_" + environ["PATH_INFO"][1:])
    if f:
        f()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(globals().get("answer", "hello")).encode()]
`

// stacks waits until so many requests are at work, and asks where they are.
func (a *testApp) stacks(h *Handle, n int) map[string]ThreadStack {
	a.t.Helper()
	a.wait(h, func(st Status) bool { return st.Requests.Active == n })
	var all []ThreadStack
	out := map[string]ThreadStack{}
	// A request that has just begun may not be in the application yet.
	await.Nil(a.t, patience, "the stacks of all requests", func() (err error) {
		if all, err = h.Stacks(a.ctx()); err != nil {
			return err
		}
		outside := func(s ThreadStack) bool {
			return s.Problem == "" && !strings.Contains(strings.Join(s.Stack, "\n"), " in in_")
		}
		if len(all) != n || slices.ContainsFunc(all, outside) {
			return fmt.Errorf("of %d requests: %+v", n, all)
		}
		return nil
	})
	for _, s := range all {
		out[strings.TrimPrefix(s.Request, "GET /")] = s
	}
	return out
}

// Where a request is can be seen of each thread that serves one, whatever it is at: the
// calls of the application, in their order, and nothing of the worker's own. The requests
// go on.
func TestStacks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		preload bool
		threads int
		paths   []string
	}{
		"one":     {false, 1, []string{"sleep"}},
		"loop":    {false, 1, []string{"loop"}},
		"c":       {false, 1, []string{"c"}},
		"threads": {false, 4, []string{"sleep", "lock", "loop"}},
		"held":    {false, 2, []string{"sleep", "c"}},
		"forked":  {true, 3, []string{"sleep", "lock", "loop"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTestApp(t, fmt.Sprintf(stuckApp, "faulthandler.disable()  # it is the application's to do so"), func(s *appspec.Spec) {
				s.Workers.Threads, s.Workers.Preload = c.threads, c.preload
				s.Workers.RequestTimeout = appspec.Duration(5 * patience) // they are at work for good
				s.Workers.StopTimeout = appspec.Duration(100 * time.Millisecond)
			})
			h := a.start(StateReady)
			for i, p := range c.paths {
				a.send("/" + p)
				a.wait(h, func(st Status) bool { return st.Requests.Active == i+1 })
			}
			got := a.stacks(h, len(c.paths))
			for _, p := range c.paths {
				s := got[p]
				text := strings.Join(s.Stack, "\n")
				if s.Problem != "" || !strings.Contains(text, `/app.py", line `) || !strings.Contains(text, " in in_"+p) ||
					!strings.HasSuffix(text, " in application") || strings.Contains(text, "serve.py") || strings.Count(text, " in in_") != 1 {
					t.Errorf("%s: %+v", p, s)
				}
				if s.PID == 0 || s.Thread < 1 || s.Thread > c.threads || time.Since(s.Since) > 5*patience {
					t.Errorf("%s: %+v", p, s)
				}
			}
			if st := a.wait(h, func(Status) bool { return true }); st.Requests.Active != len(c.paths) || st.Requests.Errors != 0 || st.Restarts != 0 {
				t.Errorf("the requests did not go on: %+v", st)
			}
		})
	}
}

// Where there is no stack it is said why, and the application sees nothing of it.
func TestStacksThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, path, want string
	}{
		"handler of the app":     {code: "answer = 0\ndef seen(*_):\n    global answer\n    answer += 1\nsignal.signal(signal.SIGURG, seen)", path: "sleep", want: "handles SIGURG"},
		"blocked":                {path: "blocked", want: "blocks SIGURG"},
		"taken away":             {code: "faulthandler.unregister(signal.SIGURG)", path: "sleep", want: "does not take SIGURG"},
		"descriptor is replaced": {code: "os.dup2(os.open('/dev/null', os.O_WRONLY), 3)", path: "sleep", want: "closed or replaced descriptor 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTestApp(t, fmt.Sprintf(stuckApp, c.code), func(s *appspec.Spec) {
				s.Workers.Threads = 2
				s.Workers.RequestTimeout = appspec.Duration(5 * patience)
				s.Workers.StopTimeout = appspec.Duration(100 * time.Millisecond)
			})
			h := a.start(StateReady)
			a.send("/" + c.path)
			a.wait(h, func(st Status) bool { return st.Requests.Active == 1 && len(st.Workers[0].Current) == 1 })
			await.Nil(t, patience, "why there is no stack", func() error {
				all, err := h.Stacks(a.ctx())
				if err != nil || len(all) != 1 || !strings.Contains(all[0].Problem, c.want) || len(all[0].Stack) > 0 {
					return fmt.Errorf("%+v, %s", all, fmt.Sprint(err))
				}
				return nil
			})
			if c.code != "" && strings.Contains(c.code, "answer") {
				if _, body := a.get("/"); body != "0" {
					t.Errorf("its handler was called %s times", body)
				}
			}
		})
	}
}

// Whoever sends a worker the signal by which it is asked harms nothing.
func TestTheSignalOfStacksHarmsNothing(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, fmt.Sprintf(stuckApp, "sum = lambda n: n and n + sum(n - 1)\nclass answer:\n    __str__ = lambda self: str(sum(200))\nanswer = answer()"), nil)
	h := a.start(StateReady)
	pid := a.workerPID(t, h)
	var sent atomic.Int64
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			default:
				if syscall.Kill(pid, unix.SIGURG) == nil {
					sent.Add(1)
				}
			}
		}
	}()
	defer close(over)
	for served := 0; served < 500 || sent.Load() < 5000; served++ {
		if code, body := a.get("/"); code != 200 || body != "20100" {
			t.Fatalf("request %d: %d %q", served, code, body)
		}
	}
	if now := a.workerPID(t, h); now != pid || os.Getpid() == pid {
		t.Errorf("worker %d is another one now: %d", pid, now)
	}
}
