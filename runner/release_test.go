package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Each release says who it is when it is loaded and, with a module that it
// imports late, when it is asked.
const releasedApp = `
import os
CODE = os.path.basename(os.path.dirname(__file__))

def application(environ, start_response):
    import late
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %s" % (CODE, late.CODE)).encode()]
`

func (a *testApp) release(id string) *appspec.Release {
	a.t.Helper()
	dir := filepath.Join(a.spec.Path, "releases", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		a.t.Fatal(err)
	}
	for name, code := range map[string]string{"app.py": releasedApp, "late.py": "CODE = " + `"` + id + `"` + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	return &appspec.Release{ID: id, Commit: "3f2a91c0ffee", Dir: "releases/" + id}
}

// A release is served from its own folder: what a worker imports late, and a
// worker that replaces one later, are of the release that was rolled out,
// wherever the link app points by then.
func TestReleases(t *testing.T) {
	a := newTestApp(t, "raise RuntimeError('app/ is not served')", nil)
	one, two := a.release("one"), a.release("two")
	bad := a.release("bad")
	if err := os.WriteFile(filepath.Join(a.spec.Path, bad.Dir, "app.py"), []byte("import nothing_of_that_name\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(a.spec.Path, "app")
	if err := os.RemoveAll(app); err != nil {
		t.Fatal(err)
	}
	point := func(r *appspec.Release) {
		t.Helper()
		_ = os.Remove(app)
		if err := os.Symlink(r.Dir, app); err != nil {
			t.Fatal(err)
		}
	}
	want := func(body string) {
		t.Helper()
		if code, got := a.get("/"); code != 200 || got != body {
			t.Errorf("answered %d %q, want %q", code, got, body)
		}
	}
	a.spec.Release = one
	h := a.start(StateReady)
	point(two) // before the first request, and so before the late import
	want("one one")

	next := *a.spec
	next.Release = two
	if err := h.Update(a.ctx(), &next, 2, true); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady && st.SpecDigest == Digest(&next) })
	want("two two")

	broken := next
	broken.Release = bad
	_ = h.Update(a.ctx(), &broken, 3, true)
	a.wait(h, func(st Status) bool { return strings.Contains(st.RolloutError, "nothing_of_that_name") })
	point(bad)
	was := a.wait(h, func(st Status) bool { return len(st.Workers) == 1 })
	end, err := os.FindProcess(was.Workers[0].PID)
	if err != nil {
		t.Fatal(err)
	}
	_ = end.Kill()
	a.wait(h, func(st Status) bool {
		return len(st.Workers) == 1 && st.Workers[0].PID != was.Workers[0].PID && st.State == StateDegraded
	})
	want("two two")
}

// What a process's command names in app is in the release that it belongs to, as the
// workers' code is, before and after the link app leads there.
func TestProcessOfARelease(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, "raise RuntimeError('app/ is not served')", func(s *appspec.Spec) {
		s.Processes = []appspec.Process{{Name: "bot", Command: []string{"python", "app/bot.py", "app/nowhere"}, Count: 1, StopSignal: "TERM", StopTimeout: appspec.Duration(patience)}}
	})
	bot := func(r *appspec.Release) {
		t.Helper()
		code := "import sys, time\nprint('bot of " + r.ID + "', sys.argv[1])\nwhile True: time.sleep(1000)\n"
		if err := os.WriteFile(filepath.Join(a.spec.Path, r.Dir, "bot.py"), []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	one, two := a.release("one"), a.release("two")
	bot(one)
	bot(two)
	a.spec.Release = one
	h := a.start(StateReady)
	a.mustLogLine("OUTPUT - bot of one app/nowhere") // app is a folder without it
	next := *a.spec
	next.Release = two
	if err := h.Update(a.ctx(), &next, 2, true); err != nil {
		t.Fatal(err)
	}
	a.mustLogLine("OUTPUT - bot of two app/nowhere")
}
