package runner

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

// politeApp waits, while it is imported, until it has the nice value of the file
// want, then for that of the file until where there is one. It answers by its nice
// value at import, and by those of now: its own, a thread's, that of a child, and of a
// child that is nicer by itself.
const politeApp = `
import os, subprocess, sys, threading, time
def nice(): return os.getpriority(os.PRIO_PROCESS, 0)
def number(name):
    try:
        with open(name) as f: return int(f.read())
    except FileNotFoundError: return None
def reach(value):
    end = time.monotonic() + 90
    while value is not None and nice() != value and time.monotonic() < end: time.sleep(0.005)
reach(number("want"))
imported = nice()
tid, stop = None, threading.Event()
def thread():
    global tid
    tid = threading.get_native_id()
    stop.wait()
def start():
    global child, nicer
    threading.Thread(target=thread, daemon=True).start()
    sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleep)
    nicer = subprocess.Popen(sleep, preexec_fn=lambda: os.nice(4))
start()
reach(number("until"))
def of(pid): return os.getpriority(os.PRIO_PROCESS, pid)
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d: %d %d %d %d" % (imported, nice(), of(tid), of(child.pid), of(nicer.pid))]
`

// preloadedApp is politeApp whose threads and children are those of each worker.
var preloadedApp = "import wsgid\n" + strings.Replace(politeApp, "\nstart()\n", "\nwsgid.postfork(start)\n", 1)

// A worker that starts beside others that serve leaves the CPU to them until it is
// ready, and serves as they do. One that nobody waits beside does not.
func TestStartingWorkerStandsBack(t *testing.T) {
	t.Parallel()
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	base := 20 - raw
	back := func(by int) int { // where a master may not raise again, it does not lower
		if !sandbox.MayRaise() {
			return base
		}
		return min(base+by, 19)
	}
	// What a child takes from its own priority it can take only down to the lowest, and is
	// raised with the others from there: under nice there is less to take.
	serving := func(lowered int) string {
		return fmt.Sprintf("%d %d %d %d", base, base, base, min(lowered+4, 19)-(lowered-base))
	}
	for name, c := range map[string]struct {
		app    string
		change func(*appspec.Spec)
		want   int
		until  bool // it is ready only when it does not stand back any more
		after  bool // its children are started when it is ready
	}{
		"by default":  {app: politeApp, change: func(*appspec.Spec) {}, want: back(10)},
		"somewhat":    {app: politeApp, change: func(s *appspec.Spec) { s.Workers.StartNice = 3 }, want: back(3)},
		"not at all":  {app: politeApp, change: func(s *appspec.Spec) { s.Workers.StartNice = 0 }, want: base},
		"preloaded":   {app: preloadedApp, change: func(s *appspec.Spec) { s.Workers.Preload = true }, want: back(10), after: true},
		"in a chroot": {app: politeApp, change: func(s *appspec.Spec) { s.Chroot = os.Geteuid() == 0 }, want: back(10)},
		"not for long": {app: politeApp, change: func(s *appspec.Spec) { s.Workers.StartTimeout = appspec.Duration(24 * time.Second) },
			want: back(10), until: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTestApp(t, c.app, c.change)
			a.put("want", fmt.Sprint(base))
			h := a.start(StateReady)
			a.answers(fmt.Sprintf("%d: %s", base, serving(base)))
			a.put("want", fmt.Sprint(c.want))
			if c.until {
				a.put("until", fmt.Sprint(base))
			}
			if err := h.Reload(a.ctx()); err != nil {
				t.Fatal(err)
			}
			lowered := c.want
			if c.after {
				lowered = base
			}
			a.answers(fmt.Sprintf("%d: %s", c.want, serving(lowered)))
		})
	}
}

// answers waits until the app answers that.
func (a *testApp) answers(want string) {
	a.t.Helper()
	var got string
	await.TrueIn(a.t, 2*patience, fmt.Sprintf("the answer %q", want), func() bool { _, got = a.get("/"); return got == want },
		func() any { return fmt.Sprintf("%q", got) })
}
