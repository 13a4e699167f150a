package pool

import (
	"slices"
	"time"
)

// popIdle returns the slot that became idle last; nil: none is.
func (p *Pool) popIdle() *Slot {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	s := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	s.idle = false
	return s
}

// notIdle takes a slot off the idle stack.
func (p *Pool) notIdle(s *Slot) {
	if !s.idle {
		return
	}
	s.idle = false
	if i := slices.Index(p.idle, s); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// depth is how many requests a slot may hold now: its share of all there are,
// so that none hoards what another could do; but one where requests take so long that
// what waits behind them would only be taken back.
func (p *Pool) depth() int {
	if p.capacity <= 1 {
		return slotDepth
	}
	if p.scaler.service >= rescueAfter {
		return 1
	}
	return min(slotDepth, 2+(p.prefetched+p.queue.n)/p.capacity)
}

// batches tells whether waiting requests in a slot may go there together, in
// one message: that spares the two sides most of their system calls. What a
// worker has in hand cannot be given to another one, so there must be none, and
// none to come; and should the first take long, the time the others may wait is
// not kept, so requests must be quick by experience and bounded in any case.
func (p *Pool) batches() bool {
	service := p.scaler.service
	return p.capacity == 1 && p.scaler.fixed() && service > 0 && service < quick && p.spec.Workers.RequestTimeout > 0
}

// quick is how long requests that go together may take on average.
const quick = int64(time.Millisecond)

// prefetch gives a request to the busy slot that holds the fewest.
func (p *Pool) prefetch(x *Exchange) bool {
	var best *Slot
	for _, w := range p.workers {
		if !w.life.serves() {
			continue
		}
		for _, s := range w.slots {
			if s.takesMore(slotDepth) && (best == nil || s.n < best.n) {
				best = s
			}
		}
	}
	if best == nil || !best.takesMore(p.depth()) || !best.send(x, p.loop.Now()) {
		return false
	}
	p.countPrefetched(best)
	p.loop.SetBy(&p.sweep, x.queuedAt+int64(p.spec.Workers.QueueTimeout))
	p.scaler.demand()
	return true
}

// full tells that as many requests wait as may.
func (p *Pool) full() bool { return p.queue.n+p.prefetched >= p.spec.Workers.Queue }

// countPrefetched counts a request that was sent to a slot which had one already.
func (p *Pool) countPrefetched(s *Slot) {
	if s.n < 2 {
		return
	}
	p.prefetched++
	if p.capacity > 1 {
		p.loop.SetBy(&p.rescue, p.loop.Now()+rescueAfter)
	}
}

// feed gives a slot that finished a request its next ones.
func (p *Pool) feed(s *Slot) {
	if !s.w.life.serves() {
		p.drainSlot(s)
		return
	}
	s.flushLater() // if it did not take all
	for p.queue.n > 0 && s.takesMore(p.depth()) {
		i, ok := p.next(s)
		if !ok {
			break
		}
		x := p.queue.get(i)
		if (x.alone() && s.n > 0) || !s.send(x, p.loop.Now()) {
			break
		}
		p.queue.removeAt(i)
		p.countPrefetched(s)
	}
	if s.n == 0 && !s.idle && s.w.life.serves() {
		s.idle = true
		p.idle = append(p.idle, s)
	}
}

// onRescue puts waiting requests behind a slow one back into the queue, where they were
// before, and gives them to workers that have nothing to do.
func (p *Pool) onRescue() {
	now := p.loop.Now()
	for _, w := range p.workers {
		for _, s := range w.slots {
			if s.n > 1 && now-s.held[0].begunAt >= rescueAfter {
				p.unfeed(s)
				p.refill(s)
			}
		}
	}
	for p.queue.n > 0 {
		s := p.popIdle()
		if s == nil {
			break
		}
		n := p.queue.n
		p.feed(s)
		if p.queue.n == n {
			break // its socket takes nothing: another event will come
		}
	}
	if p.prefetched > 0 && p.capacity > 1 {
		p.loop.Set(&p.rescue, time.Duration(rescueAfter))
	}
}

// reclaim takes back what a slot's worker has not begun, but for requests whose
// client is gone: those end here.
func (p *Pool) reclaim(s *Slot) []*Exchange {
	p.prefetched -= s.prefetched()
	back := s.takeBack()
	p.prefetched += s.prefetched()
	return slices.DeleteFunc(back, func(x *Exchange) bool {
		if x.Sink != nil {
			return false
		}
		p.account(x)
		p.Release(x)
		return true
	})
}

// unfeed puts back into the queue what a slot's worker has not begun.
func (p *Pool) unfeed(s *Slot) {
	for _, x := range p.reclaim(s) {
		p.queue.putBack(x)
	}
}

// refill gives work to a slot whose worker had not even begun its first
// request when it was reclaimed.
func (p *Pool) refill(s *Slot) {
	if s.n == 0 {
		p.loop.Post(func() {
			if s.n == 0 && s.fd >= 0 {
				p.feed(s)
			}
		})
	}
}

// drainSlot moves a leaving worker's slot on.
func (p *Pool) drainSlot(s *Slot) {
	if s.n == 0 && s.w.life.now == phaseDraining {
		s.sendQuit()
	}
}
