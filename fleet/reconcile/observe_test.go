package reconcile_test

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// A master that ends while it is looked at, as one does that has let its last worker rest, is
// no fault of the app: who wants it awake has the next one started.
func TestAMasterThatLeavesIsNoFault(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	old := r.started(f, m)
	old.Leaves()
	if out := r.Do(t.Context(), "blog", reconcile.Intent{Request: plan.Request{Wake: true}}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if old.Alive() || m.Only(t, "blog") == old {
		t.Error("nothing has replaced it")
	}
	if rem := r.core.Store.Load("blog"); rem.Failure != nil {
		t.Errorf("a failure is remembered: %+v", rem.Failure)
	}
}
