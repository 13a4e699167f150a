package fleet

import "sync"

// board holds each app's state for the status line, so that one change among a
// thousand apps costs the look at one app.
type board struct {
	mu    sync.Mutex
	apps  map[string]AppStatus // name, state and reason only
	stale map[string]bool
	moves map[string]uint64 // the number of the last touch of an app
	last  uint64            // of all apps
	poke  chan struct{}     // something is stale; capacity 1
}

func newBoard() *board {
	return &board{apps: map[string]AppStatus{}, stale: map[string]bool{}, moves: map[string]uint64{}, poke: make(chan struct{}, 1)}
}

// touch notes that an app is not what the board says; an empty name: the faults
// of the directory are not.
func (b *board) touch(app string) {
	b.mu.Lock()
	if app != "" {
		b.stale[app] = true
		b.last++
		b.moves[app] = b.last
	}
	b.mu.Unlock()
	select {
	case b.poke <- struct{}{}:
	default:
	}
}

// moved is another number after each touch of an app.
func (b *board) moved(app string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.moves[app]
}

// take returns the stale names, which count as looked at from now on.
func (b *board) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]string, 0, len(b.stale))
	for n := range b.stale {
		out = append(out, n)
	}
	clear(b.stale)
	return out
}

// put writes what an app is now; one without a name is no more.
func (b *board) put(app string, st AppStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if st.Name == "" {
		delete(b.apps, app)
		delete(b.moves, app)
		return
	}
	b.apps[app] = AppStatus{Name: app, State: st.State, Reason: st.Reason}
}

// all returns what the board says, in no order.
func (b *board) all() []AppStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]AppStatus, 0, len(b.apps))
	for _, a := range b.apps {
		out = append(out, a)
	}
	return out
}
