package reconcile

import (
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Intent is what an operator wants of an app beside its spec.
type Intent struct {
	plan.Request
	// Edits change what the state directory keeps of the operator's wishes, in
	// their order, under the app's lock.
	Edits []func(o *state.Override, spec *appspec.Spec)
}

// Merge is what both want, the edits of p after ours.
func (o Intent) Merge(p Intent) Intent {
	return Intent{Request: o.Request.Merge(p.Request), Edits: append(slices.Clip(o.Edits), p.Edits...)}
}

// Outcome is where a pass has left an app.
type Outcome struct {
	Want    plan.Want
	Plan    plan.AppPlan
	RetryAt time.Time // zero: nothing to retry
	Kept    bool      // what the order edits is written down
	// Successor takes the place of the app, which is gone, and is starting; empty: none is.
	Successor string
	Err       error
}
