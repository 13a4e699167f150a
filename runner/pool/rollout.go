package pool

import (
	"fmt"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// rollout replaces the workers of a pool: a whole new set is started and held
// back until each of it is ready, then the sets change places at once. If one
// cannot start, the new set is dropped and nothing has changed.
type rollout struct {
	gen  int
	spec *appspec.Spec
	set  []*worker
	// again is how many workers were started anew because a signal had ended one.
	again int
}

// rolloutAgain bounds that: the signal may be the app's own doing.
const rolloutAgain = 3

// RollTo begins a rollout to spec. One that is under way is given up.
func (p *Pool) RollTo(spec *appspec.Spec, why string) {
	p.roll.cancel(p)
	p.lastGen++
	p.rollErr = ""
	if p.countServing() == 0 {
		// Nothing serves, so the new spec takes over at once, and a back-off ends.
		// What an app without workers served by last is protected by goBack.
		switch digest := appspec.Digest(spec); {
		case p.before != nil && appspec.Digest(p.before) == digest:
			p.before, p.proved = nil, true
		case p.proved && appspec.Digest(p.spec) != digest:
			p.before, p.proved = p.spec, false
		}
		for _, w := range slices.Clone(p.workers) {
			p.retire(w, why)
		}
		p.gen = p.lastGen
		p.configure(spec)
		p.Retry()
		return
	}
	p.log.Info(fmt.Sprintf("rolling out generation %d: %s", p.lastGen, why))
	r := &rollout{gen: p.lastGen, spec: spec}
	p.roll = r
	for range max(1, p.target()) {
		r.set = append(r.set, p.startWorker(spec, r.gen, true))
	}
	p.NotifyChanged()
}

// reconcile changes the sets' places when the new one is complete.
func (r *rollout) reconcile(p *Pool) {
	if r == nil {
		return
	}
	for _, w := range r.set {
		if w.life.now != phaseStandby {
			return
		}
	}
	p.roll = nil
	old := slices.DeleteFunc(slices.Clone(p.workers), func(w *worker) bool { return w.gen == r.gen })
	p.gen = r.gen
	p.configure(r.spec)
	p.proved = false // until the first of them is admitted, below
	p.back.Reset()
	p.loop.Clear(&p.retry)
	for _, w := range r.set {
		p.admit(w)
	}
	for _, w := range old {
		p.retire(w, "replaced by a rollout")
	}
	p.log.Info(fmt.Sprintf("generation %d serves", r.gen))
	p.loop.Post(p.reconcile) // the number wanted may have changed meanwhile
}

// failed gives the rollout up because one of its workers could not start.
func (r *rollout) failed(p *Pool, w *worker, bySignal bool) {
	if r == nil || w.gen != r.gen {
		p.reconcile()
		return
	}
	if i := slices.Index(r.set, w); i >= 0 && bySignal && r.again < rolloutAgain {
		// Not the word of the app: somebody's hand, or the kernel short of memory.
		r.again++
		p.log.Warn("the rollout continues with another worker: " + w.failure.Reason)
		r.set[i] = p.startWorker(r.spec, r.gen, true)
		return
	}
	p.explain(w.failure)
	p.rollErr, p.rollHint, p.rollWant = p.lastErr, p.hint, appspec.Digest(r.spec)
	p.log.Error(fmt.Sprintf("the rollout of generation %d is abandoned, the previous workers keep serving: %s", r.gen, p.rollErr))
	r.cancel(p)
	p.reconcile()
}

// goBack gives up a spec that came while no worker ran, and by which the first
// one, w, could not start: what waits is served by the spec before.
func (p *Pool) goBack(w *worker) {
	p.rollErr, p.rollHint, p.rollWant = w.failure.Summary(), w.failure.Hint, appspec.Digest(p.spec)
	p.log.Error(fmt.Sprintf("generation %d is abandoned, the previous spec stays in effect: %s", p.gen, p.rollErr))
	p.lastGen++
	p.gen = p.lastGen
	spec := p.before
	p.before, p.proved = nil, true
	p.configure(spec)
	p.Retry()
}

// cancel drops the new set.
func (r *rollout) cancel(p *Pool) {
	if r == nil {
		return
	}
	p.roll = nil
	for _, w := range r.set {
		if slices.Contains(p.workers, w) {
			p.retire(w, "its rollout was abandoned")
		}
	}
}
