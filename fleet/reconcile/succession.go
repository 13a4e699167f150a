package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// How soon it is looked again whether an app can leave: its successor is starting, or cannot.
const (
	successionLook  = 200 * time.Millisecond
	successionRetry = 2 * time.Second
)

// successor is an app that is to take the place of one that is gone and does not serve yet.
type successor struct {
	app   string
	fails bool // it has tried, and could not
}

// Successor is the app that is to take the place of one that is gone and does not serve yet: who
// renames an app does not want it to stop for a disk that is full, for an address that another
// program has, or for code that cannot be loaded. Until a master of it serves the one that is
// gone serves on. Empty: it may leave. fails: the successor has tried, and could not.
// edited are apps whose edits are being carried out.
func (c *Core) Successor(ctx context.Context, name string, was *appspec.Spec, edited ...string) (next string, fails bool) {
	set, err := c.Dir.Snapshot()
	if err != nil {
		return "", false
	}
	for _, s := range c.successors(ctx, set, name, was, edited) {
		return s.app, s.fails
	}
	return "", false
}

// successors are all of them, by a set.
func (c *Core) successors(ctx context.Context, set *hclspec.Set, name string, was *appspec.Spec, edited []string) (out []successor) {
	if set == nil || was == nil {
		return nil
	}
	for _, next := range slices.Sorted(maps.Keys(set.Specs)) {
		if s := set.Specs[next]; next == name || !succeeds(s, was) {
			continue
		}
		rem := c.Store.Load(next)
		c.remindFailure(next, &rem)
		w := c.Dir.Wanted(set, nil, next, &rem, slices.Contains(edited, next))
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
			out = append(out, successor{next, f != nil || failed})
		}
	}
	return out
}

// unready says to the directory which apps of a set the names of one that is gone do not lead to
// yet, as it stays until they serve, and whether it serves.
func (c *Core) unready(set *hclspec.Set, name string, was *appspec.Spec) (apps []string, serves bool) {
	ctx := context.Background()
	left, _, err := c.masters(ctx, name)
	left = slices.DeleteFunc(left, plan.Master.IsDraining)
	if err != nil || len(left) == 0 {
		return nil, false
	}
	for _, s := range c.successors(ctx, set, name, was, nil) {
		apps = append(apps, s.app)
	}
	return apps, slices.ContainsFunc(left, plan.Master.Serves)
}

// stays tells for which app one that is gone serves on, as that does not yet, and whether that
// has failed. Empty: it leaves.
func (c *Core) stays(ctx context.Context, name string, was *appspec.Spec, edited []string) (next string, fails bool) {
	if left, _, err := c.masters(ctx, name); err != nil || len(left) == 0 {
		return "", false
	}
	next, fails = c.Successor(ctx, name, was, edited...)
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

// givingLimit is how long an app may wait until the gate knows that others have its names.
const givingLimit = 5 * time.Second

// isAskedFor tells whether the gate sends clients to an app that is gone though its successor
// serves: it knows of that from the next load on. Until then the app serves them.
func (c *Core) isAskedFor(name string) bool {
	c.mu.Lock()
	since, gives := c.giving[name]
	c.mu.Unlock()
	asked := c.Dir.KeepsNames(name) || gives && c.GateLags() != nil
	if asked && gives && c.Now().Sub(since) > givingLimit {
		asked = false
		c.Log.Warn("it ends, and the gate does not know yet that other apps have its names: their clients wait at the gate", "app", name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !asked:
		delete(c.giving, name)
	case !gives:
		c.giving[name] = c.Now()
	}
	return asked
}

// GateLags is the gate as it is about to be told of names; nil: it knows them, or cannot.
func (c *Core) GateLags() *appspec.Spec {
	set, err := c.Dir.Snapshot()
	if err != nil {
		return nil
	}
	rem := c.Store.Load(appspec.GateName)
	spec := c.Dir.Wanted(set, nil, appspec.GateName, &rem, false).Spec
	if spec == nil || rem.Override.Stopped {
		return nil
	}
	digest := plan.DigestOf(spec)
	if f := rem.Failure; f != nil && f.Digest == digest {
		return nil
	}
	// What it is told is written down before: it knows that once nobody is telling it any more.
	if rem.Applied != nil && rem.Applied.Digest == digest && !c.Store.IsLocked(appspec.GateName) {
		return nil
	}
	return spec
}

// succeeds tells whether a spec is of an app that takes the place of another: it has its folder,
// or one of its addresses or hosts.
func succeeds(s, was *appspec.Spec) bool {
	return s.Gate == nil && (s.Path == was.Path || slices.ContainsFunc(state.ReachedBy(s), func(at string) bool { return slices.Contains(state.ReachedBy(was), at) }))
}
