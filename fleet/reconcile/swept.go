package reconcile

import (
	"context"
	"errors"
	"slices"
)

// errSwept is what is wrong with a master that cannot be asked any more.
var errSwept = errors.New("its control socket is gone, and it cannot recreate it")

// Restore has the masters that the state directory has lost note themselves anew, and
// keeps those in mind that cannot: no other one is started beside them.
func (c *Core) Restore(ctx context.Context) (apps []string, err error) {
	apps, mute, err := c.Machine.Restore(ctx, c.Store.Dir)
	if err != nil {
		return apps, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.mutes
	c.mutes = mute
	for _, m := range mute {
		if slices.ContainsFunc(known, sameMaster(m)) {
			continue
		}
		c.Log.Error("a master lost its control socket and cannot recreate it", "app", m.Recorded().App, "pid", m.Recorded().PID,
			"next", "no second one is started; it is replaced, or stopped with: wsgid-fleet stop "+m.Recorded().App)
	}
	return apps, nil
}

// unseen completes what was found of an app's masters: those that the state directory
// does not know, or knows wrongly, are asked to note themselves anew. Those that
// cannot are returned apart. An error tells that it cannot be known which.
func (c *Core) unseen(ctx context.Context, name string, found []Handle) (all, mute []Handle, err error) {
	if len(c.lost(name, found)) == 0 && !slices.ContainsFunc(found, damaged) {
		return found, nil, nil
	}
	_ = c.Store.Make(name)
	_, err = c.Restore(ctx)
	now, ferr := c.Machine.Find(c.Store.Dir, name)
	if ferr == nil {
		found = now
	}
	if err = errors.Join(exhaustion(err), exhaustion(ferr)); err != nil {
		return nil, nil, err
	}
	return found, c.lost(name, found), nil
}

// lost are the masters of an app that are known, live, and are not among those.
func (c *Core) lost(name string, found []Handle) (out []Handle) {
	c.mu.Lock()
	known := slices.Clone(c.mutes)
	c.mu.Unlock()
	for _, m := range append(known, c.Followed(name)...) {
		if m.Recorded().App == name && m.Alive() && !slices.ContainsFunc(found, sameMaster(m)) && !slices.ContainsFunc(out, sameMaster(m)) {
			out = append(out, m)
		}
	}
	return out
}

func sameMaster(m Handle) func(Handle) bool {
	return func(f Handle) bool { return f.Recorded().PID == m.Recorded().PID }
}
