package pool

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// onSweep looks for requests past their deadline.
func (p *Pool) onSweep() {
	now := p.loop.Now()
	next := int64(1<<63 - 1)
	limit := int64(p.spec.Workers.QueueTimeout)
	// Those that wait too long behind another in a slot wait in the queue first.
	for _, w := range p.workers {
		for _, s := range w.slots {
			if s.n < 2 {
				continue
			}
			if due := s.held[1].queuedAt + limit; due > now {
				next = min(next, due)
				continue
			}
			p.unfeed(s)
			// What the worker has in hand already cannot be given to others; the first
			// may stream for hours.
			for i := 1; i < s.n; i++ {
				x := s.held[i]
				if due := x.queuedAt + limit; due > now {
					next = min(next, due)
				} else if x.Sink != nil {
					p.waitedTooLong(x)
				}
			}
			p.refill(s)
		}
	}
	for p.queue.n > 0 {
		x := p.queue.peek()
		if x.queuedAt+limit > now {
			next = min(next, x.queuedAt+limit)
			break
		}
		p.queue.pop()
		p.waitedTooLong(x)
	}
	for _, w := range slices.Clone(p.workers) {
		for _, s := range w.slots {
			if s.n == 0 || s.held[0].deadline == 0 {
				continue
			}
			if d := s.held[0].deadline; d > now {
				next = min(next, d)
			} else {
				p.timedOut(s)
			}
		}
	}
	if next < 1<<63-1 {
		p.loop.SetBy(&p.sweep, next)
	}
}

// waitedTooLong answers a request that no worker has begun.
func (p *Pool) waitedTooLong(x *Exchange) {
	p.stats.rejected++
	why := fmt.Sprintf("no worker was free within %v (workers.queue_timeout)", p.spec.Workers.QueueTimeout)
	if p.lastErr != "" && p.countServing() == 0 {
		why = fmt.Sprintf("no worker became available within %v (workers.queue_timeout): %s", p.spec.Workers.QueueTimeout, p.lastErr)
	}
	p.fail(x, 503, why)
}

// timedOut answers 504, or cuts a response that has begun, and replaces the
// worker, whose Python stacks go to the log before it is killed.
func (p *Pool) timedOut(s *Slot) {
	x := s.held[0]
	x.deadline = 0
	p.stats.timeouts++
	why := "worker %d has not answered for %v (workers.request_timeout); it is replaced, its stack follows"
	if x.headSent {
		why = "worker %d has sent no part of the response for %v (workers.request_timeout); the response is aborted, the worker is replaced, its stack follows"
	}
	p.fail(x, 504, fmt.Sprintf(why, s.w.pid, p.spec.Workers.RequestTimeout))
	w := s.w
	const gaveUp = "a request exceeded workers.request_timeout"
	p.stats.restarts[restartTimeout]++
	p.retire(w, gaveUp)
	for _, o := range w.slots {
		if o != s && o.n > 0 && o.held[0].deadline > 0 {
			return // another thread of it is at work: let that finish first
		}
	}
	p.dumpAndKill(w, gaveUp)
}

// dumpAndKill makes the worker write its stacks (faulthandler answers SIGABRT)
// and makes sure that it ends.
func (p *Pool) dumpAndKill(w *worker, why string) {
	if !w.kill(why) {
		return
	}
	p.log.Warn(fmt.Sprintf("worker %d is killed: %s; its stack follows", w.pid, why))
	w.signal(unix.SIGABRT)
	tries := 0
	w.timer.Do = func() {
		// On a busy machine it may have had no CPU to be told on.
		if tries++; tries < abortTries && hasPending(w.pid, unix.SIGABRT) {
			p.loop.Set(&w.timer, abortPatience)
			return
		}
		w.signal(unix.SIGKILL)
	}
	p.loop.Set(&w.timer, abortPatience)
}

const (
	// abortPatience is how long a worker has to write its stacks, and abortTries how often
	// as long while it has not even taken the signal.
	abortPatience = time.Second
	abortTries    = 4
)
