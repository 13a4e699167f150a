package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// What an app starts in a session of its own ends with the app, whatever it makes
// of TERM; its port is free then.
func TestStraysEndWithTheApp(t *testing.T) {
	a := newTestApp(t, `
import os, subprocess, sys
code = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork(): time.sleep(600)\nos.setsid()\ntime.sleep(600)"
def application(environ, start_response):
    p = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    start_response("200 OK", [])
    return [str(p.pid).encode()]
`, nil)
	h := a.start(StateReady)
	_, body := a.get("/")
	pid, err := strconv.Atoi(body)
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	var children []int
	eventually(t, "it has a child", func() bool {
		children = appdir.ChildrenOf(filepath.Join("/proc", body, "task"))
		return len(children) == 1
	})
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	for _, p := range append(children, pid) {
		if _, err := os.Stat("/proc/" + strconv.Itoa(p)); err == nil && !ended(p) {
			t.Errorf("process %d outlives the app that started it", p)
		}
	}
}
