package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// successionRetry is how soon it is looked again whether an app can leave.
const successionRetry = 2 * time.Second

// Successor is the app that is to take the place of one that is gone and cannot be started: who
// renames an app does not want it to stop for a disk that is full, or for an address that another
// program has. Until there is a master of it the one that is gone serves on. Empty: it may leave.
func (c *Core) Successor(ctx context.Context, name string, was *appspec.Spec) string {
	if was == nil {
		return ""
	}
	set, err := c.Dir.Snapshot()
	if err != nil || set == nil {
		return ""
	}
	for _, next := range slices.Sorted(maps.Keys(set.Specs)) {
		if s := set.Specs[next]; next == name || !succeeds(s, was) {
			continue
		}
		rem := c.Store.Load(next)
		c.remindFailure(next, &rem)
		w := c.Dir.Wanted(set, nil, next, &rem, false)
		if w.Spec == nil || !w.Spec.Enabled || rem.Override.Stopped || !fails(rem.Failure, w.Spec) {
			continue
		}
		if left, _, err := c.masters(ctx, next); err == nil && len(left) == 0 {
			return next
		}
	}
	return ""
}

// stays tells whether an app that is gone serves on as its successor cannot be started.
func (c *Core) stays(ctx context.Context, name string, was *appspec.Spec) bool {
	if left, _, err := c.masters(ctx, name); err != nil || len(left) == 0 {
		return false
	}
	next := c.Successor(ctx, name, was)
	c.mu.Lock()
	told := c.staying[name] == next
	c.staying[name] = next
	if next == "" {
		delete(c.staying, name)
	}
	c.mu.Unlock()
	if next != "" && !told {
		c.Log.Warn("it was removed, and serves on: the app that takes its place cannot be started", "app", name, "successor", next)
	}
	return next != ""
}

// succeeds tells whether a spec is of an app that takes the place of another: it has its folder,
// or one of its addresses or hosts.
func succeeds(s, was *appspec.Spec) bool {
	return s.Gate == nil && (s.Path == was.Path || slices.ContainsFunc(state.ReachedBy(s), func(at string) bool { return slices.Contains(state.ReachedBy(was), at) }))
}

// fails tells whether an app cannot be started by its spec for what the one that leaves is no reason of.
func fails(f *state.Failure, spec *appspec.Spec) bool {
	return f != nil && !f.Neighbour && f.Digest == plan.DigestOf(spec)
}
