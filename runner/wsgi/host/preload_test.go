package host_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// forked is a worker that a template forked.
type forked struct {
	pid   int
	slots []*slot
	table *os.File
	log   *logBuffer
}

// fork has the template start a worker.
func (w *worker) fork(threads int) *forked {
	w.t.Helper()
	f := &forked{table: abortTable(w.t), log: &logBuffer{done: make(chan struct{})}}
	logRead, logWrite, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	fds := []int{int(logWrite.Fd()), int(f.table.Fd())}
	for range threads {
		s := newSlot(w.t)
		f.slots = append(f.slots, s)
		fds = append(fds, int(s.theirs.Fd()))
	}
	w.slots[0].send(wsgi.AppendHeader(nil, wsgi.MsgFork, 0, 0), fds...)
	logWrite.Close()
	go f.log.readFrom(logRead)
	for _, s := range f.slots {
		s.theirs.Close()
	}
	m := w.slots[0].receive()
	var answer wsgi.Forked
	if m.kind != wsgi.MsgFork || json.Unmarshal(m.payload, &answer) != nil || answer.Error != "" {
		w.t.Fatalf("the template answered %q %s", m.kind, m.payload)
	}
	f.pid = answer.PID
	w.t.Cleanup(func() {
		if syscall.Kill(f.pid, 0) == nil && parent(f.pid) == w.cmd.Process.Pid {
			_ = syscall.Kill(f.pid, syscall.SIGKILL)
		}
		for _, s := range f.slots {
			syscall.Close(s.fd)
		}
		f.table.Close()
		logRead.Close()
		if w.t.Failed() {
			w.t.Logf("log of the forked worker:\n%s", f.log)
		}
	})
	return f
}

// parent is the parent's pid, 0 where there is no such process.
func parent(pid int) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	ppid, _ := strconv.Atoi(strings.Fields(rest)[1])
	return ppid
}

func (w *worker) exited() wsgi.Exited {
	w.t.Helper()
	m := w.slots[0].receive()
	var e wsgi.Exited
	if m.kind != wsgi.MsgExited || json.Unmarshal(m.payload, &e) != nil {
		w.t.Fatalf("the template sent %q %s", m.kind, m.payload)
	}
	return e
}

const preloaded = `
import os, random, signal, subprocess, sys, threading
import wsgid

loaded_in = os.getpid()
held = [open(os.devnull) for _ in range(20)]  # descriptors where slots would lie
hooked = []

@wsgid.postfork
def hook():
    hooked.append(os.getpid())
    if os.environ.get("FAIL") and os.path.exists(os.environ["FAIL"]):
        raise OSError("no database")

def application(environ, start_response):
    start_response("200 OK", [])
    path = environ["PATH_INFO"]
    if path == "/facts":
        ok = [loaded_in == os.getppid(), hooked == [os.getpid()],
              environ["wsgi.multithread"], environ["wsgi.multiprocess"],
              signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL]
        return [repr(ok).encode()]
    if path == "/random":
        return [repr(random.random()).encode()]
    if path == "/held":
        return [repr([f.read() for f in held] == [""] * 20).encode()]
    if path == "/pid":
        return [str(os.getpid()).encode()]
    if path == "/sub":
        return [subprocess.check_output(["echo", "sub"])]
    if path == "/log":
        print("to stdout")
        print("to stderr", file=sys.stderr)
        return [b"log"]
    if path == "/exit":
        os._exit(7)
    if path == "/stream":
        return (b"x" for _ in range(1000000))
    return [b"body"]
`

func TestPreload(t *testing.T) {
	w, ready := startReady(t, webApp(t, preloaded), options{config: wsgi.Config{
		WSGIApp: "web:application", Preload: true, Threads: 2}})
	if ready.App != "web:application" || len(ready.Warnings) != 0 {
		t.Errorf("ready is %+v", ready)
	}
	one, two := w.fork(2), w.fork(2)
	random := map[string]bool{}
	for _, f := range []*forked{one, two} {
		if r := f.slots[0].ready(); r.App != "web:application" || r.ImportMS != ready.ImportMS {
			t.Errorf("ready is %+v", r)
		}
		for _, s := range f.slots {
			for path, want := range map[string]string{
				"/facts": "[True, True, True, True, True]", "/held": "True", "/pid": strconv.Itoa(f.pid),
				"/sub": "sub\n", "/log": "log",
			} {
				if r := s.do(map[string]any{"PATH_INFO": path}, ""); r.String() != "200 OK "+want {
					t.Errorf("%s: got %s, want %s", path, r, want)
				}
			}
			random[s.do(map[string]any{"PATH_INFO": "/random"}, "").body] = true
		}
		await.True(t, "own log", func() bool { return f.log.String() == strings.Repeat("to stdout\nto stderr\n", 2) })
	}
	if len(random) != 4 {
		t.Errorf("random numbers repeat: %v", random)
	}
	// Its own abort table.
	s := one.slots[1]
	seq := s.request(map[string]any{"PATH_INFO": "/stream"}, "")
	r := &response{}
	for range 3 {
		if s.take(r) {
			t.Fatal("the stream ended")
		}
	}
	if _, err := one.table.WriteAt([]byte{byte(seq), 0, 0, 0}, 4); err != nil {
		t.Fatal(err)
	}
	for !s.take(r) {
	}

	// The end of each is told.
	two.slots[0].request(map[string]any{"PATH_INFO": "/exit"}, "")
	if e := w.exited(); e != (wsgi.Exited{PID: two.pid, Code: 7}) {
		t.Errorf("exited is %+v", e)
	}
	three := w.fork(1)
	three.slots[0].ready()
	if err := syscall.Kill(three.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := w.exited(); e != (wsgi.Exited{PID: three.pid, Signal: 9}) {
		t.Errorf("exited is %+v", e)
	}
	for _, s := range one.slots {
		s.send(wsgi.AppendHeader(nil, wsgi.MsgQuit, 0, 0))
	}
	if e := w.exited(); e != (wsgi.Exited{PID: one.pid}) {
		t.Errorf("exited is %+v", e)
	}
	if log := w.quit(); log != "" {
		t.Errorf("log: %s", log)
	}
}

func TestPreloadFailures(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "fail")
	dir := webApp(t, preloaded+"\nthread = threading.Thread(target=threading.Event().wait, daemon=True, name='poller')\nthread.start()\n")
	w, ready := startReady(t, dir, options{env: []string{"FAIL=" + flag},
		config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
	want := "threads that were started while the application was loaded (poller) do not exist in the workers, " +
		"which are forked: start them in a function with @wsgid.postfork"
	if len(ready.Warnings) != 1 || ready.Warnings[0] != want {
		t.Errorf("warnings %q", ready.Warnings)
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := w.fork(1)
	m := f.slots[0].receive()
	var failure wsgi.Failure
	if m.kind != wsgi.MsgFailed || json.Unmarshal(m.payload, &failure) != nil ||
		failure.Reason != "OSError: no database" || failure.File != dir+"/app/web.py" || failure.Line != 12 {
		t.Errorf("got %q %s", m.kind, m.payload)
	}
	// The master, told the pid, still finds the process.
	if parent(f.pid) != w.cmd.Process.Pid {
		t.Errorf("worker %d was reaped at once", f.pid)
	}
	if e := w.exited(); e != (wsgi.Exited{PID: f.pid, Code: 1}) {
		t.Errorf("exited is %+v", e)
	}
	w.slots[0].send(wsgi.AppendHeader(nil, wsgi.MsgFork, 0, 0))
	if m := w.slots[0].receive(); string(m.payload) != `{"error":"cannot fork a worker: 0 descriptors came, not 3 or more"}` {
		t.Errorf("got %q %s", m.kind, m.payload)
	}
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	w.fork(1).slots[0].ready()

	got := startFailing(t, webApp(t, "raise ValueError('no')\n"),
		options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
	if got.Reason != "ValueError: no" {
		t.Errorf("got %+v", got)
	}
}

// Without preload the hooks run all the same: an application need not know.
func TestPostforkWithoutPreload(t *testing.T) {
	w, _ := startReady(t, webApp(t, preloaded), web)
	w.quit()
	flag := filepath.Join(t.TempDir(), "fail")
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := web
	o.env = []string{"FAIL=" + flag}
	if got := startFailing(t, webApp(t, preloaded), o); got.Reason != "OSError: no database" {
		t.Errorf("got %+v", got)
	}
}

// A worker that was forked shares the template's memory and does not unshare
// it by looking at it.
func TestPreloadSharesMemory(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
import gc
data = [{"number": i, "list": [i]} for i in range(100000)]
def application(environ, start_response):
    gc.collect()
    start_response("200 OK", [])
    with open("/proc/self/smaps_rollup") as f:
        return [next(l for l in f if l.startswith("Private_Dirty")).split()[1].encode()]
`), options{config: wsgi.Config{WSGIApp: "web:application", Preload: true}})
	f := w.fork(1)
	f.slots[0].ready()
	kb, err := strconv.Atoi(f.slots[0].do(nil, "").body)
	if err != nil || kb > 8000 { // the data alone are 30 MB
		t.Errorf("%d KiB are the worker's own: %v", kb, err)
	}
}
