package runner

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

var (
	tempestTime = flag.Duration("tempest.time", 3*time.Second, "how long TestTempest disturbs each of its apps")
	tempestSeed = flag.Uint64("tempest.seed", 0, "what TestTempest does, in which order; 0: a new seed, printed")
)

// tempestApp does whatever an application may do to its master.
const tempestApp = `
import os, signal, time
big = b"b" * (6 << 20)
def pieces(n, rest):
    for i in range(n):
        time.sleep(rest)
        yield b"s" * 131072
class Closes:
    def __iter__(self):
        return iter([b"c" * 70000, b"d"])
    def close(self):
        raise ValueError("at the close")
def application(environ, start_response):
    path, body = environ["PATH_INFO"], environ["wsgi.input"]
    if path == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/raise":
        raise ValueError("raised")
    if path == "/readall":
        while body.read(100000):
            pass
    if path == "/readsome":
        body.read(10)
    if path == "/wait":
        time.sleep(0.05)
    if path == "/late":
        time.sleep(3)
    if path == "/short":
        start_response("200 OK", [("Content-Length", "100000")])
        return [b"short"]
    write = start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if path == "/big":
        return [big]
    if path == "/stream":
        return pieces(40, 0)
    if path == "/drip":
        return pieces(6, 0.02)
    if path == "/breaks":
        return (b"x" * 70000 if i < 5 else 1 // 0 for i in range(9))
    if path == "/dies":
        return (b"x" * 70000 if i < 5 else os.kill(os.getpid(), signal.SIGKILL) for i in range(9))
    if path == "/write":
        for i in range(5):
            write(b"w" * 100000)
    if path == "/close":
        return Closes()
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(environ["FILE_TO_SEND"], "rb"))
    return [b"%d" % os.getpid()]
`

// tempest is one app at work, and what is done to it.
type tempest struct {
	*testApp
	ways []way
	r    *rand.Rand
	h    *Handle

	generation int
	said       []string // what was done last
}

// TestTempest has clients that ask, read, stop, reset and go in every way, beside an operator
// that changes, reloads, scales and replaces, and workers that are killed and stopped. What
// becomes of each request is not asked here. Then there is calm: the master lives, it holds
// nothing of all that any more, and whoever asks is served.
func TestTempest(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*appspec.Spec)
	}{
		{"workers", func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 }},
		{"threads", func(s *appspec.Spec) { s.Workers.Threads = 4 }},
		{"preload", func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max, s.Workers.Preload = 1, 3, true }},
		{"little room", func(s *appspec.Spec) {
			s.Workers.Min, s.Workers.Max = 1, 2
			s.Request.ResponseBuffer, s.Request.Spool, s.Workers.Queue = 256<<10, 1<<20, 4
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := *tempestSeed
			if seed == 0 {
				seed = uint64(time.Now().UnixNano())
			}
			t.Logf("seed %d", seed)
			e := &tempest{r: rand.New(rand.NewPCG(seed, 0)), generation: 1}
			e.testApp, e.h, e.ways = everyWay(t, tempestApp, nil, func(s *appspec.Spec) {
				c.change(s)
				s.Workers.RequestTimeout = appspec.Duration(time.Second)
				s.Request.BodyTimeout, s.Request.HeaderTimeout = appspec.Duration(2*time.Second), appspec.Duration(2*time.Second)
				s.Restart.MinDelay, s.Restart.MaxDelay = appspec.Duration(time.Millisecond), appspec.Duration(20*time.Millisecond)
				s.Env = map[string]string{"FILE_TO_SEND": "/usr/bin/python3"}
			})
			e.calm(seed)
			descriptors := e.descriptors()
			for end := time.Now().Add(*tempestTime); time.Now().Before(end); {
				e.blow(seed, min(4*time.Second, time.Until(end)))
				e.calm(seed)
				var n []string
				await.True(t, "no more descriptors than before", func() bool {
					n = e.descriptors()
					return len(n) <= len(descriptors)+8 // what is kept for the next request may be more
				}, func() any { return fmt.Sprintf("seed %d: %d before, %d after: %v", seed, len(descriptors), len(n), n) })
			}
		})
	}
}

// blow disturbs for a time.
func (e *tempest) blow(seed uint64, d time.Duration) {
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	time.AfterFunc(d, end)
	var work sync.WaitGroup
	defer work.Wait()
	defer end() // also where something is wrong
	for range 12 {
		g := &gust{t: e.t, ways: e.ways, r: rand.New(rand.NewPCG(e.r.Uint64(), 1)), stop: stop}
		work.Go(g.run)
	}
	for e.pause(stop, time.Duration(e.r.IntN(120))*time.Millisecond) {
		e.disturb(seed)
	}
}

// pause waits, and tells whether to go on.
func (e *tempest) pause(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}

// disturb does one thing that an operator does, or that happens.
func (e *tempest) disturb(seed uint64) {
	e.t.Helper()
	st, err := e.h.Status(e.ctx(), 0)
	if err != nil {
		e.t.Fatalf("seed %d: the master: %v, after %s; log:\n%s", seed, err, e.last(), e.logText())
	}
	worker := 0
	if n := len(st.Workers); n > 0 {
		worker = st.Workers[e.r.IntN(n)].PID
	}
	signal := func(s syscall.Signal) { // a worker that has just ended is nobody's fault
		if worker > 0 {
			_ = syscall.Kill(worker, s)
		}
	}
	must := func(what string, err error) {
		e.t.Helper()
		if err != nil {
			e.t.Fatalf("seed %d: %s: %v, after %s", seed, what, err, e.last())
		}
	}
	what := []string{"kill", "term", "freeze", "reload", "scale", "update", "replace", "stacks", "kill", "update"}[e.r.IntN(10)]
	e.said = append(e.said, what)
	switch what {
	case "kill":
		signal(syscall.SIGKILL)
	case "term":
		signal(syscall.SIGTERM)
	case "freeze":
		signal(syscall.SIGSTOP)
		time.Sleep(time.Duration(e.r.IntN(150)) * time.Millisecond) // so long it stands still
		signal(syscall.SIGCONT)
	case "reload":
		must(what, e.h.Reload(e.ctx()))
	case "scale":
		n := 1 + e.r.IntN(3)
		must(what, e.h.Scale(e.ctx(), n, n))
	case "stacks":
		_, err := e.h.Stacks(e.ctx())
		must(what, err)
	case "update":
		e.update()
	case "replace":
		e.replace(must)
	}
}

func (e *tempest) last() string { return strings.Join(e.said[max(0, len(e.said)-8):], ", ") }

// update changes some of what can be changed in place.
func (e *tempest) update() {
	spec := *e.spec
	for _, path := range []string{"request.response_buffer", "request.spool", "request.buffering", "workers.max_requests", "workers.max_age", "request.min_rate", "log.access"} {
		if values := liveValues[path]; e.r.IntN(3) == 0 {
			values[e.r.IntN(len(values))](&spec)
		}
	}
	e.spec = &spec
	e.generation++
	if err := e.h.Update(e.ctx(), e.spec, e.generation, e.r.IntN(2) == 0); err != nil && !strings.Contains(err.Error(), "roll") {
		e.t.Fatalf("update: %v, after %s", err, e.last())
	}
}

// replace puts another master in the place of this one, as an edit that needs one does.
func (e *tempest) replace(must func(string, error)) {
	files := e.listeners(e.h)
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	e.generation++
	e.standby = true
	next := e.startWith(StateReady, files, e.generation)
	must("drain", e.h.Drain(e.ctx(), next))
	must("the end of the drained one", e.h.Wait(e.ctx()))
	e.h = next
}

// calm waits until nothing is left of what was asked for, and asks once more each way.
func (e *tempest) calm(seed uint64) {
	e.t.Helper()
	st := e.wait(e.h, func(st Status) bool { return st.Rollout == 0 })
	if st.RolloutError != "" { // its new worker was killed
		if err := e.h.Reload(e.ctx()); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := e.h.Scale(e.ctx(), 1, 1); err != nil {
		e.t.Fatal(err)
	}
	e.wait(e.h, func(st Status) bool {
		return st.State == StateReady && st.Requests.Active == 0 && st.Rollout == 0 && len(st.Workers) == 1
	})
	for _, w := range e.ways {
		if got := w.get(e.t, "/"); got.StatusCode != 200 || got.err != nil {
			e.t.Fatalf("seed %d: in the calm, by %s: %s, %v, after %s", seed, w.name, got.Status, got.err, e.last())
		}
	}
	eventually(e.t, "files and pipes of requests to go", func() bool {
		return !slices.ContainsFunc(e.descriptors(), func(s string) bool { return strings.HasPrefix(s, os.TempDir()+"/wsgid-") })
	})
	for _, bad := range []string{"panic", "goroutine ", "fatal error"} {
		if log := e.logText(); strings.Contains(log, bad) {
			e.t.Fatalf("seed %d: the log has %q, after %s:\n%s", seed, bad, e.last(), log)
		}
	}
}

// descriptors are what the master has open.
func (e *tempest) descriptors() (open []string) {
	dir := fmt.Sprintf("/proc/%d/fd", e.h.PID)
	fds, err := os.ReadDir(dir)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(dir + "/" + fd.Name()); err == nil {
			open = append(open, target)
		}
	}
	return open
}
