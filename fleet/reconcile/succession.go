package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// How soon it is looked again whether an app can leave: its successor is starting, or cannot.
const (
	successionLook  = 200 * time.Millisecond
	successionRetry = 2 * time.Second
)

// Successor is the app that is to take the place of one that is gone and does not serve yet: who
// renames an app does not want it to stop for a disk that is full, for an address that another
// program has, or for code that cannot be loaded. Until a master of it serves the one that is
// gone serves on. Empty: it may leave. fails: the successor has tried, and could not.
func (c *Core) Successor(ctx context.Context, name string, was *appspec.Spec) (next string, fails bool) {
	if was == nil {
		return "", false
	}
	set, err := c.Dir.Snapshot()
	if err != nil || set == nil {
		return "", false
	}
	for _, next := range slices.Sorted(maps.Keys(set.Specs)) {
		if s := set.Specs[next]; next == name || !succeeds(s, was) {
			continue
		}
		rem := c.Store.Load(next)
		c.remindFailure(next, &rem)
		w := c.Dir.Wanted(set, nil, next, &rem, false)
		if w.Spec == nil || !w.Spec.Enabled || rem.Override.Stopped {
			continue
		}
		f := rem.Failure
		if f != nil && f.Digest != plan.DigestOf(w.Spec) {
			f = nil
		}
		o := c.Observe(ctx, next, rem, nil)
		switch {
		case o.Unknown != nil, plan.NotDeployed(w.Spec, o.Observed), slices.ContainsFunc(o.Masters, plan.Master.Serves):
		case f != nil && f.Neighbour: // it waits for what this one has
		case len(o.Masters) == 0 && f == nil && len(o.Awaited) > 0: // it sleeps
		default:
			failed := slices.ContainsFunc(o.Masters, func(m plan.Master) bool { return m.Status.State == runner.StateBackoff || m.Status.LastError != "" })
			return next, f != nil || failed
		}
	}
	return "", false
}

// stays tells for which app one that is gone serves on, as that does not yet, and whether that
// has failed. Empty: it leaves.
func (c *Core) stays(ctx context.Context, name string, was *appspec.Spec) (next string, fails bool) {
	if left, _, err := c.masters(ctx, name); err != nil || len(left) == 0 {
		return "", false
	}
	next, fails = c.Successor(ctx, name, was)
	c.mu.Lock()
	told := c.staying[name] == next
	if c.staying[name] = next; !fails {
		delete(c.staying, name)
	}
	c.mu.Unlock()
	if fails && !told {
		c.Log.Warn("it was removed, and serves on: the app that takes its place cannot be started", "app", name, "successor", next)
	}
	return next, fails
}

// succeeds tells whether a spec is of an app that takes the place of another: it has its folder,
// or one of its addresses or hosts.
func succeeds(s, was *appspec.Spec) bool {
	return s.Gate == nil && (s.Path == was.Path || slices.ContainsFunc(state.ReachedBy(s), func(at string) bool { return slices.Contains(state.ReachedBy(was), at) }))
}
