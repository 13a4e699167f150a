package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// fleetDir is a fleet under a test's hand.
type fleetDir struct{ *reconciletest.Fixture }

func newFleetDir(t *testing.T) *fleetDir {
	t.Helper()
	return &fleetDir{reconciletest.New(t)}
}

// fakeOptions are of a fleet without processes.
func (f *fleetDir) fakeOptions(m *reconciletest.Machine) Options {
	return Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(f.T), machine: m, folders: reconciletest.Folders{}}
}

// shownLog shows what is logged where a test fails.
func shownLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// coreReconciler is a reconciler with the core whose passes it makes.
type coreReconciler struct {
	*reconcile.Reconciler
	e *core
}

func fakeReconciler(t *testing.T, f *fleetDir, m *reconciletest.Machine) *coreReconciler {
	t.Helper()
	e, err := newCore(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	r := &coreReconciler{reconcile.NewReconciler(e.Pass, e.Now), e}
	t.Cleanup(r.Close)
	return r
}

func TestARolloutGivenUpIsNotTriedByItself(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	r := fakeReconciler(t, f, m)
	pass := func(ord reconcile.Intent) reconcile.Outcome {
		t.Helper()
		if _, err := r.e.Dir.Load(); err != nil {
			t.Fatal(err)
		}
		return r.Do(context.Background(), "blog", ord)
	}
	f.Spec("blog")
	if out := pass(reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	ms := m.Only(t, "blog")
	ms.Roll(func(st *runner.Status) {
		st.RolloutError, st.Traceback = "ImportError: no module named x", "Traceback…"
	})
	f.Spec("blog", `wsgi_app = "x:y"`)
	if out := pass(reconcile.Intent{}); !reconcile.IsRejected(out.Err) || !out.RetryAt.IsZero() {
		t.Fatalf("outcome %+v", out)
	}
	for range 3 {
		if out := pass(reconcile.Intent{}); out.Err != nil || len(out.Plan.Actions) != 0 {
			t.Fatalf("tried again: %+v", out.Plan)
		}
	}
	res := r.e.awaitOutcome(context.Background(), "blog", true)
	if res.OK || res.State != "degraded" || res.Reason != "ImportError: no module named x" || res.Traceback != "Traceback…" {
		t.Errorf("result %+v", res)
	}
	ms.Roll(nil)
	if out := pass(reconcile.Intent{Request: plan.Request{Reload: true}}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if res := r.e.awaitOutcome(context.Background(), "blog", true); !res.OK {
		t.Errorf("not healed by a reload: %+v", res)
	}
	if n := m.Starts("blog"); n != 1 {
		t.Errorf("%d masters were started, want 1", n)
	}
}

// What could not be rolled out is forgotten when the spec says again what runs.
func TestAnEditTakenBackHeals(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	r := fakeReconciler(t, f, m)
	pass := func() reconcile.Outcome {
		t.Helper()
		if _, err := r.e.Dir.Load(); err != nil {
			t.Fatal(err)
		}
		return r.Do(context.Background(), "blog", reconcile.Intent{})
	}
	f.Spec("blog")
	if out := pass(); out.Err != nil {
		t.Fatal(out.Err)
	}
	ms := m.Only(t, "blog")
	ms.Roll(func(st *runner.Status) { st.RolloutError = "ImportError: no module named x" })
	f.Spec("blog", `wsgi_app = "x:y"`)
	if out := pass(); !reconcile.IsRejected(out.Err) {
		t.Fatalf("outcome %+v", out)
	}
	f.Spec("blog")
	if out := pass(); out.Err != nil {
		t.Fatal(out.Err)
	}
	if res := r.e.awaitOutcome(context.Background(), "blog", true); !res.OK || res.State != "ready" {
		t.Errorf("result %+v", res)
	}
	if rem := r.e.Store.Load("blog"); rem.Failure != nil {
		t.Errorf("the failure is still remembered: %+v", rem.Failure)
	}
	if got := fmt.Sprint(ms.Called()); got != "[update rolling=true update rolling=false]" {
		t.Errorf("the master was asked for %s", got)
	}
}

func TestDriftMadeByHand(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	f.Spec("blog", reconciletest.Count(2))
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
	before := m.Only(t, "blog")
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Restart, "blog")
	if m.Only(t, "blog") == before {
		t.Error("restart kept the master")
	}
	if st, _ := m.Only(t, "blog").Status(ctx, 0); st.Max != 7 {
		t.Errorf("restart forgot the scale: %d workers", st.Max)
	}
	f.Spec("blog", reconciletest.Count(3)) // the spec's next change ends it
	run("[{blog true ready   [] <nil>  <nil> []}]", l.Apply)
	if st, _ := m.Only(t, "blog").Status(ctx, 0); st.Max != 3 {
		t.Errorf("the spec's change did not end the scale: %d workers", st.Max)
	}
	f.Spec("blog", "enabled = false")
	run("[{blog true disabled enabled = false  [] <nil>  <nil> []}]", l.Apply)
	run("[{blog false disabled cannot start it: enabled = false in "+f.File("blog")+"  [] <nil>  <nil> []}]", l.Start, "blog")
	if _, err := l.Scale(ctx, map[string]int{"blog": 0}, nil); err == nil || err.Error() != "cannot scale app blog to 0: an app has at least one worker; stop it with: wsgid-fleet stop blog" {
		t.Errorf("scale to 0: %v", err)
	}
	if _, err := l.Stop(ctx, []string{"blok"}, nil); err == nil || err.Error() != "cannot stop app blok: no spec in "+f.Dir+" names it; did you mean blog?" {
		t.Errorf("unknown: %v", err)
	}
}

func TestBrokenDefaultsChangeNothing(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	f.Spec("blog", reconciletest.Count(2))
	if _, err := l.Apply(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	f.Write("defaults", "defaults {\n  nonsense = 1\n}\n")
	f.Spec("blog", reconciletest.Count(5))
	f.Spec("shop")
	_, err = l.Apply(ctx, nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "the fleet is not changed while defaults.hcl is broken: "+f.Dir+"/defaults.hcl:2") {
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
	if st, _ := m.Only(t, "blog").Status(ctx, 0); st.Max != 2 || m.Count("shop") != 0 {
		t.Errorf("something changed: %d workers, %d shops", st.Max, m.Count("shop"))
	}
	f.Remove("defaults")
	if rs, err := l.Apply(ctx, nil, nil); err != nil || len(rs) != 2 || !rs[0].OK || !rs[1].OK {
		t.Errorf("mended: %+v, %v", rs, err)
	}
}

// What a broken file defined runs on, in this process and the next.
func TestBrokenFileKeepsItsApps(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	ctx := context.Background()
	f.Spec("blog")
	f.Spec("shop")
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	f.Write("blog", "app \"blog\" {\n  workers = 4\n")
	f.Write("wiki", "app \"wiki\" { nonsense = 1 }\n")
	l, err = OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	rs, err := l.Apply(ctx, nil, nil)
	if err != nil || len(rs) != 3 {
		t.Fatalf("%+v, %v", rs, err)
	}
	if rs[0].OK || rs[0].State != "degraded" || !strings.HasPrefix(rs[0].Reason, "runs on its last good spec: "+f.File("blog")+":") {
		t.Errorf("broken: %+v", rs[0])
	}
	if !rs[1].OK {
		t.Errorf("the other: %+v", rs[1])
	}
	if rs[2].OK || rs[2].State != "invalid" || !strings.HasPrefix(rs[2].Reason, f.File("wiki")+":1") {
		t.Errorf("never good: %+v", rs[2])
	}
	if m.Starts("blog") != 1 || m.Count("blog") != 1 {
		t.Error("the broken file's app was touched")
	}
	// It even comes back after its death, by the last good spec.
	m.Only(t, "blog").Die()
	if _, err := l.Apply(ctx, nil, nil); err != nil || m.Count("blog") != 1 {
		t.Errorf("not restarted by its last good spec: %v", err)
	}
}

// A stop that cannot be written down stops nothing, and does not say that it did.
func TestAStopOnAFullDisk(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("blog")
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	l.core.Store.FS = reconciletest.FullDisk{Fs: l.core.Store.FS}
	rs, err := l.Stop(t.Context(), []string{"blog"}, nil)
	if err != nil || len(rs) != 1 || rs[0].OK || rs[0].State != "ready" || m.Count("blog") != 1 {
		t.Errorf("got %+v, %v; %d masters", rs, err, m.Count("blog"))
	}
	for _, want := range []string{"override.json: no space left on device; the file system at /", " left of ", "; the order was not carried out, app blog is as it was"} {
		if !strings.Contains(rs[0].Reason, want) {
			t.Errorf("it says %q, and not %q", rs[0].Reason, want)
		}
	}
	// So does a restart, whose new master cannot be written down.
	if rs, err := l.Restart(t.Context(), []string{"blog"}, nil); err != nil || rs[0].OK || !strings.Contains(rs[0].Reason, "; the master before it (pid ") || m.Count("blog") != 1 {
		t.Errorf("restart: %+v, %v; %d masters", rs, err, m.Count("blog"))
	}
	if rs, err := l.Apply(t.Context(), nil, nil); err != nil || !rs[0].OK {
		t.Errorf("apply: %+v, %v", rs, err)
	}
	// That is no failure of the app.
	if st, err := l.Status(t.Context()); err != nil || st.Apps[0].State != "ready" || st.Apps[0].Reason != "" {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestMissingDirectoryIsAFault(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	ctx := context.Background()
	f.Spec("blog")
	l, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(ctx, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(f.Dir); err != nil {
		t.Fatal(err)
	}
	want := "cannot read spec directory " + f.Dir + ": no such directory: create it, or name another with --dir; until then nothing changes in the fleet"
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
	if m.Count("blog") != 1 {
		t.Error("the app was stopped")
	}
	// What needs no directory can still be done.
	if rs, err := l.Stop(ctx, []string{"blog"}, nil); err != nil || len(rs) != 1 || m.Count("blog") != 0 {
		t.Errorf("stop: %+v, %v", rs, err)
	}
}
