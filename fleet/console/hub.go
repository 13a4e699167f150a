package console

import (
	"context"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

const (
	// interestLife is how long an app is sampled after somebody has looked at it last.
	interestLife = 20 * time.Second
	// maxRings is of how many apps samples are kept.
	maxRings = 16
	// linger is for how many rounds it waits for somebody who goes from page to page, or
	// whose browser asks for a page again and again, see layout.html.
	linger = 12
	// maxStreams is how many browsers may follow at a time.
	maxStreams = 64
)

// hub has one goroutine while somebody looks, and none else: it looks at the fleet,
// takes samples of the apps whose pages are open, and tells those who follow of changes.
type hub struct {
	cache *statusCache
	life  context.Context
	wg    sync.WaitGroup

	mu      sync.Mutex
	subs    map[chan uint64]uint64 // guarded by mu: the version that each was told of
	rings   map[string]*ring       // guarded by mu
	visited bool                   // guarded by mu: a page was asked for since the last round
	running bool                   // guarded by mu
}

// subscribe returns the version of the fleet's picture, and each one that comes after it,
// the newest only; nil: too many follow.
func (h *hub) subscribe() (ch chan uint64, done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) >= maxStreams {
		return nil, nil
	}
	ch = make(chan uint64, 1)
	if h.subs == nil {
		h.subs = map[chan uint64]uint64{}
	}
	h.subs[ch] = 0
	h.start()
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, ch)
	}
}

// watch notes that somebody looks at an app, and returns its samples.
func (h *hub) watch(app string) []point {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rings[app]
	if r == nil {
		if len(h.rings) >= maxRings {
			oldest := ""
			for n, o := range h.rings {
				if oldest == "" || o.seen.Before(h.rings[oldest].seen) {
					oldest = n
				}
			}
			delete(h.rings, oldest)
		}
		r = &ring{}
		h.rings[app] = r
	}
	r.seen = time.Now()
	h.start()
	return r.all()
}

// visit notes that somebody has asked for a page: what it needs is given back when
// nobody looks any more.
func (h *hub) visit() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.visited = true
	h.start()
}

// start has the goroutine run. The caller holds mu.
func (h *hub) start() {
	if h.running || h.life.Err() != nil {
		return
	}
	h.running = true
	h.wg.Go(h.run)
}

func (h *hub) wait() { h.wg.Wait() }

func (h *hub) run() {
	for alone := 0; ; alone++ {
		began := time.Now()
		h.mu.Lock()
		var apps []string
		for n, r := range h.rings {
			if began.Sub(r.seen) > interestLife {
				delete(h.rings, n)
			} else {
				apps = append(apps, n)
			}
		}
		follow := len(h.subs) > 0
		if follow || h.visited || len(apps) > 0 {
			alone = 0
		}
		h.visited = false
		if alone > linger || h.life.Err() != nil {
			h.running = false
			h.mu.Unlock()
			// What was needed to be looked at is given back: the picture, and of the
			// program what makes pages of it, which is no less.
			h.cache.forget()
			runner.TrimMemory()
			return
		}
		h.mu.Unlock()
		for _, n := range apps {
			h.sample(n)
		}
		if follow {
			h.tell(h.cache.look(h.life).Version)
		}
		select {
		case <-h.life.Done():
		case <-time.After(max(pulse-time.Since(began), pulse/4)):
		}
	}
}

// tell pokes those who do not know of a version; who has not read the last one yet gets
// this one.
func (h *hub) tell(version uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch, told := range h.subs {
		if told == version {
			continue
		}
		select {
		case <-ch:
		default:
		}
		ch <- version
		h.subs[ch] = version
	}
}

func (h *hub) sample(app string) {
	st, counters, found := h.cache.fleet.App(h.life, app)
	if !found {
		return
	}
	p := pointOf(&st, counters, time.Now())
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rings[app]; r != nil {
		r.add(p)
	}
}
