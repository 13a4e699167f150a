package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

func TestReconcilerFollowsTheSpec(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	defer r.Close()
	do := func(ord reconcile.Intent) {
		t.Helper()
		r.load()
		if out := r.Do(context.Background(), "blog", ord); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	f.Spec("blog", reconciletest.Count(2))
	do(reconcile.Intent{})
	first := m.Only(t, "blog")
	do(reconcile.Intent{})
	if got := m.Starts("blog"); got != 1 {
		t.Fatalf("a second pass started a master: %d starts", got)
	}
	f.Spec("blog", reconciletest.Count(4))
	do(reconcile.Intent{})
	f.Spec("blog", reconciletest.Count(4), `env = { A = "1" }`)
	do(reconcile.Intent{})
	if got := fmt.Sprint(first.Called()); got != "[update rolling=false update rolling=true]" {
		t.Errorf("the master was asked for %s", got)
	}
	f.Spec("blog", reconciletest.Count(4), `env = { A = "1" }`, `user = "nobody"`)
	if os.Geteuid() == 0 {
		do(reconcile.Intent{})
		second := m.Only(t, "blog")
		if second == first || second.Recorded().Generation != 4 {
			t.Errorf("it was not replaced: generation %d", second.Recorded().Generation)
		}
	}
	f.Remove("blog")
	do(reconcile.Intent{})
	if n := m.Count("blog"); n != 0 {
		t.Errorf("its spec was removed, and %d masters run", n)
	}
	if names, _ := r.core.Store.Apps(); len(names) != 0 {
		t.Errorf("the store still knows %v", names)
	}
}

func TestFailuresAreTriedAgainWithBackoff(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	var tries atomic.Int32
	seen := make(chan struct{}) // the first failure was looked at: the second try would replace it
	m.Behave(func(*appspec.Spec) (runner.Status, error) {
		n := tries.Add(1)
		if n > 1 {
			<-seen
		}
		if n < 4 {
			return runner.Status{}, errors.New("cannot listen on 127.0.0.1:80: the port is taken")
		}
		return runner.Status{State: runner.StateReady}, nil
	})
	r := newReconciler(t, f, m)
	f.Spec("blog", reconciletest.RestartFast)
	r.load()
	out := r.Do(context.Background(), "blog", reconcile.Intent{})
	if out.Err == nil || out.Err.Error() != "cannot listen on 127.0.0.1:80: the port is taken" || out.RetryAt.IsZero() {
		t.Fatalf("outcome %+v", out)
	}
	if rem := r.core.Store.Load("blog"); rem.Failure == nil || rem.Failure.Attempts != 1 {
		t.Errorf("the failure was not kept: %+v", rem.Failure)
	}
	close(seen)
	await.True(t, "the app runs after the fourth try", func() bool { return m.Count("blog") == 1 })
	await.True(t, "the failure is forgotten", func() bool { return r.core.Store.Load("blog").Failure == nil })
	if n := tries.Load(); n != 4 {
		t.Errorf("%d tries, want 4", n)
	}
}

// An operator or a change does not wait for the back-off.
func TestAskingEndsTheBackoff(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	broken := true
	m.Behave(func(*appspec.Spec) (runner.Status, error) {
		if broken {
			return runner.Status{}, errors.New("no such interpreter")
		}
		return runner.Status{State: runner.StateReady}, nil
	})
	r := newReconciler(t, f, m)
	f.Spec("blog", `restart {
    min_delay = "1h"
    max_delay = "1h"
  }`)
	r.load()
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err == nil {
		t.Fatal("it started")
	}
	broken = false
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err != nil || m.Count("blog") != 0 || out.RetryAt.IsZero() {
		t.Fatalf("it did not wait: %+v", out)
	}
	if out := r.Do(context.Background(), "blog", reconcile.Intent{Request: plan.Request{Retry: true}}); out.Err != nil || m.Count("blog") != 1 {
		t.Fatalf("it did not start at once: %+v", out)
	}
}

func TestAReplacementThatFailsChangesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limit  string
		st     runner.Status
		reason string
	}{
		{"cannot start", "1m", runner.Status{State: runner.StateBackoff, LastError: "SyntaxError: invalid syntax", Traceback: "  File…"}, "SyntaxError: invalid syntax"},
		{"never ready", "10ms", runner.Status{State: runner.StateStarting}, `the new master was not ready within start_timeout = "10ms"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, m := reconciletest.New(t), reconciletest.NewMachine()
			r := newReconciler(t, f, m)
			m.Behave(func(s *appspec.Spec) (runner.Status, error) {
				if len(s.Sockets.HTTP) == 2 {
					return tt.st, nil
				}
				return runner.Status{State: runner.StateReady}, nil
			})
			start := fmt.Sprintf("workers {\n    start_timeout = %q\n  }", tt.limit)
			f.Spec("blog", start)
			pass := func(ord reconcile.Intent) reconcile.Outcome {
				t.Helper()
				r.load()
				return r.Do(context.Background(), "blog", ord)
			}
			if out := pass(reconcile.Intent{}); out.Err != nil {
				t.Fatal(out.Err)
			}
			old := m.Only(t, "blog")
			f.Write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  sockets {\n    http {\n      listen = \"unix:%s\"\n    }\n    http {\n      listen = \"unix:%s\"\n    }\n  }\n  %s\n}\n",
				f.Path("blog"), f.Root+"/blog.sock", f.Root+"/2.sock", start))
			out := pass(reconcile.Intent{})
			if !reconcile.IsRejected(out.Err) || out.Err.Error() != tt.reason {
				t.Fatalf("outcome %+v", out)
			}
			if m.Only(t, "blog") != old || len(old.Called()) != 0 {
				t.Errorf("the old master was touched: %v", old.Called())
			}
			if a := r.core.Store.Load("blog").Applied; a == nil || a.Digest != old.Recorded().SpecDigest {
				t.Error("the store says that the new spec runs")
			}
			if out := pass(reconcile.Intent{}); out.Err != nil || m.Starts("blog") != 2 {
				t.Errorf("tried again by itself: %+v", out)
			}
			// The old one dies: it comes back, as what it was.
			old.Die()
			if out := pass(reconcile.Intent{Request: plan.Request{Dead: true}}); out.Err != nil {
				t.Fatal(out.Err)
			}
			if m.Only(t, "blog").Recorded().SpecDigest != old.Recorded().SpecDigest {
				t.Error("it came back by the spec that does not work")
			}
		})
	}
}

// A newer spec ends the waiting for an older one's workers.
func TestANewerSpecSupersedes(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	ms := r.started(f, m)
	ms.Roll(func(st *runner.Status) { st.Rollout = 2 }) // and never ends
	f.Spec("blog", `wsgi_app = "slow:app"`)
	r.load()
	r.Enqueue("blog", reconcile.Intent{}, true)
	await.True(t, "the slow rollout is under way", func() bool { st, _ := ms.Status(context.Background(), 0); return st.Rollout == 2 })
	ms.Roll(func(st *runner.Status) { st.Rollout, st.SpecDigest = 0, st.WantDigest })
	f.Spec("blog", `wsgi_app = "quick:app"`)
	r.load()
	if out := r.Do(context.Background(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if rem := r.core.Store.Load("blog"); rem.Failure != nil || rem.Applied.Spec.WSGIApp != "quick:app" {
		t.Errorf("remembered %+v", rem)
	}
}

// What is tried while that goes which stands in its way has its next try at once.
func TestATryThatComesTooEarly(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	trying, goes := make(chan struct{}), make(chan struct{})
	var tries atomic.Int32
	m.Behave(func(*appspec.Spec) (runner.Status, error) {
		if tries.Add(1) == 1 {
			close(trying)
			<-goes
			return runner.Status{}, errors.New("its address is taken")
		}
		return runner.Status{State: runner.StateReady}, nil
	})
	r := newReconciler(t, f, m)
	f.Spec("blog", `restart {
    min_delay = "1h"
    max_delay = "1h"
  }`)
	r.load()
	r.Enqueue("blog", reconcile.Intent{}, false)
	<-trying
	r.TryAgain()
	close(goes)
	await.True(t, "it to be started", func() bool { return m.Count("blog") == 1 })
}

// A pause cuts a pass short that waits, and what was cut is taken up again.
func TestAPauseIsNoEnd(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	ms := r.started(f, m)
	ms.Roll(func(st *runner.Status) { st.Rollout = 2 })
	f.Spec("blog", `wsgi_app = "x:y"`)
	r.load()
	done := make(chan reconcile.Outcome, 1)
	go func() { done <- r.Do(context.Background(), "blog", reconcile.Intent{}) }()
	await.True(t, "the rollout is under way", func() bool { return len(ms.Called()) == 1 })
	if !r.Pause(await.Patience) {
		t.Fatal("something is at work")
	}
	f.Spec("shop")
	r.load()
	r.Enqueue("shop", reconcile.Intent{}, true)
	if n := r.Busy(); n != 0 || m.Count("shop") != 0 {
		t.Errorf("%d at work, %d masters of shop", n, m.Count("shop"))
	}
	ms.Set(func(st *runner.Status) { st.Rollout, st.SpecDigest = 0, st.WantDigest })
	r.Resume()
	if out := <-done; out.Err != nil {
		t.Errorf("outcome %+v", out)
	}
	await.True(t, "shop runs", func() bool { return m.Count("shop") == 1 })
	if rem := r.core.Store.Load("blog"); rem.Failure != nil {
		t.Errorf("a pause is taken for a failure: %+v", rem.Failure)
	}
}

// Apps that wait do not keep the place of those that could work.
func TestSlowAppsHoldNobodyUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: waits for time limits")
	}
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	const slow = 50
	for i := range slow {
		f.Spec(fmt.Sprintf("slow%d", i))
	}
	f.Spec("quick")
	r.load()
	for i := range slow {
		if out := r.Do(context.Background(), fmt.Sprintf("slow%d", i), reconcile.Intent{}); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	for i := range slow {
		app := fmt.Sprintf("slow%d", i)
		m.Only(t, app).Roll(func(st *runner.Status) { st.Rollout = 2 })
		f.Spec(app, `wsgi_app = "x:y"`)
	}
	r.load()
	for i := range slow {
		r.Enqueue(fmt.Sprintf("slow%d", i), reconcile.Intent{}, true)
	}
	if out := r.Do(context.Background(), "quick", reconcile.Intent{}); out.Err != nil || m.Count("quick") != 1 {
		t.Fatalf("the quick one: %+v", out)
	}
}

func TestOnePassAtATimeForEachName(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	var at, most, passes atomic.Int32
	r := newReconciler(t, f, m)
	r.core.Folders = reconciletest.Folders{Fail: func(string) error {
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
	f.Spec("blog")
	r.load()
	for range 1000 {
		r.Enqueue("blog", reconcile.Intent{}, false)
	}
	await.True(t, "the queue is empty", func() bool { return r.Busy() == 0 })
	if most.Load() != 1 || passes.Load() > 100 {
		t.Errorf("%d passes, %d at once: not deduplicated", passes.Load(), most.Load())
	}
	if m.Starts("blog") != 1 {
		t.Errorf("%d starts", m.Starts("blog"))
	}
}
