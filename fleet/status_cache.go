package fleet

import "sync"

// statusCache holds each app's state for the status line, so that one change among a
// thousand apps costs the look at one app.
type statusCache struct {
	mu    sync.Mutex
	apps  map[string]AppStatus // name, state and reason only
	stale map[string]bool
	moves map[string]uint64 // the number of the last touch of an app
	last  uint64            // of all apps
	poke  chan struct{}     // something is stale; capacity 1
}

func newStatusCache() *statusCache {
	return &statusCache{apps: map[string]AppStatus{}, stale: map[string]bool{}, moves: map[string]uint64{}, poke: make(chan struct{}, 1)}
}

// touch notes that an app is not what the cache says; an empty name: the faults
// of the directory are not.
func (c *statusCache) touch(app string) {
	c.mu.Lock()
	if app != "" {
		c.stale[app] = true
		c.last++
		c.moves[app] = c.last
	}
	c.mu.Unlock()
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// moved is another number after each touch of an app.
func (c *statusCache) moved(app string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moves[app]
}

// take returns the stale names, which count as looked at from now on.
func (c *statusCache) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]string, 0, len(c.stale))
	for n := range c.stale {
		out = append(out, n)
	}
	clear(c.stale)
	return out
}

// put writes what an app is now; one without a name is no more.
func (c *statusCache) put(app string, st AppStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.Name == "" {
		delete(c.apps, app)
		delete(c.moves, app)
		return
	}
	c.apps[app] = AppStatus{Name: app, State: st.State, Reason: st.Reason}
}

// all returns what the cache says, in no order.
func (c *statusCache) all() []AppStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]AppStatus, 0, len(c.apps))
	for _, a := range c.apps {
		out = append(out, a)
	}
	return out
}
