package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Applier carries out the plan of one app. Each action can be done twice
// without harm; the first error ends the plan.
type Applier struct {
	store     *state.Store
	machine   machine
	folders   folders
	keep      *sockets.Store     // nil: this process does not outlive the command
	activator *sockets.Activator // nil: likewise
	holder    *sockets.Holder    // nil: what is kept is not held by another process
	log       *slog.Logger
	emit      func(state, message string)
	started   func(spec *appspec.Spec, pid int) // a master was started by that spec
	updated   func(spec *appspec.Spec, pid int) // a running one has taken that spec over
	told      func(pid int)                     // a master is told to end
	// idle is called around waits, so that a slow app does not keep the place
	// of those that could work.
	idle func(wait func())
	// kill makes a stop end the masters instead of waiting for them.
	kill <-chan struct{}
}

// errSuperseded is the cause of a pass that was cut short because the spec
// changed again or somebody asked for something else.
var errSuperseded = errors.New("superseded by a newer change")

// rejectedError is a spec that was tried and given up, the one before it
// serving on: it is not tried again by itself.
type rejectedError struct{ reason, traceback string }

func (e *rejectedError) Error() string { return e.reason }

// Apply carries out the plan.
func (a *Applier) Apply(ctx context.Context, spec *appspec.Spec, o observed, p plan.AppPlan) error {
	for _, act := range p.Actions {
		if act.Kind != plan.ActionRepair || len(act.Detail) > 0 {
			a.log.Info(string(act.Kind), "app", o.App, "reason", act.Reason)
			a.emit(string(act.Kind), act.Reason)
		}
		cur := o.byPID(p.CurrentPID)
		var err error
		switch act.Kind {
		case plan.ActionRepair:
			patiently(a.idle, lookPatience, func() { err = a.folders.repair(spec, liveOf(o.Observed)) })
		case plan.ActionStart:
			err = a.start(ctx, spec, o, act)
		case plan.ActionUpdate:
			err = a.update(ctx, spec, o, cur)
		case plan.ActionRoll:
			err = a.roll(ctx, spec, o, cur)
		case plan.ActionReplace:
			err = a.replace(ctx, spec, o, cur, act.Scale)
		case plan.ActionStop:
			err = a.stop(ctx, o)
		case plan.ActionScale:
			err = cur.master.Scale(ctx, act.Scale.Min, act.Scale.Max)
		case plan.ActionRetry:
			err = cur.master.Retry(ctx)
		case plan.ActionRetire:
			err = a.retire(ctx, o, cur)
		case plan.ActionListen:
			err = a.listen(ctx, spec, o, act)
		case plan.ActionRest:
			err = a.rest(ctx, spec, o, cur)
		default:
			err = fmt.Errorf("unknown action %q", act.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start brings up the first master.
func (a *Applier) start(ctx context.Context, spec *appspec.Spec, o observed, act plan.Action) error {
	if act.Spec != nil {
		spec = act.Spec
	}
	a.activator.Forget(o.App)
	files := a.keep.Files(spec)
	var beside sockets.Rebind
	defer beside.Close()
	if err := beside.Open(spec, files, a.keep.All(o.App)); err != nil {
		return err
	}
	m, err := a.open(ctx, spec, o, files, act.Scale, false)
	if err != nil {
		return err
	}
	a.hold(ctx, o.App, m)
	if spec.Gate == nil {
		a.holder.Set(o.App, nil) // the master has them
	}
	beside.Close() // as long as we have the old sockets, somebody listens
	a.abandonSockets(ctx, spec, o)
	return nil
}

// open starts a master and writes down that it did. What goes wrong after the
// start is undone by the caller, who gets the master with the error then.
// With standby it takes requests only once it is ready.
func (a *Applier) open(ctx context.Context, spec *appspec.Spec, o observed, files map[string]*os.File, scale *state.Desired, standby bool) (master, error) {
	digest := runner.Digest(spec)
	gen := o.NextGeneration(digest)
	var m master
	var err error
	patiently(a.idle, startPatience, func() {
		m, err = a.machine.start(ctx, runner.StartOptions{
			Spec: spec, StateDir: a.store.Dir, DataDir: a.store.Data, Generation: gen, Listeners: files, Standby: standby,
		})
	})
	if err != nil {
		return nil, err
	}
	a.started(spec, m.record().PID)
	if scale != nil {
		if err := m.Scale(ctx, scale.Min, scale.Max); err != nil {
			return m, err
		}
	}
	return m, a.store.SaveApplied(o.App, state.Applied{Generation: gen, Digest: digest, Spec: spec})
}

// hold fetches duplicates of the master's listeners for the listener store, in place of
// what was kept for the app; whoever waits there is the master's from now on.
// Without them the app runs all the same; only its master's death would be felt.
func (a *Applier) hold(ctx context.Context, app string, m master) (adopted int) {
	if a.keep == nil {
		return 0
	}
	// A pass that is called off now must not leave clients between two masters.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	files, err := m.Listeners(ctx)
	if err != nil {
		a.log.Warn("cannot keep the listening sockets", "app", app, "pid", m.record().PID, "err", err)
		return 0
	}
	adopted = a.bequeath(ctx, app, m, files)
	a.keep.Keep(app, files)
	if app == appspec.GateName {
		// All apps are behind it: also where it ends together with us nobody is refused.
		a.holder.Set(app, a.keep.All(app))
	}
	return adopted
}

func (a *Applier) update(ctx context.Context, spec *appspec.Spec, o observed, cur live) error {
	digest := runner.Digest(spec)
	gen := o.NextGeneration(digest)
	if err := cur.master.Update(ctx, spec, gen, false); err != nil {
		return err
	}
	a.updated(spec, cur.PID)
	return a.store.SaveApplied(o.App, state.Applied{Generation: gen, Digest: digest, Spec: spec})
}

// roll replaces the workers and waits for the outcome.
func (a *Applier) roll(ctx context.Context, spec *appspec.Spec, o observed, cur live) error {
	digest := runner.Digest(spec)
	before := cur.Status.Version
	if cur.Digest() == digest && !cur.HandedAnother(digest) {
		if err := cur.master.Reload(ctx); err != nil {
			return err
		}
	} else {
		gen := o.NextGeneration(digest)
		if err := cur.master.Update(ctx, spec, gen, true); err != nil {
			return err
		}
		handed := state.Applied{Generation: gen, Digest: digest, Spec: spec, Before: o.SpecOf(cur.Digest())}
		if err := a.store.SaveApplied(o.App, handed); err != nil {
			return err
		}
	}
	limit := time.Duration(max(spec.Workers.Max, 1)+1)*spec.Workers.StartTimeout.D() + 10*time.Second
	var err error
	a.idle(func() { err = a.rolled(ctx, cur.master, before, limit) })
	if !isRejected(err) {
		a.updated(spec, cur.PID)
	}
	if before := o.SpecOf(cur.Digest()); isRejected(err) && before != nil && cur.Digest() != digest {
		// What serves is the spec before, and so says the store.
		serves := state.Applied{Generation: cur.LastGeneration(), Digest: cur.Digest(), Spec: before}
		if serr := a.store.SaveApplied(o.App, serves); serr != nil {
			return serr
		}
	}
	return err
}

// rolled waits until a rollout is done or given up.
func (a *Applier) rolled(ctx context.Context, m master, since uint64, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := ""
	for {
		st, err := m.Status(ctx, since)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("cannot roll out: %w", context.Cause(ctx))
			}
			return err
		}
		since = st.Version
		a.note(&last, st)
		if st.Rollout != 0 {
			continue
		}
		if st.RolloutError != "" {
			return &rejectedError{reason: st.RolloutError, traceback: st.Traceback}
		}
		return nil
	}
}

// note tells the follower what a master goes through.
func (a *Applier) note(last *string, st runner.Status) {
	text := string(st.State) + " " + st.Reason
	if text != *last {
		*last = text
		a.emit(string(st.State), st.Reason)
	}
}

// gateStopLimit is how long a gate that is stopped may take for its last connections.
const gateStopLimit = 2 * time.Second

// stop drains all masters of the app and waits for their end.
func (a *Applier) stop(ctx context.Context, o observed) error {
	if o.FindErr != nil {
		return o.FindErr // what is not seen cannot be stopped
	}
	// What is kept would go on taking connections that nobody serves.
	a.keep.Drop(o.App)
	if o.App == appspec.GateName {
		a.holder.Drop(o.App)
	}
	limit := stopLimit(o)
	if o.App == appspec.GateName {
		// It may have clients whose apps end with it: its guard keeps them for the next one.
		limit = min(limit, gateStopLimit)
	}
	ms := o.all()
	errs := make([]error, len(ms))
	a.idle(func() {
		parallel(len(ms), max(len(ms), 1), func(i int) { errs[i] = a.end(ctx, ms[i], nil, limit) })
	})
	return errors.Join(errs...)
}

// drain asks a master to finish and end. One that cannot be asked is killed,
// unless it is ending already: then nothing need be asked of it.
func (a *Applier) drain(ctx context.Context, m live, successor master) error {
	a.told(m.PID)
	err := m.master.drain(ctx, successor)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && m.master.Alive() {
		return fmt.Errorf("cannot drain pid %d: %w", m.PID, context.Cause(ctx))
	}
	wctx, cancel := context.WithTimeout(ctx, lastMoments)
	defer cancel()
	if m.master.Wait(wctx) == nil || !m.master.Alive() {
		return nil
	}
	if ctx.Err() == nil {
		// It is there: the answer was lost, or it is busy.
		if m.master.drain(ctx, successor) == nil || !m.master.Alive() {
			return nil
		}
	}
	a.log.Warn("killing a master that cannot drain", "app", m.App, "pid", m.PID, "err", err)
	return a.killMaster(m)
}

// endedMeanwhile tells whether a step has failed because the master that was asked
// has ended since it was seen, or is about to: it was killed, or had nothing to do.
// What to do then is another plan's to say.
func (a *Applier) endedMeanwhile(ctx context.Context, m live, err error) (ended bool) {
	if m.master == nil || ctx.Err() != nil || isRejected(err) {
		return false
	}
	a.idle(func() {
		wctx, cancel := context.WithTimeout(ctx, lastMoments)
		defer cancel()
		ended = m.master.Wait(wctx) == nil || !m.master.Alive()
	})
	return ended && ctx.Err() == nil
}

// lastMoments is what a master that does not answer any more has to end.
const lastMoments = time.Second

// end drains one master and waits; past the limit it is killed.
func (a *Applier) end(ctx context.Context, m live, successor master, limit time.Duration) error {
	if m.Hung {
		return a.killMaster(m)
	}
	if err := a.drain(ctx, m, successor); err != nil {
		return err
	}
	wctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if a.kill != nil {
		go func() {
			select {
			case <-a.kill:
				cancel()
			case <-wctx.Done():
			}
		}()
	}
	if err := m.master.Wait(wctx); err == nil || !m.master.Alive() {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("cannot wait for the end of pid %d: %w", m.PID, context.Cause(ctx))
	}
	a.log.Warn("master did not end in time, killing", "app", m.App, "pid", m.PID, "limit", limit)
	return a.killMaster(m)
}

func (a *Applier) killMaster(m live) error {
	a.told(m.PID)
	if err := m.master.Kill(); err != nil && m.master.Alive() {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := m.master.Wait(ctx); err != nil && m.master.Alive() {
		return fmt.Errorf("cannot kill master %d of app %s: %w", m.PID, m.App, err)
	}
	return nil
}

// retire drains surplus masters in favour of the current one.
func (a *Applier) retire(ctx context.Context, o observed, cur live) error {
	for _, m := range o.all() {
		if m.PID == cur.PID || m.IsDraining() {
			continue
		}
		if err := a.drain(ctx, m, cur.master); err != nil {
			return err
		}
	}
	// The sockets that were kept may be those of the one that leaves.
	a.hold(ctx, o.App, cur.master)
	return nil
}

// stopLimit is how long the masters may take to drain: they keep stop_timeout
// themselves, so this is for one that does not.
func stopLimit(o observed) time.Duration {
	d := 30 * time.Second
	if o.Applied != nil && o.Applied.Spec != nil {
		d = o.Applied.Spec.StopTime()
	}
	return d + 5*time.Second
}

func isRejected(err error) bool {
	var r *rejectedError
	return errors.As(err, &r)
}
