package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// killedApp kills itself while it is loaded, as often as the file says.
const killedApp = `
import os, signal
left = os.path.join(os.path.dirname(os.path.abspath(__file__)), "left")
with open(left, "r+") as f:
    n = int(f.read())
    f.seek(0)
    f.write("%3d" % max(n - 1, 0))
if n > 0:
    os.kill(os.getpid(), signal.SIGKILL)
` + helloApp

// A worker that somebody kills while it starts does not end its rollout; one
// that dies each time does.
func TestRolloutOutlivesAKill(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	h := a.start(StateReady)
	for _, tt := range []struct {
		kills int
		state State
	}{{1, StateReady}, {100, StateDegraded}, {0, StateReady}} {
		a.write("app.py", killedApp)
		left := filepath.Join(a.spec.Path, "app/left")
		if err := os.WriteFile(left, fmt.Appendf(nil, "%3d", tt.kills), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(left, 0o666); err != nil {
			t.Fatal(err)
		}
		st, err := h.Status(a.ctx(), 0)
		if err != nil {
			t.Fatal(err)
		}
		old := pids(st)
		if err := h.Reload(a.ctx()); err != nil {
			t.Fatal(err)
		}
		got := a.wait(h, func(st Status) bool {
			for pid := range pids(st) {
				if old[pid] && tt.state == StateReady {
					return false
				}
			}
			return st.Rollout == 0 && st.State == tt.state
		})
		if tt.state == StateDegraded && !strings.Contains(got.Reason, "the worker ended before it was ready: killed by SIGKILL") {
			t.Errorf("reason %q", got.Reason)
		}
	}
}

// An app that runs no worker finds out about a spec that does not work with its
// next request, which the spec before answers: no matter how many such specs
// came, whether it drains meanwhile, or whether its master has just been started.
func TestBadSpecOfAnAppWithoutWorkers(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 0, 1
		s.Workers.IdleTimeout = appspec.Duration(30 * time.Millisecond)
	})
	with := func(app string) *appspec.Spec {
		s := *a.spec
		s.WSGIApp = app
		return &s
	}
	h := a.start(StateIdle)
	hand := func(spec *appspec.Spec, generation int) {
		t.Helper()
		a.wait(h, func(st Status) bool { return st.State == StateIdle && len(st.Workers) == 0 })
		if err := h.Update(a.ctx(), spec, generation, true); err != nil {
			t.Fatal(err)
		}
	}
	works := func() {
		t.Helper()
		if got := a.send("/").answer("GET").text(t); !strings.HasPrefix(got, "200 hello ") {
			t.Fatalf("got %q", got)
		}
	}
	works()
	hand(with("missing:app"), 2)
	hand(with("app:missing"), 3)
	works()
	reason := "wsgi_app app:missing: module app has no attribute missing (" + a.spec.Path + "/app/app.py)"
	// The worker that answers leaves again in a moment, and the app is idle then.
	st := a.wait(h, func(st Status) bool { return st.RolloutError == reason })
	if st.State == StateDegraded && st.Reason != "the previous workers keep serving, the rollout was abandoned: "+reason ||
		st.SpecDigest != Digest(a.spec) || st.WantDigest != Digest(with("app:missing")) {
		t.Errorf("status %+v", st)
	}
	a.mustLogLine("ERROR", "generation 3 is abandoned, the previous spec stays in effect: "+reason)

	hand(a.spec, 4)
	if st, err := h.Status(a.ctx(), 0); err != nil || st.RolloutError != "" {
		t.Errorf("back by hand: %+v, %v", st, err)
	}
	works()

	hand(with("missing:app"), 5)
	c := a.dial()
	c.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if line, err := c.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	files := a.listeners(h)
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	a.mustLogLine("draining: asked to")
	c.send("hello")
	if line, err := c.r.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if got := c.answer("POST").text(t); got != "200 hello" {
		t.Errorf("while it drains: %q", got)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}

	h, err := StartMaster(a.ctx(), StartOptions{Spec: with("missing:app"), StateDir: a.state, Generation: 6, Listeners: files})
	if err != nil {
		t.Fatal(err)
	}
	works()
	if st := a.wait(h, func(st Status) bool { return st.RolloutError != "" }); st.SpecDigest != Digest(a.spec) {
		t.Errorf("after the start: %+v", st)
	}
}

// What an app can go back to is the spec by which it served last, and it is
// forgotten when the app comes to have workers at all times.
func TestServedSpecIsTheLastOne(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 0, 1 })
	served := func() string {
		b, err := os.ReadFile(filepath.Join(a.state, "apps", a.spec.Name, ServedFile))
		if err != nil {
			return err.Error()
		}
		var spec appspec.Spec
		if err := json.Unmarshal(b, &spec); err != nil {
			t.Fatal(err)
		}
		return spec.Env["WORD"]
	}
	h := a.start(StateIdle)
	if code, _ := a.get("/"); code != 200 {
		t.Fatalf("got %d", code)
	}
	spec := *a.spec
	spec.Env = map[string]string{"WORD": "bye"}
	if err := h.Update(a.ctx(), &spec, 2, true); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return st.Rollout == 0 && st.State == StateReady })
	if _, body := a.get("/"); !strings.HasPrefix(body, "bye ") || served() != "bye" {
		t.Errorf("got %q, served by %q", body, served())
	}
	files := a.listeners(h)
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	a.spec.Workers.Min = 1
	a.startWith(StateReady, files, 3)
	if got := served(); !strings.Contains(got, "no such file") {
		t.Errorf("served by %q", got)
	}
}
