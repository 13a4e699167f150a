package pool

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Stop retires every worker and answers what waits as long as one is left.
func (p *Pool) Stop() {
	if p.stopping {
		return
	}
	p.stopping = true
	p.loop.Clear(&p.retry)
	p.roll.cancel(p)
	// Requests that wait are served first: a worker leaves when the queue is
	// empty and its own slots are.
	p.drainAll()
	p.NotifyChanged()
}

// drainAll retires the workers of a stopping pool once nothing waits.
func (p *Pool) drainAll() {
	if p.queue.n > 0 && p.countServing() > 0 {
		return
	}
	for p.queue.n > 0 {
		p.fail(p.queue.pop(), 503, "the app is being stopped and has no worker")
	}
	for _, w := range slices.Clone(p.workers) {
		p.retire(w, "the app is stopped")
	}
	p.retireTemplates()
	if len(p.workers) == 0 {
		p.Emptied()
	}
}

// Abort kills every worker.
func (p *Pool) Abort() {
	p.aborted = true
	for _, t := range p.templates {
		t.proc.signal(unix.SIGKILL)
	}
	for _, w := range slices.Clone(p.workers) {
		w.signal(unix.SIGKILL)
	}
}
