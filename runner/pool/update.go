package pool

import (
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// StartWith has workers started by sp, with the spec as they see it.
func (p *Pool) StartWith(sp *Spawner, view func(*appspec.Spec) *appspec.Spec) {
	p.spawn = func(w *worker, s *appspec.Spec) { sp.spawn(w, view(s)) }
}

// Start starts the first workers.
func (p *Pool) Start() {
	p.configure(p.spec)
	p.reconcile()
}

// Update takes over another spec: by a rollout, or in place.
func (p *Pool) Update(spec *appspec.Spec, generation int, rolling bool) {
	if rolling {
		p.min, p.max = spec.Workers.Min, spec.Workers.Max
		p.scaler.limits(spec.Workers.Min, spec.Workers.Max)
		p.RollTo(spec, fmt.Sprintf("the spec changed (generation %d)", generation))
		return
	}
	if p.rollErr != "" && p.rollWant != appspec.Digest(p.spec) {
		// What could not be rolled out is no longer wanted.
		p.rollErr = ""
	}
	p.roll.cancel(p)
	p.configure(spec)
	p.log.Info(fmt.Sprintf("updating to generation %d of its spec in place", generation))
	p.Scale(spec.Workers.Min, spec.Workers.Max)
	p.Retry()
}

// HasServed tells by which spec the app has served before; nil: by the one it has.
func (p *Pool) HasServed(before *appspec.Spec) {
	p.before, p.proved = before, before == nil
}

// Grow allows one worker more.
func (p *Pool) Grow() { p.Scale(p.min+1, p.max+1) }

// Shrink allows one worker less, but one.
func (p *Pool) Shrink() { p.Scale(max(p.min-1, min(p.min, 1)), max(p.max-1, 1)) }

// Running is the spec that the workers run.
func (p *Pool) Running() *appspec.Spec { return p.spec }

// State says what the app is, and why if it is not well.
func (p *Pool) State() (control.State, string) { return p.stateWith(p.countServing()) }

// Total is how many requests have come.
func (p *Pool) Total() uint64 { return p.stats.total }

// OnChild is called after SIGCHLD.
func (p *Pool) OnChild() { p.reaper.onChild() }
