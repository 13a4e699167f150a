package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Masters that cannot be looked for are not masters that do not run: nothing is
// said to be stopped, and none is started beside them.
func TestMastersThatCannotBeSeen(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	r := fakeReconciler(t, f, m)
	f.Spec("blog")
	if _, err := r.e.Dir.Load(); err != nil {
		t.Fatal(err)
	}
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	m.Unseen(errors.New("too many open files"))
	ops := &operations{core: r.e, pass: r.Do, daemon: func() *DaemonStatus { return nil },
		reread: func(context.Context) (*hclspec.Set, error) { return r.e.Dir.Snapshot() }}
	for verb, do := range map[string]func(context.Context, []string, func(Event)) ([]Result, error){"stop": ops.Stop, "restart": ops.Restart} {
		rs, err := do(t.Context(), []string{"blog"}, nil)
		if err != nil || len(rs) != 1 || rs[0].OK || !strings.Contains(rs[0].Reason, "too many open files") {
			t.Errorf("%s: %+v, %v", verb, rs, err)
		}
	}
	if n := m.Starts("blog"); n != 1 {
		t.Errorf("%d masters were started", n)
	}
}

// Who waits for an app while the daemon is between two of its masters waits on.
func TestWaitingBetweenTwoMasters(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	r := fakeReconciler(t, f, m)
	f.Spec("blog")
	if _, err := r.e.Dir.Load(); err != nil {
		t.Fatal(err)
	}
	done := make(chan Result, 1)
	go func() { done <- r.e.awaitOutcome(context.Background(), "blog", true) }()
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
