package unread

import (
	"slices"
	"sync"
)

// pieces counts the pieces of memory that request bodies have on their way to the
// disk: mostWriting in all. Who finds none gets the next that is free, in the order
// in which they came. Its methods are safe for concurrent use.
type pieces struct {
	mu      sync.Mutex
	n       int     // guarded by mu: in use, and promised
	waiting []*Body // guarded by mu
	granted []*Body // guarded by mu: woken, for each of whom one of n is kept
}

// claim takes one; false: the body is woken when there is one for it.
func (p *pieces) claim(b *Body) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch i := slices.Index(p.granted, b); {
	case i >= 0:
		p.granted = slices.Delete(p.granted, i, i+1)
	case p.n < mostWriting/BlockSize:
		p.n++
	default:
		if !slices.Contains(p.waiting, b) {
			p.waiting = append(p.waiting, b)
		}
		return false
	}
	return true
}

// free gives one back.
func (p *pieces) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass()
}

// forget: the body waits no more.
func (p *pieces) forget(b *Body) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, b); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	if i := slices.Index(p.granted, b); i >= 0 {
		p.granted = slices.Delete(p.granted, i, i+1)
		p.pass()
	}
}

// pass lets the next have one that is free. p.mu is held.
func (p *pieces) pass() {
	if len(p.waiting) == 0 {
		p.n--
		return
	}
	b := p.waiting[0]
	p.waiting = slices.Delete(p.waiting, 0, 1)
	p.granted = append(p.granted, b)
	b.wake()
}
