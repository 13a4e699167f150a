package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/master"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
	"github.com/wsgid-fleet/wsgid-fleet/runner/zygote"
)

func TestMain(m *testing.M) {
	master.Main() // masters are this binary
	os.Exit(m.Run())
}

// testApp is an app with a folder and a state directory of its own.
type testApp struct {
	t     *testing.T
	spec  *appspec.Spec
	state string
	url   string
	addr  string

	standby bool
	stderr  *os.File
	zygotes *zygote.Set // nil: none was asked for
	zygote  func(*appspec.Spec, sandbox.User, string, []string) *stem.Fork
}

const helloApp = `
import os, sys, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
    if path == "/die":
        os._exit(7)
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [body]
    if path == "/size":
        n = 0
        while True:
            piece = environ["wsgi.input"].read(65536)
            if not piece:
                break
            n += len(piece)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(n).encode()]
    if path == "/grow":
        global kept
        kept = bytearray(int(environ["QUERY_STRING"]))
    body = ("%s %d" % (os.environ.get("WORD", "hello"), os.getpid())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
`

// debugging makes the answers of ours tell why.
func debugging(s *appspec.Spec) { s.Debug = true }

// newTestApp makes the folder of an app whose module app.py holds code.
func newTestApp(t *testing.T, code string, change func(*appspec.Spec)) *testApp {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	base, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	a := &testApp{t: t, state: filepath.Join(base, "s")}
	if os.Getenv("WSGID_TEST_ZYGOTE") != "" {
		a.forked()
	}
	spec := appspec.Default("demo", filepath.Join(base, "demo"))
	spec.WSGIApp = "app:application"
	spec.User = testUser()
	spec.Workers.Min, spec.Workers.Max = 1, 1
	spec.Workers.StopTimeout = appspec.Duration(5 * time.Second)
	spec.Restart.MinDelay = appspec.Duration(50 * time.Millisecond)
	spec.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "127.0.0.1:0"}}
	if change != nil {
		change(spec)
	}
	a.spec = spec
	for _, d := range []string{"app", "logs", "pid/master", "pid/worker", "plugins"} {
		if err := os.MkdirAll(filepath.Join(spec.Path, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		err := filepath.Walk(spec.Path, func(p string, _ os.FileInfo, err error) error {
			if err == nil {
				err = os.Lchown(p, 33, 33)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	a.write("app.py", code)
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(spec.Path, applog.FileName))
			t.Logf("log:\n%s", log)
		}
		masters, _ := FindMasters(a.state, spec.Name)
		for _, h := range masters {
			if err := h.Kill(); err != nil {
				t.Error(err)
			}
			_ = h.Wait(context.Background())
		}
		_ = os.RemoveAll(base)
	})
	return a
}

// testUser is whom the workers run as: www-data where we are root.
func testUser() string {
	if os.Geteuid() == 0 {
		return "www-data"
	}
	return ""
}

func (a *testApp) write(name, code string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.spec.Path, "app", name), []byte(code), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

func (a *testApp) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	a.t.Cleanup(cancel)
	return ctx
}

// start starts a master and waits for the state.
func (a *testApp) start(want State) *Handle {
	a.t.Helper()
	if a.url == "" {
		// The kernel chooses the port; the spec then names it.
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			a.t.Fatal(err)
		}
		a.addr = ln.Addr().String()
		a.url = "http://" + a.addr
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			a.t.Fatal(err)
		}
		_ = ln.Close()
		a.t.Cleanup(func() { _ = f.Close() })
		a.spec.Sockets.HTTP[0].Listen = a.addr
		return a.startWith(want, map[string]*os.File{a.addr: f}, 1)
	}
	return a.startWith(want, nil, 1)
}

// listeners are the listening sockets of a master by their names, to be given to the next one.
func (a *testApp) listeners(h *Handle) map[string]*os.File {
	a.t.Helper()
	files, err := h.Listeners(a.ctx())
	if err != nil {
		a.t.Fatal(err)
	}
	return files
}

func (a *testApp) startWith(want State, files map[string]*os.File, generation int) *Handle {
	a.t.Helper()
	h, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state, Generation: generation, Listeners: files, Standby: a.standby, Stderr: a.stderr, Zygote: a.zygote})
	if err != nil {
		a.t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == want })
	return h
}

// wait waits until the master's status is as wanted. It asks again and again:
// requests and connections come and go without a new version of the status.
func (a *testApp) wait(h *Handle, ok func(Status) bool) (st Status) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	await.TrueIn(a.t, patience, "the status that is wanted", func() bool {
		next, err := h.Status(ctx, 0)
		if err != nil {
			a.t.Fatalf("waiting: %v; last status %+v", err, st)
		}
		st = next
		return ok(st)
	}, func() any { return fmt.Sprintf("%+v", st) })
	return st
}

// get asks for a path and returns status and body.
func (a *testApp) get(path string) (int, string) {
	a.t.Helper()
	resp, err := http.Get(a.url + path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func pids(st Status) map[int]bool {
	m := map[int]bool{}
	for _, w := range st.Workers {
		m[w.PID] = true
	}
	return m
}

// load sends requests until stop is called, which returns how many were
// answered, and every answer that was not good. It returns when each client has had its
// first answer: what the test does next may be over sooner than they would be.
func (a *testApp) load(clients int) (stop func() (int, []string)) {
	var good atomic.Int64
	var mu sync.Mutex
	var bad []string
	end := make(chan struct{})
	var wg, begun sync.WaitGroup
	begun.Add(clients)
	for range clients {
		wg.Go(func() {
			first := sync.OnceFunc(begun.Done)
			defer first()
			c, err := net.Dial("tcp", a.addr)
			if err != nil {
				mu.Lock()
				bad = append(bad, err.Error())
				mu.Unlock()
				return
			}
			defer func() { _ = c.Close() }()
			br := bufio.NewReader(c)
			for {
				select {
				case <-end:
					return
				default:
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				var resp *http.Response
				if err == nil {
					resp, err = http.ReadResponse(br, nil)
				}
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				if err == nil && resp.StatusCode != 200 {
					err = fmt.Errorf("status %d", resp.StatusCode)
				}
				if err != nil {
					mu.Lock()
					bad = append(bad, err.Error())
					mu.Unlock()
					return
				}
				good.Add(1)
				first()
				if resp.Close {
					_ = c.Close()
					if c, err = net.Dial("tcp", a.addr); err != nil {
						return
					}
					br = bufio.NewReader(c)
				}
			}
		})
	}
	begun.Wait()
	return func() (int, []string) {
		close(end)
		wg.Wait()
		return int(good.Load()), bad
	}
}

func TestServesAndStops(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	if code, body := a.get("/"); code != 200 || !strings.HasPrefix(body, "hello ") {
		t.Fatalf("got %d %q", code, body)
	}
	st := a.wait(h, func(st Status) bool {
		return st.Requests.Total == 1 && len(st.Workers) == 1 && st.Workers[0].State == WorkerIdle
	})
	for _, f := range []string{fmt.Sprintf("master/%d", h.PID), fmt.Sprintf("worker/%d", st.Workers[0].PID)} {
		if _, err := os.Stat(filepath.Join(a.spec.Path, "pid", f+".pid")); err != nil {
			t.Error(err)
		}
	}
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(a.spec.Path, "pid", "*", "*.pid"))
	if len(left) > 0 {
		t.Errorf("pid files left: %v", left)
	}
	if all, err := FindMasters(a.state, "demo"); err != nil || len(all) != 0 {
		t.Errorf("masters left: %v, %v", all, err)
	}
	a.mustLogLine("master ends")
}

// What ss and top show. Where the application names its processes, that name
// stays.
func TestProcessesAreCalledByTheirApp(t *testing.T) {
	comm := func(pid int) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(string(b))
	}
	// As setproctitle does.
	const prctlName = "import ctypes\nctypes.CDLL(None).prctl(15, b'mine', 0, 0, 0)\n"
	for what, c := range map[string]struct {
		app      string
		preload  bool
		template string
		worker   string
	}{
		"":                  {helloApp, false, "", "wsgid-w:demo"},
		"preload":           {helloApp, true, "wsgid-t:demo", "wsgid-w:demo"},
		"named":             {prctlName + helloApp, false, "", "mine"},
		"preload and named": {prctlName + helloApp, true, "mine", "mine"},
	} {
		t.Run(what, func(t *testing.T) {
			a := newTestApp(t, c.app, func(s *appspec.Spec) { s.Workers.Preload = c.preload })
			h := a.start(StateReady)
			if got := comm(h.PID); got != "wsgid:demo" {
				t.Errorf("the master is called %q", got)
			}
			st, err := h.Status(a.ctx(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range st.Workers {
				if got := comm(w.PID); got != c.worker {
					t.Errorf("worker %d is called %q", w.PID, got)
				}
				line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", w.PID))
				if err != nil || !strings.Contains(strings.Split(string(line), "\x00")[0], "python") {
					t.Errorf("the command line of worker %d is %q, %v", w.PID, line, err)
				}
			}
			if c.preload {
				if got := comm(parentOf(t, st.Workers[0].PID)); got != c.template {
					t.Errorf("the template is called %q", got)
				}
			}
		})
	}
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	parent, err := appdir.ParentOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

func TestScalesInPlace(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	before := pids(st)
	if err := h.Scale(a.ctx(), 4, 4); err != nil {
		t.Fatal(err)
	}
	st = a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 4 })
	for pid := range before {
		if !pids(st)[pid] {
			t.Errorf("worker %d is gone", pid)
		}
	}
	if err := h.Scale(a.ctx(), 1, 1); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return len(st.Workers) == 1 })
}

// Who asks for what comes after a version waits until there is something new.
func TestStatusWaitsForNews(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	st := a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && st.Workers[0].State == WorkerIdle })
	short, cancel := context.WithTimeout(a.ctx(), 100*time.Millisecond)
	defer cancel()
	if next, err := h.Status(short, st.Version); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("no news, and yet: %+v, %v", next, err)
	}
	news := make(chan Status, 1)
	go func() {
		next, _ := h.Status(a.ctx(), st.Version)
		news <- next
	}()
	if err := h.Scale(a.ctx(), 2, 2); err != nil {
		t.Fatal(err)
	}
	if next := <-news; next.Version <= st.Version || next.Max != 2 {
		t.Errorf("the news are %+v", next)
	}
}

func TestReloadLosesNothing(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	h := a.start(StateReady)
	stop := a.load(8)
	for range 5 {
		st, _ := h.Status(a.ctx(), 0)
		old := pids(st)
		if err := h.Reload(a.ctx()); err != nil {
			t.Fatal(err)
		}
		a.wait(h, func(st Status) bool {
			for pid := range pids(st) {
				if old[pid] {
					return false
				}
			}
			return st.Rollout == 0 && len(st.Workers) == 2
		})
	}
	good, bad := stop()
	if len(bad) > 0 || good < 100 {
		t.Errorf("%d good answers, bad: %v", good, bad)
	}
}

func TestBadRolloutKeepsServing(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	a.write("app.py", "import does_not_exist\n")
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	got := a.wait(h, func(st Status) bool { return st.State == StateDegraded })
	if want := "the previous workers keep serving, the rollout was abandoned: ModuleNotFoundError: No module named 'does_not_exist' (" + a.spec.Path + "/app/app.py, line 1)"; got.Reason != want {
		t.Errorf("reason %q, want %q", got.Reason, want)
	}
	if !strings.Contains(got.Traceback, "import does_not_exist") {
		t.Errorf("traceback %q", got.Traceback)
	}
	if code, _ := a.get("/"); code != 200 || !pids(got)[st.Workers[0].PID] {
		t.Errorf("does not serve on: %d", code)
	}
	a.write("app.py", helloApp)
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady && st.Rollout == 0 })
}

func TestBackoffAndRetry(t *testing.T) {
	a := newTestApp(t, "raise RuntimeError('no database')\n", func(s *appspec.Spec) {
		s.Debug = true // the answers tell why
		s.Restart.MinDelay = appspec.Duration(time.Hour)
		s.Restart.MaxDelay = appspec.Duration(time.Hour)
	})
	h := a.start(StateBackoff)
	st, _ := h.Status(a.ctx(), 0)
	if !strings.HasPrefix(st.Reason, "RuntimeError: no database ("+a.spec.Path+"/app/app.py, line 1); next try in 1h") {
		t.Errorf("reason %q", st.Reason)
	}
	if code, body := a.get("/"); code != 503 || !strings.Contains(body, "no worker runs: RuntimeError: no database") {
		t.Errorf("got %d %q", code, body)
	}
	a.write("app.py", helloApp)
	if err := h.Retry(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady })
}

// A request that could be served by the next try waits for it, and is told why
// there was none.
func TestWaitsForTheNextTry(t *testing.T) {
	a := newTestApp(t, "raise RuntimeError('no database')\n", func(s *appspec.Spec) {
		s.Debug = true // the answers tell why
		s.Restart.MinDelay = appspec.Duration(50 * time.Millisecond)
		s.Restart.MaxDelay = appspec.Duration(50 * time.Millisecond)
		s.Workers.QueueTimeout = appspec.Duration(400 * time.Millisecond)
	})
	h := a.start(StateBackoff)
	if code, body := a.get("/"); code != 503 || !strings.Contains(body, "no worker became available within 400ms (workers.queue_timeout): RuntimeError: no database") {
		t.Errorf("got %d %q", code, body)
	}
	next := *a.spec
	next.Workers.QueueTimeout = appspec.Duration(patience)
	if err := h.Update(a.ctx(), &next, 2, false); err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		code, body := a.get("/")
		answer <- fmt.Sprint(code, " ", body)
	}()
	a.wait(h, func(st Status) bool { return st.Requests.Active == 1 })
	a.write("app.py", helloApp)
	if got := <-answer; !strings.HasPrefix(got, "200 hello ") {
		t.Errorf("got %q", got)
	}
}

// Whoever starts a master may change his mind, as the daemon does when it is
// told to upgrade: a client that the new master has taken is served.
func TestStartThatIsInterrupted(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a.addr = ln.Addr().String()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a.spec.Sockets.HTTP[0].Listen = a.addr
	c := a.send("/")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		pid := 0
		for deadline := time.Now().Add(patience); pid == 0 && time.Now().Before(deadline); {
			pid = childNamed(MasterTitle + a.spec.Name)
		}
		if pid == 0 {
			t.Error("no master is started")
			cancel()
			return
		}
		// It shall not have answered when the context ends.
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		cancel()
		<-time.After(50 * time.Millisecond)
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}()
	h, err := StartMaster(ctx, StartOptions{Spec: a.spec, StateDir: a.state, Generation: 1, Listeners: map[string]*os.File{a.addr: f}})
	if err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if got := c.answer("GET").text(t); !strings.HasPrefix(got, "200 hello ") {
		t.Errorf("got %q", got)
	}
	if _, err := StartMaster(ctx, StartOptions{Spec: a.spec, StateDir: a.state, Generation: 2, Listeners: map[string]*os.File{a.addr: f}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a start that is called off before it begins: %v", err)
	}
	if all, err := FindMasters(a.state, a.spec.Name); err != nil || len(all) != 1 || all[0].PID != h.PID {
		t.Errorf("masters %v, %v", all, err)
	}
}

// childNamed is the process among our children that calls itself so; 0: none.
func childNamed(name string) int {
	paths, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range paths {
		children, _ := os.ReadFile(path)
		for child := range strings.FieldsSeq(string(children)) {
			b, _ := os.ReadFile("/proc/" + child + "/cmdline")
			// Its state directory stands behind the title.
			if title, _, _ := strings.Cut(string(b), "\x00"); title == name {
				pid, _ := strconv.Atoi(child)
				return pid
			}
		}
	}
	return 0
}

func TestWorkerDeath(t *testing.T) {
	a := newTestApp(t, helloApp, debugging)
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	if code, body := a.get("/die"); code != 502 || !strings.Contains(body, "died: exit status 7") {
		t.Errorf("got %d %q", code, body)
	}
	// One that is ahead of a dying worker is served by the next.
	var wg sync.WaitGroup
	codes := make([]int, 6)
	for i := range codes {
		wg.Go(func() {
			path := "/"
			if i == 0 {
				path = "/die"
			}
			codes[i], _ = a.get(path)
		})
	}
	wg.Wait()
	for i, c := range codes {
		if i > 0 && c != 200 {
			t.Errorf("request %d beside the dying one got %d", i, c)
		}
	}
	got := a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == 1 })
	if got.Restarts != 2 || pids(got)[st.Workers[0].PID] {
		t.Errorf("status %+v", got)
	}
}

func TestRequestTimeout(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Debug = true
		s.Workers.RequestTimeout = appspec.Duration(time.Second)
	})
	h := a.start(StateReady)
	if code, body := a.get("/sleep?600"); code != 504 || !strings.Contains(body, "workers.request_timeout") {
		t.Errorf("got %d %q", code, body)
	}
	a.mustLogLine("app.py\", line 7 in application")
	a.update(h, func(s *appspec.Spec) { s.Workers.RequestTimeout = appspec.Duration(patience) })
	if code, _ := a.get("/"); code != 200 {
		t.Errorf("the replacement answers %d", code)
	}
	if st, _ := h.Status(a.ctx(), 0); st.Requests.Timeouts != 1 {
		t.Errorf("status %+v", st)
	}
}

func TestQueueLimits(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, heldApp, func(s *appspec.Spec) {
		s.Debug = true // the answers tell why
		s.Workers.Queue = 1
		s.Workers.QueueTimeout = appspec.Duration(500 * time.Millisecond)
		s.Workers.RequestTimeout = appspec.Duration(5 * patience)
	})
	h := a.start(StateReady)
	w := way{addr: a.addr}
	ask := func(path string, want int, text string) {
		got := w.get(t, path)
		if got.StatusCode != want || !strings.Contains(got.body, text) {
			t.Errorf("%s: got %d %q, want %d %q", path, got.StatusCode, got.body, want, text)
		}
		if want == 503 && got.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	release := a.hold(h, w)
	ask("/queued", 503, "no worker was free within 500ms")
	longer := *a.spec
	longer.Workers.QueueTimeout = appspec.Duration(5 * patience)
	if err := h.Update(a.ctx(), &longer, 2, false); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { ask("/waits", 200, "hello") })
	a.active(h, 2)
	ask("/more", 503, "1 requests wait for a worker already")
	release()
	wg.Wait()
}

func TestReplaceHandsConnectionsOver(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	h := a.start(StateReady)
	stop := a.load(8)
	for gen := 2; gen < 6; gen++ {
		files := a.listeners(h)
		a.standby = true
		next := a.startWith(StateReady, files, gen)
		if err := h.Drain(a.ctx(), next); err != nil {
			t.Fatal(err)
		}
		if err := h.Wait(a.ctx()); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			_ = f.Close()
		}
		h = next
	}
	good, bad := stop()
	if len(bad) > 0 || good < 100 {
		t.Errorf("%d good answers, bad: %v", good, bad)
	}
}

// A new master that cannot serve takes no request from the one that can.
func TestStandbyTakesNothing(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	files := a.listeners(h)
	a.write("app.py", "import nope\n")
	a.standby = true
	next := a.startWith(StateBackoff, files, 2)
	for range 50 {
		if code, _ := a.get("/"); code != 200 {
			t.Fatalf("got %d", code)
		}
	}
	if st, err := next.Status(a.ctx(), 0); err != nil || st.Requests.Total != 0 {
		t.Errorf("the new master took requests: %+v, %v", st.Requests, err)
	}
}

func TestMasterDeathLeavesNoWorker(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	st, _ := h.Status(a.ctx(), 0)
	pid := st.Workers[0].PID
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, int(patience/time.Millisecond))
		if err == unix.EINTR {
			continue
		}
		if n != 1 {
			t.Errorf("worker %d outlives its master: %v", pid, err)
		}
		return
	}
}

func TestStartErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		change func(*appspec.Spec)
		want   string
	}{
		"port taken": {func(s *appspec.Spec) { s.Sockets.HTTP[0].Listen = taken.Addr().String() },
			"cannot start master of demo: cannot listen on " + taken.Addr().String() + ": the port is taken by another process (ss -ltnp shows which)"},
		"no python": {func(s *appspec.Spec) { s.Python = "/nonexistent/python3" },
			"/nonexistent/python3"},
		"no folder for the socket": {func(s *appspec.Spec) { s.Sockets.HTTP[0].Listen = "unix:/nonexistent/x.sock" },
			"cannot start master of demo: cannot listen on unix:/nonexistent/x.sock: its folder does not exist"},
		"not handed over": {func(s *appspec.Spec) { s.Sockets.HTTP[0].Listen = "systemd:blog" },
			`cannot start master of demo: cannot listen on systemd:blog: the service manager handed over no descriptor named "blog" (FileDescriptorName= of a .socket unit)`},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, helloApp, c.change)
			_, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// An update back to what runs heals an app whose rollout failed.
func TestGivenUpSpecIsForgotten(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	h := a.start(StateReady)
	bad := *a.spec
	bad.WSGIApp = "nope:application"
	if err := h.Update(a.ctx(), &bad, 2, true); err != nil {
		t.Fatal(err)
	}
	st := a.wait(h, func(st Status) bool { return st.State == StateDegraded })
	if st.WantDigest == st.SpecDigest {
		t.Errorf("status does not tell the specs apart: %+v", st)
	}
	if err := h.Update(a.ctx(), a.spec, 3, false); err != nil {
		t.Fatal(err)
	}
	st = a.wait(h, func(st Status) bool { return st.State == StateReady })
	if st.RolloutError != "" || st.WantDigest != st.SpecDigest || st.Generation != 3 {
		t.Errorf("status %+v", st)
	}
}
