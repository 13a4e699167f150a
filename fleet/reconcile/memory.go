package reconcile

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// memory is what a process knows of an app beside the store.
type memory struct {
	spec     *appspec.Spec
	other    bool // than what the directory says
	override state.Override
}

// memorize keeps what must not be lost with the data directory either.
func (c *Core) memorize(name string, w plan.Want, rem state.AppState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.Spec == nil {
		delete(c.memories, name)
		return
	}
	c.memories[name] = memory{w.Spec, w.Asked != nil || w.Held != "" || w.Waiting != "", rem.Override}
}

// memorizeOrder keeps an order of the operator that was just written down.
func (c *Core) memorizeOrder(name string, o state.Override) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.memories[name]; ok {
		m.override = o
		c.memories[name] = m
	}
}

// remind adds what was swept away with the data directory, or is damaged there, and
// tells whether that is so. Files go one by one: an order may be gone while the spec is
// still there. Beside a daemon nobody else withdraws one; a command may have another
// beside it.
func (c *Core) remind(name string, rem *state.AppState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.memories[name]
	withdrawn := c.Sockets == nil || !rem.Override.Empty() || m.override.Empty()
	if rem.LastGood != nil && !rem.Disordered && withdrawn {
		return false
	}
	if ok && rem.LastGood == nil {
		rem.LastGood = m.spec
	}
	if ok {
		rem.Override = m.override
	}
	return ok
}

// saveReminded writes it down again: the spec last, as it is what remind goes by.
func (c *Core) saveReminded(name string, rem state.AppState) {
	err := c.Store.SaveOverride(name, rem.Override)
	if err == nil {
		err = c.Store.SaveSpec(rem.LastGood)
	}
	if err != nil {
		c.Log.Error(err.Error(), "app", name)
	}
}

// saveFailure writes down why an app is not as it should be, nil: it is. What cannot be
// written, on a full disk, is known as long as this process lives.
func (c *Core) saveFailure(name string, f *state.Failure) error {
	err := c.Store.SaveFailure(name, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && f != nil {
		c.failures[name] = f
	} else {
		delete(c.failures, name)
	}
	return err
}

// remindFailure adds a failure that could not be written down.
func (c *Core) remindFailure(name string, rem *state.AppState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.failures[name]; f != nil {
		rem.Failure = f
	}
}
