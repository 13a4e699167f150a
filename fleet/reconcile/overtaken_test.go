package reconcile_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// What an operator has asked for once is not forgotten because an edit overtakes
// it: it is done by the newer spec, and only then said to be done.
func TestAnOrderOvertakenByAnEdit(t *testing.T) {
	for name, ask := range map[string]plan.Request{"reload": {Reload: true}, "restart": {Restart: true}} {
		t.Run(name, func(t *testing.T) {
			f, m := reconciletest.New(t), reconciletest.NewMachine()
			r := newReconciler(t, f, m)
			old := r.started(f, m, reconciletest.Count(1))
			old.Roll(func(st *runner.Status) { st.Rollout = 2 }) // and never ends
			m.Behave(func(*appspec.Spec) (runner.Status, error) { return runner.Status{State: runner.StateStarting}, nil })
			done := make(chan reconcile.Outcome, 1)
			go func() { done <- r.Do(context.Background(), "blog", reconcile.Intent{Request: ask}) }()
			await.True(t, "it is under way", func() bool { return len(old.Called()) == 1 || m.Count("blog") == 2 })
			old.Roll(func(st *runner.Status) { st.Rollout, st.SpecDigest = 0, st.WantDigest })
			m.Behave(nil)
			// An edit that by itself would be carried out in place.
			f.Spec("blog", reconciletest.Count(3))
			r.load()
			r.Enqueue("blog", reconcile.Intent{}, true)
			select {
			case out := <-done:
				if out.Err != nil {
					t.Fatalf("outcome %v", out.Err)
				}
			case <-time.After(await.Patience):
				t.Fatal("whoever asked for it waits for ever")
			}
			if name == "reload" {
				if calls := old.Called(); !slices.Contains(calls[1:], "update rolling=true") {
					t.Errorf("the master was asked for %v; the workers of the newer spec were not replaced", calls)
				}
				return
			}
			now := m.Only(t, "blog")
			if st, err := now.Status(t.Context(), 0); now == old || err != nil || st.Max != 3 {
				t.Errorf("master %d with up to %d workers serves, the one before was %d; %v", now.Recorded().PID, st.Max, old.Recorded().PID, err)
			}
		})
	}
}

// An order of which nothing was begun yet when an edit came, as somebody else was
// at work on the app, is kept too.
func TestAStopOvertakenByAnEdit(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	f.Spec("blog")
	r.load()
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	unlock, err := r.core.Store.LockApp(t.Context(), "blog")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan reconcile.Outcome, 1)
	stop := reconcile.Intent{Edits: []func(*state.Override, *appspec.Spec){func(o *state.Override, _ *appspec.Spec) { o.Stopped = true }}}
	go func() { done <- r.Do(context.Background(), "blog", stop) }()
	await.True(t, "the stop waits for the lock", func() bool { return r.UnderWay("blog") })
	r.Enqueue("blog", reconcile.Intent{}, true)
	unlock()
	if out := <-done; out.Err != nil {
		t.Fatal(out.Err)
	}
	if n := m.Count("blog"); n != 0 || !r.core.Store.Load("blog").Override.Stopped {
		t.Errorf("%d masters run after a stop that was said to be done", n)
	}
}

// immortal cannot be ended.
type immortal struct{ *reconciletest.Master }

func (immortal) DrainTo(context.Context, reconcile.Handle) error { return errors.New("no") }
func (immortal) Wait(ctx context.Context) error                  { <-ctx.Done(); return ctx.Err() }
func (immortal) Kill() error                                     { return errors.New("operation not permitted") }
func (immortal) Alive() bool                                     { return true }

// A stop tells of each master that did not end, however many did before it.
func TestStopTellsWhatDidNotEnd(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	f.Spec("blog")
	r.load()
	set, _ := r.core.Dir.Snapshot()
	o := reconcile.Observed{Observed: plan.Observed{App: "blog"}, Handles: map[int]reconcile.Handle{}}
	for i := range 4 {
		h, err := m.Start(t.Context(), runner.StartOptions{Spec: set.Specs["blog"]})
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			h = immortal{h.(*reconciletest.Master)}
		}
		o.Masters = append(o.Masters, plan.Master{Record: h.Recorded()})
		o.Handles[h.Recorded().PID] = h
	}
	err := r.core.Applier("blog", func(f func()) { f() }).Stop(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "operation not permitted") {
		t.Errorf("error %v", err)
	}
}

// A master that ends between the look at it and the order to it, as it was killed or
// had nothing to do, is no reason to fail: what is to do without it is done.
func TestAnOrderToAMasterThatEnds(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	old := r.started(f, m)
	old.RollKills()
	if out := r.Do(t.Context(), "blog", reconcile.Intent{Request: plan.Request{Reload: true}}); out.Err != nil {
		t.Errorf("reload: %v", out.Err)
	}
	if now := m.Only(t, "blog"); now == old || r.core.Store.Load("blog").Failure != nil {
		t.Errorf("master %d runs, failure %+v", now.Recorded().PID, r.core.Store.Load("blog").Failure)
	}
}

// A new master that is killed before it has taken over says nothing of the spec: the
// old one serves on, and the change is tried again.
func TestANewMasterThatIsKilled(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	old := r.started(f, m, reconciletest.RestartFast)
	m.Behave(func(*appspec.Spec) (runner.Status, error) { return runner.Status{State: runner.StateStarting}, nil })
	done := make(chan reconcile.Outcome, 1)
	go func() {
		done <- r.Do(context.Background(), "blog", reconcile.Intent{Request: plan.Request{Restart: true}})
	}()
	await.True(t, "the new master is there", func() bool { return m.Count("blog") == 2 })
	m.Behave(nil)
	young := m.Newest("blog")
	young.Die()
	young.Hang()
	if out := <-done; out.Err == nil || !strings.Contains(out.Err.Error(), "the new master ended") {
		t.Fatalf("outcome %v", out.Err)
	}
	if now := m.Only(t, "blog"); now != old {
		t.Errorf("master %d serves, it was %d", now.Recorded().PID, old.Recorded().PID)
	}
	await.True(t, "it is as its spec says, and nothing is wrong with it", func() bool {
		w, o := r.core.Look(t.Context(), "blog")
		return len(plan.MakePlan(w.Spec, o.Observed, time.Now()).Actions) == 0 && o.Failure == nil
	})
}
