package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// What an operator has asked for once is not forgotten because an edit overtakes
// it: it is done by the newer spec, and only then said to be done.
func TestAnOrderOvertakenByAnEdit(t *testing.T) {
	for name, ask := range map[string]plan.Request{"reload": {Reload: true}, "restart": {Restart: true}} {
		t.Run(name, func(t *testing.T) {
			f, m := newFleetDir(t), newFakeMachine()
			r := fakeReconciler(t, f, m)
			load := func() {
				t.Helper()
				if _, err := r.e.load(); err != nil {
					t.Fatal(err)
				}
			}
			f.spec("blog", count(1))
			load()
			if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
				t.Fatal(out.Err)
			}
			old := m.only(t, "blog")
			old.mu.Lock()
			old.rolls = func(st *runner.Status) { st.Rollout = 2 } // and never ends
			old.mu.Unlock()
			m.mu.Lock()
			m.behave = func(*appspec.Spec) (runner.Status, error) { return runner.Status{State: runner.StateStarting}, nil }
			m.mu.Unlock()
			done := make(chan reconcile.Outcome, 1)
			go func() { done <- r.Do(context.Background(), "blog", reconcile.Intent{Request: ask}) }()
			eventually(t, "it is under way", func() bool { return len(old.called()) == 1 || m.count("blog") == 2 })
			old.mu.Lock()
			old.rolls = func(st *runner.Status) { st.Rollout, st.SpecDigest = 0, st.WantDigest }
			old.mu.Unlock()
			m.mu.Lock()
			m.behave = nil
			m.mu.Unlock()
			// An edit that by itself would be carried out in place.
			f.spec("blog", count(3))
			load()
			r.Enqueue("blog", reconcile.Intent{}, true)
			select {
			case out := <-done:
				if out.Err != nil {
					t.Fatalf("outcome %v", out.Err)
				}
			case <-time.After(patience):
				t.Fatal("whoever asked for it waits for ever")
			}
			if name == "reload" {
				if calls := old.called(); !slices.Contains(calls[1:], "update rolling=true") {
					t.Errorf("the master was asked for %v; the workers of the newer spec were not replaced", calls)
				}
				return
			}
			if now := m.only(t, "blog"); now == old || now.st.Max != 3 {
				t.Errorf("master %d with up to %d workers serves, the one before was %d", now.rec.PID, now.st.Max, old.rec.PID)
			}
		})
	}
}

// An order of which nothing was begun yet when an edit came, as somebody else was
// at work on the app, is kept too.
func TestAStopOvertakenByAnEdit(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	f.spec("blog")
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	unlock, err := r.e.store.LockApp(t.Context(), "blog")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan reconcile.Outcome, 1)
	stop := reconcile.Intent{Edits: []func(*state.Override, *appspec.Spec){func(o *state.Override, _ *appspec.Spec) { o.Stopped = true }}}
	go func() { done <- r.Do(context.Background(), "blog", stop) }()
	eventually(t, "the stop waits for the lock", func() bool { return r.UnderWay("blog") })
	r.Enqueue("blog", reconcile.Intent{}, true)
	unlock()
	if out := <-done; out.Err != nil {
		t.Fatal(out.Err)
	}
	if n := m.count("blog"); n != 0 || !r.e.store.Load("blog").Override.Stopped {
		t.Errorf("%d masters run after a stop that was said to be done", n)
	}
}

// immortal cannot be ended.
type immortal struct{ *fakeMaster }

func (immortal) DrainTo(context.Context, reconcile.Handle) error { return errors.New("no") }
func (immortal) Wait(ctx context.Context) error                  { <-ctx.Done(); return ctx.Err() }
func (immortal) Kill() error                                     { return errors.New("operation not permitted") }
func (immortal) Alive() bool                                     { return true }

// A stop tells of each master that did not end, however many did before it.
func TestStopTellsWhatDidNotEnd(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	f.spec("blog")
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	set, _ := r.e.snapshot()
	o := reconcile.Observed{Observed: plan.Observed{App: "blog"}, Handles: map[int]reconcile.Handle{}}
	for i := range 4 {
		h, err := m.Start(t.Context(), runner.StartOptions{Spec: set.Specs["blog"]})
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			h = immortal{h.(*fakeMaster)}
		}
		o.Masters = append(o.Masters, plan.Master{Record: h.Recorded()})
		o.Handles[h.Recorded().PID] = h
	}
	err := r.e.applier("blog", func(f func()) { f() }).Stop(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "operation not permitted") {
		t.Errorf("error %v", err)
	}
}

// Masters that cannot be looked for are not masters that do not run: nothing is
// said to be stopped, and none is started beside them.
func TestMastersThatCannotBeSeen(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	f.spec("blog")
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	m.mu.Lock()
	m.unseen = errors.New("too many open files")
	m.mu.Unlock()
	ops := &operations{e: r.e, pass: r.Do, daemon: func() *DaemonStatus { return nil },
		reread: func(context.Context) (*hclspec.Set, error) { return r.e.snapshot() }}
	for verb, do := range map[string]func(context.Context, []string, func(Event)) ([]Result, error){"stop": ops.Stop, "restart": ops.Restart} {
		rs, err := do(t.Context(), []string{"blog"}, nil)
		if err != nil || len(rs) != 1 || rs[0].OK || !strings.Contains(rs[0].Reason, "too many open files") {
			t.Errorf("%s: %+v, %v", verb, rs, err)
		}
	}
	if n := m.starts("blog"); n != 1 {
		t.Errorf("%d masters were started", n)
	}
}

// A master that ends between the look at it and the order to it, as it was killed or
// had nothing to do, is no reason to fail: what is to do without it is done.
func TestAnOrderToAMasterThatEnds(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	f.spec("blog")
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	old := m.only(t, "blog")
	old.mu.Lock()
	old.rolls = func(*runner.Status) {
		old.hung = true // it answers no more
		go old.die()
	}
	old.mu.Unlock()
	if out := r.Do(t.Context(), "blog", reconcile.Intent{Request: plan.Request{Reload: true}}); out.Err != nil {
		t.Errorf("reload: %v", out.Err)
	}
	if now := m.only(t, "blog"); now == old || r.e.store.Load("blog").Failure != nil {
		t.Errorf("master %d runs, failure %+v", now.rec.PID, r.e.store.Load("blog").Failure)
	}
}

// A new master that is killed before it has taken over says nothing of the spec: the
// old one serves on, and the change is tried again.
func TestANewMasterThatIsKilled(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	f.spec("blog", restartFast())
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	old := m.only(t, "blog")
	m.mu.Lock()
	m.behave = func(*appspec.Spec) (runner.Status, error) { return runner.Status{State: runner.StateStarting}, nil }
	m.mu.Unlock()
	done := make(chan reconcile.Outcome, 1)
	go func() {
		done <- r.Do(context.Background(), "blog", reconcile.Intent{Request: plan.Request{Restart: true}})
	}()
	eventually(t, "the new master is there", func() bool { return m.count("blog") == 2 })
	m.mu.Lock()
	m.behave = nil
	young := m.masters["blog"][0]
	m.mu.Unlock()
	young.die()
	young.mu.Lock()
	young.hung = true
	young.touch(func(*runner.Status) {})
	young.mu.Unlock()
	if out := <-done; out.Err == nil || !strings.Contains(out.Err.Error(), "the new master ended") {
		t.Fatalf("outcome %v", out.Err)
	}
	if now := m.only(t, "blog"); now != old {
		t.Errorf("master %d serves, it was %d", now.rec.PID, old.rec.PID)
	}
	eventually(t, "it is as its spec says, and nothing is wrong with it", func() bool {
		w, o := r.e.look(t.Context(), "blog")
		return appStatus(w, o.Observed, true, time.Now()).State == string(runner.StateReady)
	})
}

// Who waits for an app while the daemon is between two of its masters waits on.
func TestSettleBetweenTwoMasters(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	r := fakeReconciler(t, f, m)
	f.spec("blog")
	if _, err := r.e.load(); err != nil {
		t.Fatal(err)
	}
	done := make(chan Result, 1)
	go func() { done <- r.e.settle(context.Background(), "blog", true) }()
	select {
	case res := <-done:
		t.Fatalf("it was said before any master was started: %+v", res)
	case <-time.After(50 * time.Millisecond): // what it must not do is a matter of time
	}
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if res := <-done; !res.OK || res.State != string(runner.StateReady) {
		t.Errorf("result %+v", res)
	}
}
