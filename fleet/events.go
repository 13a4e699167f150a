package fleet

import "sync"

// events hands what happens to those who follow. A follower that does not keep
// up loses events, never holds anybody up.
type events struct {
	mu   sync.Mutex
	subs map[*subscription]struct{}
}

type subscription struct {
	want func(Event) bool
	ch   chan Event // never closed
}

// subscribe returns the events that want accepts, until done is called.
func (b *events) subscribe(want func(Event) bool) (ch <-chan Event, done func()) {
	s := &subscription{want: want, ch: make(chan Event, 256)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[*subscription]struct{}{}
	}
	b.subs[s] = struct{}{}
	return s.ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subs, s)
	}
}

func (b *events) publish(ev Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		if !s.want(ev) {
			continue
		}
		select {
		case s.ch <- ev:
		default:
		}
	}
}
