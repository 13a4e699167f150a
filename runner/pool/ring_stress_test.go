package pool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi/host"
)

// stressApp answers as many bytes as it is asked for, which tell of which request they
// are, and whether small answers come by the ring.
const stressApp = `
import sys
def application(environ, start_response):
    n, size = environ["QUERY_STRING"].split("-")
    way = b"r" if "wsgid.ring" in sys.modules else b"s"
    body = way + (n.encode() * int(size))[:int(size)]
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`

// ringStress asks a pool of one real worker, as many requests at once as width says, and
// looks at each answer. All but the atomic ones is the loop's.
type ringStress struct {
	t     *testing.T
	p     *Pool
	peer  wsgi.Peer
	rand  *rand.Rand
	asked int
	open  int
	last  int // the request that was answered last

	width  atomic.Int64
	bursts atomic.Bool // it asks anew when all are answered: then no later answer tells of the last
	ended  atomic.Int64
	rings  atomic.Int64 // how many answers came while the ring was in use
	failed atomic.Int64 // how many died with their worker
}

// ask fills up.
func (s *ringStress) ask() {
	if s.bursts.Load() && s.open > 0 {
		return
	}
	for s.open < int(s.width.Load()) {
		s.asked++
		s.open++
		size := s.rand.IntN(200)
		if s.rand.IntN(8) == 0 {
			size = s.rand.IntN(wsgi.RingSize + 2000) // what fills the ring, or does not go in
		}
		x := s.p.NewExchange()
		r := wsgi.Request{Method: []byte("GET"), Path: []byte("/"), Query: fmt.Appendf(nil, "%d-%d", s.asked, size), Proto: "HTTP/1.1", Host: []byte("h")}
		x.Msg = wsgi.AppendRequest(x.Msg, 0, 0, &r, &s.peer)
		x.Label = append(x.Label, r.Query...)
		x.Sink = &stressSink{s: s, n: s.asked, size: size}
		s.p.Submit(x)
	}
}

// stressSink takes one answer.
type stressSink struct {
	s       *ringStress
	n, size int
	body    []byte
	ended   bool
}

func (k *stressSink) end() {
	s := k.s
	if k.ended {
		s.t.Errorf("request %d was answered twice", k.n)
	}
	k.ended = true
	if k.n != s.last+1 {
		s.t.Errorf("request %d was answered after request %d", k.n, s.last)
	}
	s.last = k.n
	s.open--
	s.ended.Add(1)
	s.p.loop.AtTurnEnd(s.ask)
}

func (k *stressSink) Head(h *wsgi.ResponseHead, body []byte, last bool) {
	if h.Status != 200 {
		k.s.t.Errorf("request %d: status %d", k.n, h.Status)
	}
	k.Data(body, last)
}

func (k *stressSink) Data(b []byte, last bool) {
	if k.body = append(k.body, b...); !last {
		return
	}
	n := fmt.Sprint(k.n)
	if len(k.body) != k.size+1 || string(k.body[1:]) != strings.Repeat(n, k.size)[:k.size] {
		k.s.t.Errorf("request %d, %d bytes: %d bytes came, %.60q", k.n, k.size, len(k.body), k.body)
	} else if k.body[0] == 'r' {
		k.s.rings.Add(1)
	}
	k.end()
}

func (k *stressSink) File(f *os.File, _, _ int64, _ bool) {
	k.s.t.Errorf("request %d was answered by a file", k.n)
	_ = f.Close()
	k.end()
}

func (k *stressSink) Fail(status int, reason string) {
	if status != 502 || !strings.Contains(reason, "died: signal") && !strings.Contains(reason, "died: killed") {
		k.s.t.Errorf("request %d: %d %s", k.n, status, reason)
	}
	k.s.failed.Add(1)
	k.end()
}

// until waits for answers; the deadline tells of one that never came.
func (s *ringStress) until(ended int64) {
	s.t.Helper()
	if !await.Until(await.Patience, 50*time.Microsecond, func() bool { return s.ended.Load() >= ended }) {
		s.p.loop.Call(func() {
			s.width.Store(0)
			s.t.Errorf("%d answers of %d requests, of which %d are open", s.ended.Load(), s.asked, s.open)
		})
		s.t.FailNow()
	}
}

// finish asks no more, and waits for the rest; it returns how many were asked.
func (s *ringStress) finish() (asked int64) {
	s.t.Helper()
	s.p.loop.Call(func() {
		s.width.Store(0)
		asked = int64(s.asked)
	})
	s.until(asked)
	return asked
}

// worker is the process of the worker that serves; 0: none does.
func (s *ringStress) worker() (pid int) {
	s.p.loop.Call(func() {
		for _, w := range s.p.workers {
			if w.life.serves() {
				pid = w.pid
			}
		}
	})
	return pid
}

// loopedPool is a pool of one real worker on a loop of its own, which runs until the test
// ends.
func loopedPool(t *testing.T, app string) *Pool {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Python workers")
	}
	if !hasRing {
		t.Skip("needs amd64: elsewhere there is no ring")
	}
	hostDir := filepath.Join(t.TempDir(), host.Digest())
	if err := host.Extract(hostDir); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"app", "logs", "pid/master", "pid/worker"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "app", "app.py"), []byte(app), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := appdir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	spec := appspec.Default("stress", dir)
	spec.WSGIApp = "app:application"
	spec.Workers.Min, spec.Workers.Max = 1, 1
	spec.Workers.RequestTimeout = appspec.Duration(20 * time.Second)
	spec.Restart.MinDelay = appspec.Duration(time.Millisecond)
	spec.Restart.MaxDelay = appspec.Duration(10 * time.Millisecond)
	log := applog.Open(applog.Places{Root: root, Stderr: applog.NoStderr}, spec, os.Getuid(), os.Getgid(), true)
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	p := New(loop, log, root, spec)
	loop.Poll = p.PollRings
	p.Emptied = loop.Stop
	sp := NewSpawner(loop, log, sandbox.User{}, []string{"PATH=/usr/bin:/bin"}, hostDir, nil)
	p.StartWith(sp, func(s *appspec.Spec) *appspec.Spec { return s })
	ended := make(chan error, 1)
	go func() { ended <- loop.Run() }()
	loop.Call(p.Start)
	t.Cleanup(func() {
		loop.Call(p.Stop)
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the pool does not end")
		}
		log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "logs", "wsgid.log"))
			t.Logf("log:\n%s", b)
		}
	})
	return p
}

// A real worker and the pool, two processes with a ring between them: whichever is stopped
// or killed at whatever moment, each request has one answer, whole and in its turn. Of those
// that a killed worker had, the one it was at is lost, and no other.
func TestRingOfTwoProcesses(t *testing.T) {
	s := &ringStress{t: t, rand: rand.New(rand.NewPCG(1, 2))}
	p := loopedPool(t, stressApp)
	s.p = p
	p.recheck.Do = func() {} // who is not told at once waits for ever
	s.width.Store(64)
	p.loop.Call(s.ask)
	s.until(1000)
	// The last answer of a burst comes while the pool falls asleep, and none follows it that
	// would wake the pool.
	s.bursts.Store(true)
	for width := int64(2); width <= 8; width++ {
		s.width.Store(width)
		s.until(s.ended.Load() + 3000)
	}
	chance := rand.New(rand.NewPCG(3, 4))
	kills, rings := int64(0), int64(0)
	for range 250 {
		s.width.Store(1 + chance.Int64N(64))
		s.bursts.Store(chance.IntN(2) == 0)
		s.until(s.ended.Load() + chance.Int64N(300))
		pid := s.worker()
		pause := time.Duration(chance.IntN(2000)) * time.Microsecond
		switch what := chance.IntN(20); {
		case pid == 0:
		case what == 0:
			kills++
			rings = s.rings.Load()
			_ = unix.Kill(pid, unix.SIGKILL)
			s.until(s.ended.Load() + 200)
		case what < 10:
			_ = unix.Kill(pid, unix.SIGSTOP)
			time.Sleep(pause) // it is how long the worker stands still, and waits for nothing
			if chance.IntN(10) == 0 {
				kills++
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			_ = unix.Kill(pid, unix.SIGCONT)
		default:
			p.loop.Call(func() { time.Sleep(pause) }) // and how long the pool does
		}
	}
	asked := s.finish()
	if lost := s.failed.Load(); lost > kills {
		t.Errorf("%d requests were lost by %d kills", lost, kills)
	}
	if kills == 0 || rings == 0 || s.rings.Load() == rings {
		t.Errorf("%d kills, %d answers by a ring, %d before the last kill", kills, s.rings.Load(), rings)
	}
	t.Logf("%d requests, %d answered while a ring was in use; %d kills, %d lost", asked, s.rings.Load(), kills, s.failed.Load())
}

// stoppedApp is stopped once, where it hurts: its answer is in the ring, and the pool, which
// fell asleep meanwhile, was not told.
const stoppedApp = stressApp + `
import os, signal
answer, left = application, 500
def trace(frame, event, arg):
    names = frame.f_locals
    if frame.f_code.co_name != "put" or "length" not in names:
        return trace
    state = names["state"]
    if "waited" not in globals():
        globals()["waited"] = True
        while not state[16]:
            pass
    elif "new" in names and state[0] == names["new"]:
        sys.settrace(None)
        frame.f_trace = None
        with open(os.path.dirname(os.path.abspath(__file__)) + "/stopped", "w") as f:
            f.write(now)
        os.kill(os.getpid(), signal.SIGSTOP)
    return trace
def application(environ, start_response):
    global left, now
    now = environ["QUERY_STRING"].split("-")[0]
    left -= "wsgid.ring" in sys.modules
    if not left:
        sys.settrace(trace)
    return answer(environ, start_response)
`

// An answer that a worker has put into the ring comes, although the worker was stopped
// before it could tell.
func TestAnswerThatNobodyTellsOf(t *testing.T) {
	s := &ringStress{t: t, rand: rand.New(rand.NewPCG(5, 6))}
	s.p = loopedPool(t, stoppedApp)
	s.width.Store(8)
	s.p.loop.Call(s.ask)
	s.until(100)
	pid := s.worker()
	stopped := func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(b), ") ")
		return strings.HasPrefix(rest, "T")
	}
	await.True(t, "the worker to be stopped", stopped, func() any { return fmt.Sprint(s.ended.Load(), " answers") })
	b, err := os.ReadFile(filepath.Join(s.p.spec.Path, "app", "stopped"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	s.until(n)
	if !stopped() {
		t.Fatal("the worker went on")
	}
	_ = unix.Kill(pid, unix.SIGCONT)
	s.until(s.ended.Load() + 1000)
	s.finish()
}
