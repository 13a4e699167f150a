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
	// Alongside are the apps of which what the directory says is carried out by the same order,
	// where that is Confirmed: one of them may take the place of this one.
	Alongside []string
}

// Merge is what both want, the edits of p after ours.
func (o Intent) Merge(p Intent) Intent {
	return Intent{
		Request: o.Request.Merge(p.Request), Edits: append(slices.Clip(o.Edits), p.Edits...),
		Alongside: append(slices.Clip(o.Alongside), p.Alongside...),
	}
}

// Outcome is where a pass has left an app.
type Outcome struct {
	Want    plan.Want
	Plan    plan.AppPlan
	RetryAt time.Time // zero: nothing to retry
	Kept    bool      // what the order edits is written down
	// Successor takes the place of the app, which is gone, and is starting; empty: none is.
	Successor string
	// Reread tells that the directory is to be read anew before the next pass: the app is about to
	// leave its names to another one.
	Reread bool
	Err    error
}
