package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// operations are the commands, wherever they are carried out: in the daemon on
// behalf of a Client, or in a Local.
type operations struct {
	core *core
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
	all := p.core.Dir.Names()
	if uerr := unknownApps(p.core.opts.Dir, verb, apps, all); uerr != nil {
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
	return p.core.planAll(ctx, set, chosen, len(apps) > 0), nil
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
	if p.core.planAll(ctx, set, chosen, false).Digest() != digest {
		return nil, ErrOtherPlan
	}
	return p.applyAll(ctx, set, chosen, false, progress)
}

// applyAll applies the specs of a set; named: the operator has named the apps.
func (p *operations) applyAll(ctx context.Context, set *hclspec.Set, chosen []string, named bool, progress func(Event)) ([]Result, error) {
	if set.DefaultsBroken {
		return nil, errors.New(plan.DefaultsText(plan.DefaultsFault(set)))
	}
	if lost := specdir.LostApps(set, chosen); len(lost) > 0 {
		p.core.Dir.Removed(lost...)
		if _, err := p.reread(ctx); err != nil {
			return nil, err
		}
	}
	ord := reconcile.Intent{Request: plan.Request{Retry: true, Confirmed: true}, Alongside: chosen}
	if named {
		ord.Edits = append(ord.Edits, func(o *state.Override, _ *appspec.Spec) { o.Stopped = false })
	}
	results := p.each(chosen, progress, func(name string) Result { return p.converge(ctx, name, ord) })
	// What is gone stays as long as the app that takes its place has yet to start, or to fail,
	// which is known by now.
	for i, r := range results {
		if set.Specs[r.App] != nil {
			continue
		}
		rem := p.core.Store.Load(r.App)
		if ctx.Err() != nil || rem.Unknown != nil || !p.core.Dir.Wanted(set, nil, r.App, &rem, true).Gone() {
			continue
		}
		if _, o := p.core.Look(ctx, r.App); slices.ContainsFunc(o.Masters, func(m plan.Master) bool { return !m.IsDraining() }) {
			results[i] = p.converge(ctx, r.App, reconcile.Intent{Request: plan.Request{Confirmed: true}, Alongside: chosen})
		}
	}
	if p.core.Dir.Holds(set) && ctx.Err() == nil {
		results = p.follow(ctx, set, results)
	}
	p.tellGate(ctx, progress)
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
			r := p.core.outcomeNow(ctx, name, p.daemon() != nil) // it may well run on
			r.App, r.OK, r.Reason = name, false, out.Err.Error()
			return r
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
				o.Scale, o.Digest = &state.Desired{Min: n, Max: n}, plan.DigestOf(spec)
			},
		}})
	})
}

// Status says what runs against what should.
func (p *operations) Status(ctx context.Context) (*Status, error) {
	if _, err := p.reread(ctx); err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return p.core.status(ctx, p.daemon()), nil
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
			progress(Event{At: p.core.Now(), State: "warning", Message: err.Error()})
		case set.DefaultsBroken:
			progress(Event{At: p.core.Now(), State: "warning", Message: plan.DefaultsText(plan.DefaultsFault(set))})
		}
	}
	results := p.each(chosen, progress, f)
	p.tellGate(ctx, progress)
	return results, nil
}

// each runs f for all apps at once, hands their events to progress from this
// goroutine and returns the results by name.
func (p *operations) each(apps []string, progress func(Event), f func(name string) Result) []Result {
	mine := map[string]bool{}
	for _, a := range apps {
		mine[a] = true
	}
	events, done := p.core.events.subscribe(func(ev Event) bool { return mine[ev.App] })
	defer done()
	results := make([]Result, len(apps))
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		var all sync.WaitGroup
		for i, name := range apps { // waits give their place in the pass away, so all may be under way
			all.Go(func() { results[i] = f(name) })
		}
		all.Wait()
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
	set, setErr := p.core.Dir.Snapshot()
	rem := p.core.Store.Load(name)
	w := p.core.Dir.Wanted(set, setErr, name, &rem, false)
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
	if p.core.Store.Load(name).Override.Stopped {
		return Result{App: name, State: StateStopped,
			Reason: fmt.Sprintf("cannot %s it: it is stopped; start it first: wsgid-fleet start %s", verb, name)}, true
	}
	return Result{}, false
}

// converge makes a pass and waits for what becomes of the app; one that is gone leaves when the
// one that takes its place has started, or not at all.
func (p *operations) converge(ctx context.Context, name string, ord reconcile.Intent) Result {
	out := p.pass(ctx, name, ord)
	for began := time.Now(); (out.Successor != "" || out.Reread) && ctx.Err() == nil && time.Since(began) < p.startLimit(ctx, out.Successor); {
		if out.Reread {
			if _, err := p.reread(ctx); err == nil {
				p.tellGate(ctx, nil)
			}
		} else {
			reconcile.Pause(ctx, 50*time.Millisecond)
		}
		out = p.pass(ctx, name, reconcile.Intent{Request: plan.Request{Confirmed: ord.Confirmed}, Alongside: ord.Alongside})
	}
	if out.Err != nil && !reconcile.IsRejected(out.Err) && ctx.Err() == nil {
		r := p.core.outcomeNow(ctx, name, p.daemon() != nil)
		r.OK, r.Reason = false, out.Err.Error()
		return r
	}
	r := p.core.awaitOutcome(ctx, name, p.daemon() != nil)
	if r.OK && r.State == StateStopped && (ord.Restart || ord.Reload) {
		// Somebody's stop, or an edit, has come in between.
		r.OK = false
	}
	return r
}

// startLimit is how long an app may take to start that takes the place of another one, which
// waits for that. Where only that other one is asked about nobody may start it. Empty: it serves.
func (p *operations) startLimit(ctx context.Context, name string) time.Duration {
	if name == "" {
		return outcomeSlack
	}
	w, o := p.core.Look(ctx, name)
	if w.Spec == nil || len(o.Masters) == 0 {
		return outcomeSlack
	}
	return outcomeSlack + w.Spec.Workers.StartTimeout.D()
}

// ended waits until no master of a stopped app is left.
func (p *operations) ended(ctx context.Context, name string) Result {
	for {
		w, o := p.core.Look(ctx, name)
		if o.FindErr != nil {
			return Result{App: name, State: StateStopped, Reason: o.FindErr.Error()}
		}
		if len(o.Masters) == 0 {
			st := appStatus(w, o.Observed, p.daemon() != nil, p.core.Now())
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

// outcomeSlack is what a master has beyond start_timeout to say what became of
// its workers.
const outcomeSlack = 5 * time.Second
