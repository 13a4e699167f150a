package fleet

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// planAll is what apply would do to apps if the directory were as the set says.
func (c *core) planAll(ctx context.Context, set *hclspec.Set, chosen []string, named bool) *plan.Plan {
	plan := &plan.Plan{Faults: []hclspec.Fault{}, Apps: make([]plan.AppPlan, len(chosen))}
	for _, f := range set.Faults {
		if !f.Lost { // apply makes it good
			plan.Faults = append(plan.Faults, f)
		}
	}
	plan.Warnings = append(sharedUsers(set), deployWarnings(set, chosen)...)
	var plans errgroup.Group
	plans.SetLimit(8)
	for i, name := range chosen {
		plans.Go(func() error { plan.Apps[i] = c.plan(ctx, set, name, named); return nil })
	}
	_ = plans.Wait()
	for _, ap := range plan.Apps {
		if ap.Stays != "" {
			plan.Warnings = append(plan.Warnings, ap.App+": "+ap.Stays)
		}
	}
	return plan
}

// plan is what apply would do to one app; named: the operator names it.
func (c *core) plan(ctx context.Context, set *hclspec.Set, name string, named bool) plan.AppPlan {
	// The last good spec costs more to read than all the rest: only where it counts.
	var rem state.AppState
	c.Store.LoadOrders(name, &rem)
	if set.DefaultsBroken || set.Specs[name] == nil {
		c.Store.LoadSpec(name, &rem)
		rem.Guess()
	}
	w := plan.WantOf(&rem, set, nil, name)
	if w.Invalid != "" {
		ap := plan.AppPlan{App: name, Why: "no valid spec has been loaded yet", Error: w.Invalid}
		if w.Fault != nil {
			ap.File = w.Fault.File
		}
		return ap
	}
	if set.DefaultsBroken {
		return plan.AppPlan{App: name, File: w.Spec.File, Why: "nothing changes", Error: w.Held}
	}
	lost := w.Fault != nil && w.Fault.Lost
	if lost {
		w = plan.Want{Fault: w.Fault} // apply confirms it
	}
	if named {
		rem.Override.Stopped = false
	}
	o := c.Observe(ctx, name, rem, w.Spec)
	if len(o.Masters) > 0 && o.LastGood == nil {
		c.Store.LoadSpec(name, &o.AppState) // one of them may run it
	}
	o.Request.Retry = true
	ap := plan.MakePlan(w.Spec, o.Observed, c.Now())
	if w.Held != "" {
		ap.Error = w.Held
	}
	ap.Stays = w.Stays()
	if lost {
		ap.Why = "its spec was removed: " + w.Fault.Summary
	}
	return ap
}

// deployWarnings are what the next deploys of apps will miss, with the place in their files.
func deployWarnings(set *hclspec.Set, chosen []string) (out []string) {
	for _, w := range set.Warnings {
		if of, ok := w.Extra.(hclspec.ForDeploy); ok && slices.Contains(chosen, of.App) {
			out = append(out, hclspec.Sentence(w))
		}
	}
	return out
}
