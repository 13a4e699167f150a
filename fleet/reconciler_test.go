package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// fleetDir is a spec directory under a test's hand.
type fleetDir struct {
	t     *testing.T
	root  string // holds d (specs), s (state) and a (app folders)
	dir   string
	state string
}

func newFleetDir(t *testing.T) *fleetDir {
	t.Helper()
	root := shortDir(t)
	f := &fleetDir{t: t, root: root, dir: filepath.Join(root, "d"), state: filepath.Join(root, "s")}
	for _, d := range []string{f.dir, filepath.Join(root, "a")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *fleetDir) file(app string) string { return filepath.Join(f.dir, app+".hcl") }
func (f *fleetDir) path(app string) string { return filepath.Join(f.root, "a", app) }

// write replaces a spec file as editors do.
func (f *fleetDir) write(app, content string) {
	f.t.Helper()
	tmp := f.file(app) + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(tmp, f.file(app)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleetDir) read(app string) string {
	f.t.Helper()
	b, err := os.ReadFile(f.file(app))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

// spec writes an app on a unix socket with the lines added.
func (f *fleetDir) spec(app string, lines ...string) {
	f.t.Helper()
	f.write(app, fmt.Sprintf("app %q {\n  path = %q\n  sockets {\n    http {\n      listen = \"unix:%s\"\n    }\n  }\n  %s\n}\n",
		app, f.path(app), filepath.Join(f.root, app+".sock"), strings.Join(lines, "\n  ")))
}

func (f *fleetDir) remove(app string) {
	f.t.Helper()
	if err := os.Remove(f.file(app)); err != nil {
		f.t.Fatal(err)
	}
}

// fakeOptions are of a fleet without processes.
func (f *fleetDir) fakeOptions(m *fakeMachine) Options {
	return Options{Dir: f.dir, StateDir: f.state, Log: shownLog(f.t), machine: m, folders: fakeFolders{}}
}

// shownLog shows what is logged where a test fails.
func shownLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// engineReconciler is a reconciler with the engine whose passes it makes.
type engineReconciler struct {
	*reconcile.Reconciler
	e *engine
}

func fakeReconciler(t *testing.T, f *fleetDir, m *fakeMachine) *engineReconciler {
	t.Helper()
	e, err := newEngine(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	r := &engineReconciler{reconcile.NewReconciler(e.pass, e.now), e}
	t.Cleanup(r.Close)
	return r
}

func count(n int) string { return fmt.Sprintf("workers {\n    count = %d\n  }", n) }

func restartFast() string {
	return "restart {\n    min_delay = \"10ms\"\n    max_delay = \"40ms\"\n  }"
}

func TestReconcilerFollowsTheSpec(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	defer r.Close()
	do := func(ord reconcile.Intent) {
		t.Helper()
		if _, err := r.e.load(); err != nil {
			t.Fatal(err)
		}
		if out := r.Do(context.Background(), "blog", ord); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	f.spec("blog", count(2))
	do(reconcile.Intent{})
	first := m.only(t, "blog")
	do(reconcile.Intent{})
	if got := m.starts("blog"); got != 1 {
		t.Fatalf("a second pass started a master: %d starts", got)
	}
	f.spec("blog", count(4))
	do(reconcile.Intent{})
	f.spec("blog", count(4), `env = { A = "1" }`)
	do(reconcile.Intent{})
	if got := fmt.Sprint(first.called()); got != "[update rolling=false update rolling=true]" {
		t.Errorf("the master was asked for %s", got)
	}
	f.spec("blog", count(4), `env = { A = "1" }`, `user = "nobody"`)
	if os.Geteuid() == 0 {
		do(reconcile.Intent{})
		second := m.only(t, "blog")
		if second == first || second.Recorded().Generation != 4 {
			t.Errorf("it was not replaced: generation %d", second.Recorded().Generation)
		}
	}
	f.remove("blog")
	do(reconcile.Intent{})
	if n := m.count("blog"); n != 0 {
		t.Errorf("its spec was removed, and %d masters run", n)
	}
	if names, _ := r.e.store.Apps(); len(names) != 0 {
		t.Errorf("the store still knows %v", names)
	}
}

func TestFailuresAreTriedAgainWithBackoff(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	var tries atomic.Int32
	seen := make(chan struct{}) // the first failure was looked at: the second try would replace it
	m.behave = func(*appspec.Spec) (runner.Status, error) {
		n := tries.Add(1)
		if n > 1 {
			<-seen
		}
		if n < 4 {
			return runner.Status{}, errors.New("cannot listen on 127.0.0.1:80: the port is taken")
		}
		return runner.Status{State: runner.StateReady}, nil
	}
	r := fakeReconciler(t, f, m)
	f.spec("blog", restartFast())
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	out := r.Do(context.Background(), "blog", reconcile.Intent{})
	if out.Err == nil || out.Err.Error() != "cannot listen on 127.0.0.1:80: the port is taken" || out.RetryAt.IsZero() {
		t.Fatalf("outcome %+v", out)
	}
	if rem := r.e.store.Load("blog"); rem.Failure == nil || rem.Failure.Attempts != 1 {
		t.Errorf("the failure was not kept: %+v", rem.Failure)
	}
	close(seen)
	eventually(t, "the app runs after the fourth try", func() bool { return m.count("blog") == 1 })
	eventually(t, "the failure is forgotten", func() bool { return r.e.store.Load("blog").Failure == nil })
	if n := tries.Load(); n != 4 {
		t.Errorf("%d tries, want 4", n)
	}
}

// An operator or a change does not wait for the back-off.
func TestAskingEndsTheBackoff(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	broken := true
	m.behave = func(*appspec.Spec) (runner.Status, error) {
		if broken {
			return runner.Status{}, errors.New("no such interpreter")
		}
		return runner.Status{State: runner.StateReady}, nil
	}
	r := fakeReconciler(t, f, m)
	f.spec("blog", `restart {
    min_delay = "1h"
    max_delay = "1h"
  }`)
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err == nil {
		t.Fatal("it started")
	}
	broken = false
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err != nil || m.count("blog") != 0 || out.RetryAt.IsZero() {
		t.Fatalf("it did not wait: %+v", out)
	}
	if out := r.Do(context.Background(), "blog", reconcile.Intent{Request: plan.Request{Retry: true}}); out.Err != nil || m.count("blog") != 1 {
		t.Fatalf("it did not start at once: %+v", out)
	}
}

func TestARolloutGivenUpIsNotTriedByItself(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	pass := func(ord reconcile.Intent) reconcile.Outcome {
		t.Helper()
		if _, err := r.e.load(); err != nil {
			t.Fatal(err)
		}
		return r.Do(context.Background(), "blog", ord)
	}
	f.spec("blog")
	if out := pass(reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	ms := m.only(t, "blog")
	ms.rolls = func(st *runner.Status) {
		st.RolloutError, st.Traceback = "ImportError: no module named x", "Traceback…"
	}
	f.spec("blog", `wsgi_app = "x:y"`)
	if out := pass(reconcile.Intent{}); !reconcile.IsRejected(out.Err) || !out.RetryAt.IsZero() {
		t.Fatalf("outcome %+v", out)
	}
	for range 3 {
		if out := pass(reconcile.Intent{}); out.Err != nil || len(out.Plan.Actions) != 0 {
			t.Fatalf("tried again: %+v", out.Plan)
		}
	}
	res := r.e.settle(context.Background(), "blog", true)
	if res.OK || res.State != "degraded" || res.Reason != "ImportError: no module named x" || res.Traceback != "Traceback…" {
		t.Errorf("result %+v", res)
	}
	ms.rolls = nil
	if out := pass(reconcile.Intent{Request: plan.Request{Reload: true}}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if res := r.e.settle(context.Background(), "blog", true); !res.OK {
		t.Errorf("not healed by a reload: %+v", res)
	}
	if n := m.starts("blog"); n != 1 {
		t.Errorf("%d masters were started, want 1", n)
	}
}

// What could not be rolled out is forgotten when the spec says again what runs.
func TestAnEditTakenBackHeals(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	pass := func() reconcile.Outcome {
		t.Helper()
		if _, err := r.e.load(); err != nil {
			t.Fatal(err)
		}
		return r.Do(context.Background(), "blog", reconcile.Intent{})
	}
	f.spec("blog")
	if out := pass(); out.Err != nil {
		t.Fatal(out.Err)
	}
	ms := m.only(t, "blog")
	ms.rolls = func(st *runner.Status) { st.RolloutError = "ImportError: no module named x" }
	f.spec("blog", `wsgi_app = "x:y"`)
	if out := pass(); !reconcile.IsRejected(out.Err) {
		t.Fatalf("outcome %+v", out)
	}
	f.spec("blog")
	if out := pass(); out.Err != nil {
		t.Fatal(out.Err)
	}
	if res := r.e.settle(context.Background(), "blog", true); !res.OK || res.State != "ready" {
		t.Errorf("result %+v", res)
	}
	if rem := r.e.store.Load("blog"); rem.Failure != nil {
		t.Errorf("the failure is still remembered: %+v", rem.Failure)
	}
	if got := fmt.Sprint(ms.called()); got != "[update rolling=true update rolling=false]" {
		t.Errorf("the master was asked for %s", got)
	}
}

func TestAReplacementThatFailsChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		st     runner.Status
		reason string
	}{
		{"cannot start", runner.Status{State: runner.StateBackoff, LastError: "SyntaxError: invalid syntax", Traceback: "  File…"}, "SyntaxError: invalid syntax"},
		{"never ready", runner.Status{State: runner.StateStarting}, `the new master was not ready within start_timeout = "10ms"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, m := newFleetDir(t), newFakeMachine()
			r := fakeReconciler(t, f, m)
			m.behave = func(s *appspec.Spec) (runner.Status, error) {
				if len(s.Sockets.HTTP) == 2 {
					return tt.st, nil
				}
				return runner.Status{State: runner.StateReady}, nil
			}
			start := "workers {\n    start_timeout = \"10ms\"\n  }"
			f.spec("blog", start)
			pass := func(ord reconcile.Intent) reconcile.Outcome {
				t.Helper()
				if _, err := r.e.load(); err != nil {
					t.Fatal(err)
				}
				return r.Do(context.Background(), "blog", ord)
			}
			if out := pass(reconcile.Intent{}); out.Err != nil {
				t.Fatal(out.Err)
			}
			old := m.only(t, "blog")
			f.write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  sockets {\n    http {\n      listen = \"unix:%s\"\n    }\n    http {\n      listen = \"unix:%s\"\n    }\n  }\n  %s\n}\n",
				f.path("blog"), f.root+"/blog.sock", f.root+"/2.sock", start))
			out := pass(reconcile.Intent{})
			if !reconcile.IsRejected(out.Err) || out.Err.Error() != tt.reason {
				t.Fatalf("outcome %+v", out)
			}
			if m.only(t, "blog") != old || len(old.called()) != 0 {
				t.Errorf("the old master was touched: %v", old.called())
			}
			if a := r.e.store.Load("blog").Applied; a == nil || a.Digest != old.Recorded().SpecDigest {
				t.Error("the store says that the new spec runs")
			}
			if out := pass(reconcile.Intent{}); out.Err != nil || m.starts("blog") != 2 {
				t.Errorf("tried again by itself: %+v", out)
			}
			// The old one dies: it comes back, as what it was.
			old.die()
			if out := pass(reconcile.Intent{Request: plan.Request{Dead: true}}); out.Err != nil {
				t.Fatal(out.Err)
			}
			if m.only(t, "blog").Recorded().SpecDigest != old.Recorded().SpecDigest {
				t.Error("it came back by the spec that does not work")
			}
		})
	}
}

// A newer spec ends the waiting for an older one's workers.
func TestANewerSpecSupersedes(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	load := func() {
		t.Helper()
		if _, err := r.e.load(); err != nil {
			t.Fatal(err)
		}
	}
	f.spec("blog")
	load()
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	ms := m.only(t, "blog")
	ms.rolls = func(st *runner.Status) { st.Rollout = 2 } // and never ends
	f.spec("blog", `wsgi_app = "slow:app"`)
	load()
	r.Enqueue("blog", reconcile.Intent{}, true)
	eventually(t, "the slow rollout is under way", func() bool { st, _ := ms.Status(context.Background(), 0); return st.Rollout == 2 })
	ms.mu.Lock()
	ms.rolls = func(st *runner.Status) { st.Rollout, st.SpecDigest = 0, st.WantDigest }
	ms.mu.Unlock()
	f.spec("blog", `wsgi_app = "quick:app"`)
	load()
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if rem := r.e.store.Load("blog"); rem.Failure != nil || rem.Applied.Spec.WSGIApp != "quick:app" {
		t.Errorf("remembered %+v", rem)
	}
}

// Apps that wait do not keep the place of those that could work.
// A pause cuts a pass short that waits, and what was cut is taken up again.
func TestAPauseIsNoEnd(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	load := func() {
		t.Helper()
		if _, err := r.e.load(); err != nil {
			t.Fatal(err)
		}
	}
	f.spec("blog")
	load()
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	ms := m.only(t, "blog")
	ms.rolls = func(st *runner.Status) { st.Rollout = 2 }
	f.spec("blog", `wsgi_app = "x:y"`)
	load()
	done := make(chan reconcile.Outcome, 1)
	go func() { done <- r.Do(context.Background(), "blog", reconcile.Intent{}) }()
	eventually(t, "the rollout is under way", func() bool { return len(ms.called()) == 1 })
	if !r.Pause(patience) {
		t.Fatal("something is at work")
	}
	f.spec("shop")
	load()
	r.Enqueue("shop", reconcile.Intent{}, true)
	if n := r.Busy(); n != 0 || m.count("shop") != 0 {
		t.Errorf("%d at work, %d masters of shop", n, m.count("shop"))
	}
	ms.set(func(st *runner.Status) { st.Rollout, st.SpecDigest = 0, st.WantDigest })
	r.Resume()
	if out := <-done; out.Err != nil {
		t.Errorf("outcome %+v", out)
	}
	eventually(t, "shop runs", func() bool { return m.count("shop") == 1 })
	if rem := r.e.store.Load("blog"); rem.Failure != nil {
		t.Errorf("a pause is taken for a failure: %+v", rem.Failure)
	}
}

func TestSlowAppsHoldNobodyUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: waits for time limits")
	}
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	const slow = 50
	for i := range slow {
		f.spec(fmt.Sprintf("slow%d", i))
	}
	f.spec("quick")
	load := func() {
		t.Helper()
		if _, err := r.e.load(); err != nil {
			t.Fatal(err)
		}
	}
	load()
	for i := range slow {
		if out := r.Do(context.Background(), fmt.Sprintf("slow%d", i), reconcile.Intent{}); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	for i := range slow {
		app := fmt.Sprintf("slow%d", i)
		m.only(t, app).rolls = func(st *runner.Status) { st.Rollout = 2 }
		f.spec(app, `wsgi_app = "x:y"`)
	}
	load()
	for i := range slow {
		r.Enqueue(fmt.Sprintf("slow%d", i), reconcile.Intent{}, true)
	}
	if out := r.Do(context.Background(), "quick", reconcile.Intent{}); out.Err != nil || m.count("quick") != 1 {
		t.Fatalf("the quick one: %+v", out)
	}
}

func TestOnePassAtATimeForEachName(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	var at, most, passes atomic.Int32
	r := fakeReconciler(t, f, m)
	r.e.folders = fakeFolders{fail: func(string) error {
		n := at.Add(1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		passes.Add(1)
		at.Add(-1)
		return nil
	}}
	f.spec("blog")
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		r.Enqueue("blog", reconcile.Intent{}, false)
	}
	eventually(t, "the queue is empty", func() bool { return r.Busy() == 0 })
	if most.Load() != 1 || passes.Load() > 100 {
		t.Errorf("%d passes, %d at once: not deduplicated", passes.Load(), most.Load())
	}
	if m.starts("blog") != 1 {
		t.Errorf("%d starts", m.starts("blog"))
	}
}

func TestDriftMadeByHand(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	f.spec("blog", count(2))
	ctx := context.Background()
	run := func(want string, f func(context.Context, []string, func(Event)) ([]Result, error), apps ...string) {
		t.Helper()
		rs, err := f(ctx, apps, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(rs); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Apply)
	run("[{blog true stopped stopped by an operator; start it with: wsgid-fleet start blog  [] <nil>  <nil> []}]", l.Stop, "blog")
	run("[{blog true stopped stopped by an operator; start it with: wsgid-fleet start blog  [] <nil>  <nil> []}]", l.Apply) // without its name
	run("[{blog false stopped cannot reload it: it is stopped; start it first: wsgid-fleet start blog  [] <nil>  <nil> []}]", l.Reload, "blog")
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Apply, "blog")
	run("[{blog true stopped stopped by an operator; start it with: wsgid-fleet start blog  [] <nil>  <nil> []}]", l.Stop)
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Start)
	rs, err := l.Scale(ctx, map[string]int{"blog": 7}, nil)
	if err != nil || len(rs) != 1 || !rs[0].OK {
		t.Fatalf("scale: %+v, %v", rs, err)
	}
	st, _ := l.Status(ctx)
	if d := st.Apps[0].Desired; d != (state.Desired{Min: 7, Max: 7}) {
		t.Errorf("desired %v after scale", d)
	}
	before := m.only(t, "blog")
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Restart, "blog")
	if m.only(t, "blog") == before {
		t.Error("restart kept the master")
	}
	if st, _ := m.only(t, "blog").Status(ctx, 0); st.Max != 7 {
		t.Errorf("restart forgot the scale: %d workers", st.Max)
	}
	f.spec("blog", count(3)) // the spec's next change ends it
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Apply)
	if st, _ := m.only(t, "blog").Status(ctx, 0); st.Max != 3 {
		t.Errorf("the spec's change did not end the scale: %d workers", st.Max)
	}
	f.spec("blog", "enabled = false")
	run("[{blog true disabled enabled = false  [] <nil>  <nil> []}]", l.Apply)
	run("[{blog false disabled cannot start it: enabled = false in "+f.file("blog")+"  [] <nil>  <nil> []}]", l.Start, "blog")
	if _, err := l.Scale(ctx, map[string]int{"blog": 0}, nil); err == nil || err.Error() != "cannot scale app blog to 0: an app has at least one worker; stop it with: wsgid-fleet stop blog" {
		t.Errorf("scale to 0: %v", err)
	}
	if _, err := l.Stop(ctx, []string{"blok"}, nil); err == nil || err.Error() != "cannot stop app blok: no spec in "+f.dir+" names it; did you mean blog?" {
		t.Errorf("unknown: %v", err)
	}
}

func TestBrokenDefaultsChangeNothing(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	f.spec("blog", count(2))
	if _, err := l.Apply(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	f.write("defaults", "defaults {\n  nonsense = 1\n}\n")
	f.spec("blog", count(5))
	f.spec("shop")
	_, err = l.Apply(ctx, nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "the fleet is not changed while defaults.hcl is broken: "+f.dir+"/defaults.hcl:2") {
		t.Errorf("apply: %v", err)
	}
	st, err := l.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Faults) != 1 || st.Apps[0].State != "degraded" || !strings.Contains(st.Apps[0].Reason, "defaults.hcl is broken") {
		t.Errorf("status %+v", st)
	}
	var said []string
	rs, err := l.Reload(ctx, []string{"blog"}, func(ev Event) {
		if ev.App == "" {
			said = append(said, ev.Message)
		}
	})
	if err != nil || len(rs) != 1 || len(said) != 1 || !strings.HasPrefix(said[0], "the fleet is not changed while defaults.hcl is broken") {
		t.Errorf("reload: %+v, %v, said %q", rs, err, said)
	}
	if st, _ := m.only(t, "blog").Status(ctx, 0); st.Max != 2 || m.count("shop") != 0 {
		t.Errorf("something changed: %d workers, %d shops", st.Max, m.count("shop"))
	}
	f.remove("defaults")
	if rs, err := l.Apply(ctx, nil, nil); err != nil || len(rs) != 2 || !rs[0].OK || !rs[1].OK {
		t.Errorf("mended: %+v, %v", rs, err)
	}
}

// What a broken file defined runs on, in this process and the next.
func TestBrokenFileKeepsItsApps(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	ctx := context.Background()
	f.spec("blog")
	f.spec("shop")
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	f.write("blog", "app \"blog\" {\n  workers = 4\n")
	f.write("wiki", "app \"wiki\" { nonsense = 1 }\n")
	l, err = OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	rs, err := l.Apply(ctx, nil, nil)
	if err != nil || len(rs) != 3 {
		t.Fatalf("%+v, %v", rs, err)
	}
	if rs[0].OK || rs[0].State != "degraded" || !strings.HasPrefix(rs[0].Reason, "runs on its last good spec: "+f.file("blog")+":") {
		t.Errorf("broken: %+v", rs[0])
	}
	if !rs[1].OK {
		t.Errorf("the other: %+v", rs[1])
	}
	if rs[2].OK || rs[2].State != "invalid" || !strings.HasPrefix(rs[2].Reason, f.file("wiki")+":1") {
		t.Errorf("never good: %+v", rs[2])
	}
	if m.starts("blog") != 1 || m.count("blog") != 1 {
		t.Error("the broken file's app was touched")
	}
	// It even comes back after its death, by the last good spec.
	m.only(t, "blog").die()
	if _, err := l.Apply(ctx, nil, nil); err != nil || m.count("blog") != 1 {
		t.Errorf("not restarted by its last good spec: %v", err)
	}
}

func TestMissingDirectoryIsAFault(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	ctx := context.Background()
	f.spec("blog")
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	want := "cannot read spec directory " + f.dir + ": no such directory: create it, or name another with --dir; until then nothing changes in the fleet"
	if _, err := l.Apply(ctx, nil, nil); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := l.Plan(ctx, nil); err == nil || err.Error() != want {
		t.Errorf("plan: %v", err)
	}
	st, err := l.Status(ctx)
	if err != nil || len(st.Faults) != 1 || st.Faults[0].Summary != want || st.Apps[0].State != "degraded" {
		t.Errorf("status %+v, %v", st, err)
	}
	if m.count("blog") != 1 {
		t.Error("the app was stopped")
	}
	// What needs no directory can still be done.
	if rs, err := l.Stop(ctx, []string{"blog"}, nil); err != nil || len(rs) != 1 || m.count("blog") != 0 {
		t.Errorf("stop: %+v, %v", rs, err)
	}
}
