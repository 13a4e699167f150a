package fleet

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// operations are the commands, wherever they are carried out: in the daemon on
// behalf of a Client, or in a Local.
type operations struct {
	e *engine
	// pass makes a pass over the app that begins after the call.
	pass func(ctx context.Context, name string, ord reconcile.Intent) reconcile.Outcome
	// reread reads the spec directory now.
	reread func(ctx context.Context) (*hclspec.Set, error)
	daemon func() *DaemonStatus // nil result: this is no daemon
	// life ends when this process is about to.
	life context.Context
	// sweeping are removals of old releases that go on beside the rest.
	sweeping *sync.WaitGroup
}

// choose reads the directory and finds the apps that a command speaks of.
func (p *operations) choose(ctx context.Context, verb string, apps []string) ([]string, *hclspec.Set, error) {
	set, err := p.reread(ctx)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	all := p.e.names()
	if uerr := unknownApps(p.e.opts.Dir, verb, apps, all); uerr != nil {
		if err != nil {
			return nil, nil, err
		}
		return nil, nil, uerr
	}
	if len(apps) == 0 {
		return all, set, err
	}
	seen := map[string]bool{}
	var out []string
	for _, a := range apps {
		if !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	sort.Strings(out)
	return out, set, err
}

// Plan says what Apply would do.
func (p *operations) Plan(ctx context.Context, apps []string) (*plan.Plan, error) {
	chosen, set, err := p.choose(ctx, "plan", apps)
	if err != nil {
		return nil, err
	}
	return p.e.planAll(ctx, set, chosen, len(apps) > 0), nil
}

// planAll is what apply would do to apps if the directory were as the set says.
func (e *engine) planAll(ctx context.Context, set *hclspec.Set, chosen []string, named bool) *plan.Plan {
	plan := &plan.Plan{Faults: []hclspec.Fault{}, Apps: make([]plan.AppPlan, len(chosen))}
	for _, f := range set.Faults {
		if !f.Lost { // apply makes it good
			plan.Faults = append(plan.Faults, f)
		}
	}
	plan.Warnings = sharedUsers(set)
	parallel(len(chosen), 8, func(i int) {
		plan.Apps[i] = e.plan(ctx, set, chosen[i], named)
	})
	return plan
}

// plan is what apply would do to one app; named: the operator names it.
func (e *engine) plan(ctx context.Context, set *hclspec.Set, name string, named bool) plan.AppPlan {
	// The last good spec costs more to read than all the rest: only where it counts.
	var rem state.AppState
	e.store.LoadOrders(name, &rem)
	if set.DefaultsBroken || set.Specs[name] == nil {
		e.store.LoadSpec(name, &rem)
		rem.Guess()
	}
	w := plan.WantOf(&rem, set, nil, name)
	if w.Invalid != "" {
		ap := plan.AppPlan{App: name, Why: "no valid spec has been loaded yet", Error: w.Invalid}
		if w.Fault != nil {
			ap.File = w.Fault.File
		}
		return ap
	}
	if set.DefaultsBroken {
		return plan.AppPlan{App: name, File: w.Spec.File, Why: "nothing changes", Error: w.Held}
	}
	lost := w.Fault != nil && w.Fault.Lost
	if lost {
		w = plan.Want{Fault: w.Fault} // apply confirms it
	}
	if named {
		rem.Override.Stopped = false
	}
	o := e.observe(ctx, name, rem, w.Spec)
	if len(o.Masters) > 0 && o.LastGood == nil {
		e.store.LoadSpec(name, &o.AppState) // one of them may run it
	}
	o.Request.Retry = true
	ap := plan.MakePlan(w.Spec, o.Observed, e.now())
	if w.Held != "" {
		ap.Error = w.Held
	}
	if lost {
		ap.Why = "its spec was removed: " + w.Fault.Summary
	}
	return ap
}

// Apply brings the apps to their specs and waits until each is ready or has failed.
func (p *operations) Apply(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	chosen, set, err := p.choose(ctx, "apply", apps)
	if err != nil {
		return nil, err
	}
	return p.applyAll(ctx, set, chosen, len(apps) > 0, progress)
}

// ErrOtherPlan tells that what apply would do is not what was shown.
var ErrOtherPlan = errors.New("cannot apply: the plan has changed; nothing was done; review the new plan and apply that")

// ApplyPlan is Apply of all apps if the plan is still the one of that Digest.
func (p *operations) ApplyPlan(ctx context.Context, digest string, progress func(Event)) ([]Result, error) {
	chosen, set, err := p.choose(ctx, "apply", nil)
	if err != nil {
		return nil, err
	}
	if p.e.planAll(ctx, set, chosen, false).Digest() != digest {
		return nil, ErrOtherPlan
	}
	return p.applyAll(ctx, set, chosen, false, progress)
}

// applyAll applies the specs of a set; named: the operator has named the apps.
func (p *operations) applyAll(ctx context.Context, set *hclspec.Set, chosen []string, named bool, progress func(Event)) ([]Result, error) {
	if set.DefaultsBroken {
		return nil, errors.New(plan.DefaultsText(plan.DefaultsFault(set)))
	}
	if lost := lostApps(set, chosen); len(lost) > 0 {
		p.e.removed(lost...)
		if _, err := p.reread(ctx); err != nil {
			return nil, err
		}
	}
	ord := reconcile.Intent{Request: plan.Request{Retry: true, Confirmed: true}}
	if named {
		ord.Edits = append(ord.Edits, func(o *state.Override, _ *appspec.Spec) { o.Stopped = false })
	}
	results := p.each(ctx, chosen, progress, func(name string) Result { return p.converge(ctx, name, ord) })
	if p.e.holds(set) && ctx.Err() == nil {
		results = p.follow(ctx, set, results)
	}
	return results, nil
}

// Start starts what is stopped and tries again at once what failed.
func (p *operations) Start(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	ord := reconcile.Intent{Request: plan.Request{Retry: true}}
	ord.Edits = append(ord.Edits, func(o *state.Override, _ *appspec.Spec) { o.Stopped = false })
	return p.command(ctx, "start", apps, progress, func(name string) Result {
		if r, no := p.disabled(name, "start"); no {
			return r
		}
		return p.converge(ctx, name, ord)
	})
}

// Stop drains and stops, until Start or Apply with the app's name.
func (p *operations) Stop(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	ord := reconcile.Intent{Edits: []func(*state.Override, *appspec.Spec){func(o *state.Override, _ *appspec.Spec) { o.Stopped = true }}}
	return p.command(ctx, "stop", apps, progress, func(name string) Result {
		out := p.pass(ctx, name, ord)
		if out.Err != nil {
			return Result{App: name, State: StateStopped, Reason: out.Err.Error()}
		}
		return p.ended(ctx, name)
	})
}

// Restart replaces the masters: the new one is ready before the old one drains.
func (p *operations) Restart(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	ord := reconcile.Intent{Request: plan.Request{Restart: true}}
	ord.Edits = append(ord.Edits, func(o *state.Override, _ *appspec.Spec) { o.Stopped = false })
	return p.command(ctx, "restart", apps, progress, func(name string) Result {
		if r, no := p.disabled(name, "restart"); no {
			return r
		}
		return p.converge(ctx, name, ord)
	})
}

// Reload replaces the workers, new ones first.
func (p *operations) Reload(ctx context.Context, apps []string, progress func(Event)) ([]Result, error) {
	ord := reconcile.Intent{Request: plan.Request{Reload: true}}
	return p.command(ctx, "reload", apps, progress, func(name string) Result {
		if r, no := p.disabled(name, "reload"); no {
			return r
		}
		if r, no := p.stopped(name, "reload"); no {
			return r
		}
		return p.converge(ctx, name, ord)
	})
}

// Scale sets the number of workers until the spec's next change.
func (p *operations) Scale(ctx context.Context, counts map[string]int, progress func(Event)) ([]Result, error) {
	apps := make([]string, 0, len(counts))
	for a, n := range counts {
		if n == 0 {
			return nil, fmt.Errorf("cannot scale app %s to 0: an app has at least one worker; stop it with: wsgid-fleet stop %s", a, a)
		}
		if n < 0 || n > appspec.MaxWorkers {
			return nil, fmt.Errorf("cannot scale app %s to %d: the number of workers must be from 1 to %d", a, n, appspec.MaxWorkers)
		}
		apps = append(apps, a)
	}
	if len(apps) == 0 {
		return nil, nil
	}
	return p.command(ctx, "scale", apps, progress, func(name string) Result {
		if r, no := p.disabled(name, "scale"); no {
			return r
		}
		if r, no := p.stopped(name, "scale"); no {
			return r
		}
		n := counts[name]
		return p.converge(ctx, name, reconcile.Intent{Edits: []func(*state.Override, *appspec.Spec){
			func(o *state.Override, spec *appspec.Spec) {
				o.Scale, o.Digest = &state.Desired{Min: n, Max: n}, digestOf(spec)
			},
		}})
	})
}

// Status says what runs against what should.
func (p *operations) Status(ctx context.Context) (*Status, error) {
	if _, err := p.reread(ctx); err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return p.e.status(ctx, p.daemon()), nil
}

// command runs what speaks of apps by name. A directory that cannot be read or
// a broken defaults.hcl does not keep an operator from it: the last good specs
// hold, and that is said first.
func (p *operations) command(ctx context.Context, verb string, apps []string, progress func(Event), f func(name string) Result) ([]Result, error) {
	chosen, set, err := p.choose(ctx, verb, apps)
	if ctx.Err() != nil {
		return nil, err
	}
	if _, ok := errors.AsType[*UnknownAppError](err); ok {
		return nil, err
	}
	if progress != nil {
		switch {
		case err != nil:
			if len(chosen) == 0 {
				return nil, err
			}
			progress(Event{At: p.e.now(), State: "warning", Message: err.Error()})
		case set.DefaultsBroken:
			progress(Event{At: p.e.now(), State: "warning", Message: plan.DefaultsText(plan.DefaultsFault(set))})
		}
	}
	return p.each(ctx, chosen, progress, f), nil
}

// each runs f for all apps at once, hands their events to progress from this
// goroutine and returns the results by name.
func (p *operations) each(ctx context.Context, apps []string, progress func(Event), f func(name string) Result) []Result {
	mine := map[string]bool{}
	for _, a := range apps {
		mine[a] = true
	}
	events, done := p.e.events.subscribe(func(ev Event) bool { return mine[ev.App] })
	defer done()
	results := make([]Result, len(apps))
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		// Waits give their place in the pass away, so all may be under way.
		parallel(len(apps), max(len(apps), 1), func(i int) { results[i] = f(apps[i]) })
	}()
	tell := func(ev Event) {
		if progress != nil {
			progress(ev)
		}
	}
	for {
		select {
		case ev := <-events:
			tell(ev)
			continue
		case <-finished:
		}
		break
	}
	for {
		select {
		case ev := <-events:
			tell(ev)
			continue
		default:
		}
		break
	}
	return withoutNameless(results)
}

func withoutNameless(rs []Result) []Result {
	out := rs[:0]
	for _, r := range rs {
		if r.App != "" {
			out = append(out, r)
		}
	}
	return out
}

func (p *operations) disabled(name, verb string) (Result, bool) {
	set, setErr := p.e.snapshot()
	rem := p.e.store.Load(name)
	w := p.e.wantedOf(set, setErr, name, &rem, false)
	if w.Spec == nil && w.Waiting != "" {
		return Result{App: name, State: StateWaiting, Reason: fmt.Sprintf("cannot %s it: %s", verb, waitsFor(name, w.Waiting))}, true
	}
	if w.Spec != nil && !w.Spec.Enabled {
		return Result{App: name, State: StateDisabled,
			Reason: fmt.Sprintf("cannot %s it: enabled = false in %s", verb, w.Spec.File)}, true
	}
	return Result{}, false
}

func (p *operations) stopped(name, verb string) (Result, bool) {
	if p.e.store.Load(name).Override.Stopped {
		return Result{App: name, State: StateStopped,
			Reason: fmt.Sprintf("cannot %s it: it is stopped; start it first: wsgid-fleet start %s", verb, name)}, true
	}
	return Result{}, false
}

// converge makes a pass and waits for what becomes of the app.
func (p *operations) converge(ctx context.Context, name string, ord reconcile.Intent) Result {
	out := p.pass(ctx, name, ord)
	if out.Err != nil && !reconcile.IsRejected(out.Err) && ctx.Err() == nil {
		r := p.e.settleOnce(ctx, name, p.daemon() != nil)
		r.OK, r.Reason = false, out.Err.Error()
		return r
	}
	r := p.e.settle(ctx, name, p.daemon() != nil)
	if r.OK && r.State == StateStopped && (ord.Restart || ord.Reload) {
		// Somebody's stop, or an edit, has come in between.
		r.OK = false
	}
	return r
}

// ended waits until no master of a stopped app is left.
func (p *operations) ended(ctx context.Context, name string) Result {
	for {
		w, o := p.e.look(ctx, name)
		if o.FindErr != nil {
			return Result{App: name, State: StateStopped, Reason: o.FindErr.Error()}
		}
		if len(o.Masters) == 0 {
			st := appStatus(w, o.Observed, p.daemon() != nil, p.e.now())
			if st.State == "" {
				st.State = StateStopped
			}
			return Result{App: name, OK: true, State: st.State, Reason: st.Reason}
		}
		if err := o.Handles[o.Masters[0].PID].Wait(ctx); ctx.Err() != nil {
			return Result{App: name, State: StateStopped, Reason: fmt.Sprintf("cannot wait for its end: %v", err)}
		}
	}
}

// settleSlack is what a master has beyond start_timeout to say what became of
// its workers.
const settleSlack = 5 * time.Second
