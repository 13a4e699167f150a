package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Applier carries out the plan of one app. Each action can be done twice
// without harm; the first error ends the plan.
type Applier struct {
	Store     *state.Store
	Machine   Machine
	Folders   Folders
	Sockets   *sockets.Store        // nil: this process does not outlive the command
	Gone      func(app string) bool // an app is to be no more
	Activator *sockets.Activator    // nil: likewise
	Holder    *sockets.Holder       // nil: what is kept is not held by another process
	Log       *slog.Logger
	Emit      func(state, message string)
	Started   func(spec *appspec.Spec, m Handle) // a master was started by that spec
	Updated   func(spec *appspec.Spec, pid int)  // a running one has taken that spec over
	Told      func(pid int)                      // a master is told to end
	// Idle is called around waits, so that a slow app does not keep the place
	// of those that could work.
	Idle func(wait func())
	// Kill makes a stop end the masters instead of waiting for them.
	Kill <-chan struct{}
}

// ErrSuperseded is the cause of a pass that was cut short because the spec
// changed again or somebody asked for something else.
var ErrSuperseded = errors.New("superseded by a newer change")

// Apply carries out the plan.
func (a *Applier) Apply(ctx context.Context, spec *appspec.Spec, o Observed, p plan.AppPlan) error {
	for _, act := range p.Actions {
		if act.Kind != plan.ActionRepair || len(act.Detail) > 0 {
			a.Log.Info(string(act.Kind), "app", o.App, "reason", act.Reason)
			a.Emit(string(act.Kind), act.Reason)
		}
		cur := o.ByPID(p.CurrentPID)
		var err error
		switch act.Kind {
		case plan.ActionRepair:
			patiently(a.Idle, LookPatience, func() { err = a.Folders.Repair(spec, LiveOf(o.Observed)) })
		case plan.ActionStart:
			err = a.start(ctx, spec, o, act)
		case plan.ActionUpdate:
			err = a.update(ctx, spec, o, cur)
		case plan.ActionRoll:
			err = a.roll(ctx, spec, o, cur)
		case plan.ActionReplace:
			err = a.replace(ctx, spec, o, cur, act.Scale)
		case plan.ActionStop:
			err = a.Stop(ctx, o)
		case plan.ActionScale:
			err = cur.Handle.Scale(ctx, act.Scale.Min, act.Scale.Max)
		case plan.ActionRetry:
			err = cur.Handle.Retry(ctx)
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
func (a *Applier) start(ctx context.Context, spec *appspec.Spec, o Observed, act plan.Action) error {
	if act.Spec != nil {
		spec = act.Spec
	}
	a.Activator.Forget(o.App)
	files := a.Sockets.Files(spec)
	var beside sockets.Rebind
	defer beside.Close()
	var m Handle
	err := a.sharing(ctx, &beside, files, func() (err error) {
		if err = beside.Open(spec, files, a.Sockets.All(o.App)); err == nil {
			m, err = a.open(ctx, spec, o, files, act.Scale, beside.Shared()) // who leaves serves until then
		}
		return err
	})
	if err != nil {
		return a.taken(o.App, err)
	}
	a.Hold(ctx, o.App, m)
	if spec.Gate == nil {
		a.Holder.Set(o.App, nil) // the master has them
	}
	beside.Close() // as long as we have the old sockets, somebody listens
	a.abandonSockets(ctx, spec, o)
	return nil
}

// open starts a master and writes down that it did. What goes wrong after the
// start is undone by the caller, who gets the master with the error then.
// With standby it takes requests only once it is ready.
func (a *Applier) open(ctx context.Context, spec *appspec.Spec, o Observed, files map[string]*os.File, scale *state.Desired, standby bool) (Handle, error) {
	digest := runner.Digest(spec)
	gen := o.NextGeneration(digest)
	var m Handle
	var err error
	patiently(a.Idle, startPatience, func() {
		m, err = a.Machine.Start(ctx, runner.StartOptions{
			Spec: spec, StateDir: a.Store.Dir, DataDir: a.Store.Data, Generation: gen, Listeners: files, Standby: standby,
		})
	})
	if err != nil {
		return nil, err
	}
	a.Started(spec, m)
	if scale != nil {
		if err := m.Scale(ctx, scale.Min, scale.Max); err != nil {
			return m, err
		}
	}
	return m, a.Store.SaveApplied(o.App, state.Applied{Generation: gen, Digest: digest, Spec: spec})
}

// Hold fetches duplicates of the master's listeners for the listener store, in place of
// what was kept for the app; whoever waits there is the master's from now on.
// Without them the app runs all the same; only its master's death would be felt.
func (a *Applier) Hold(ctx context.Context, app string, m Handle) (adopted int) {
	if a.Sockets == nil {
		return 0
	}
	// A pass that is called off now must not leave clients between two masters.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	files, err := m.Listeners(ctx)
	if err != nil {
		a.Log.Warn("cannot keep the listening sockets", "app", app, "pid", m.Recorded().PID, "err", err)
		return 0
	}
	adopted = a.handOff(ctx, app, m, files)
	a.Sockets.Keep(app, files)
	if app == appspec.GateName {
		// All apps are behind it: also where it ends together with us nobody is refused.
		a.Holder.Set(app, a.Sockets.All(app))
	}
	return adopted
}

func (a *Applier) update(ctx context.Context, spec *appspec.Spec, o Observed, cur Live) error {
	if err := a.hand(ctx, spec, o, cur, false); err != nil {
		return err
	}
	a.Updated(spec, cur.PID)
	return nil
}

// hand gives a master another spec. That, and by which one it runs until then, is noted before:
// a daemon that is killed meanwhile does not know whether the master has taken it over. A pass
// that is overtaken by another edit waits for the answer nevertheless, as long as one takes.
func (a *Applier) hand(ctx context.Context, spec *appspec.Spec, o Observed, cur Live, rolling bool) error {
	digest := runner.Digest(spec)
	gen := o.NextGeneration(digest)
	saved := a.Store.SaveApplied(o.App, state.Applied{Generation: gen, Digest: digest, Spec: spec, Before: o.SpecOf(cur.Digest())})
	asked, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(AnswerTimeout, func() { cancel(context.Cause(ctx)) })
	})()
	if err := cur.Handle.Update(asked, spec, gen, rolling); err != nil {
		return err
	}
	return saved
}

// roll replaces the workers and waits for the outcome.
func (a *Applier) roll(ctx context.Context, spec *appspec.Spec, o Observed, cur Live) error {
	digest := runner.Digest(spec)
	before := cur.Status.Version
	if cur.Digest() == digest && !cur.HandedAnother(digest) {
		if err := cur.Handle.Reload(ctx); err != nil {
			return err
		}
	} else if err := a.hand(ctx, spec, o, cur, true); err != nil {
		return err
	}
	limit := time.Duration(max(spec.Workers.Max, 1)+1)*spec.Workers.StartTimeout.D() + 10*time.Second
	var err error
	a.Idle(func() { err = a.rolled(ctx, cur.Handle, before, limit) })
	if !IsRejected(err) {
		a.Updated(spec, cur.PID)
	}
	if before := o.SpecOf(cur.Digest()); IsRejected(err) && before != nil && cur.Digest() != digest {
		// What serves is the spec before, and so says the store.
		serves := state.Applied{Generation: cur.LastGeneration(), Digest: cur.Digest(), Spec: before}
		if serr := a.Store.SaveApplied(o.App, serves); serr != nil {
			return serr
		}
	}
	return err
}

// rolled waits until a rollout is done or given up.
func (a *Applier) rolled(ctx context.Context, m Handle, since uint64, limit time.Duration) error {
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
			return &RejectedError{reason: st.RolloutError, Traceback: st.Traceback, Next: st.Next}
		}
		return nil
	}
}

// note tells the follower what a master goes through.
func (a *Applier) note(last *string, st runner.Status) {
	text := string(st.State) + " " + st.Reason
	if text != *last {
		*last = text
		a.Emit(string(st.State), st.Reason)
	}
}

// gateStopLimit is how long a gate that is stopped may take for its last connections.
const gateStopLimit = 2 * time.Second

// Stop drains all masters of the app and waits for their end.
func (a *Applier) Stop(ctx context.Context, o Observed) error {
	if o.FindErr != nil {
		return o.FindErr // what is not seen cannot be stopped
	}
	// What is kept would go on taking connections that nobody serves.
	a.Sockets.Drop(o.App)
	if o.App == appspec.GateName {
		a.Holder.Drop(o.App)
	}
	limit := stopLimit(o)
	if o.App == appspec.GateName {
		// It may have clients whose apps end with it: its guard keeps them for the next one.
		limit = min(limit, gateStopLimit)
	}
	ms := o.All()
	errs := make([]error, len(ms))
	a.Idle(func() {
		var wg sync.WaitGroup
		for i, m := range ms {
			wg.Go(func() { errs[i] = a.end(ctx, m, nil, limit) })
		}
		wg.Wait()
	})
	return errors.Join(errs...)
}

// drain asks a master to finish and end. One that cannot be asked is killed,
// unless it is ending already: then nothing need be asked of it. Where it is this process
// that lacks what it takes to ask, the master may be well, and is left as it is.
func (a *Applier) drain(ctx context.Context, m Live, successor Handle) error {
	a.Told(m.PID)
	err := m.Handle.DrainTo(ctx, successor)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && m.Handle.Alive() {
		return fmt.Errorf("cannot drain pid %d: %w", m.PID, context.Cause(ctx))
	}
	wctx, cancel := context.WithTimeout(ctx, lastMoments)
	defer cancel()
	if m.Handle.Wait(wctx) == nil || !m.Handle.Alive() {
		return nil
	}
	if ctx.Err() == nil {
		// It is there: the answer was lost, or it is busy.
		if err = m.Handle.DrainTo(ctx, successor); err == nil || !m.Handle.Alive() {
			return nil
		}
	}
	if appdir.Exhausted(err) {
		return fmt.Errorf("cannot drain pid %d: %w", m.PID, err)
	}
	a.Log.Warn("killing a master that cannot drain", "app", m.App, "pid", m.PID, "err", err)
	return a.killMaster(m)
}

// EndedMeanwhile tells whether a step has failed because the master that was asked
// has ended since it was seen, or is about to: it was killed, or had nothing to do.
// What to do then is another plan's to say.
func (a *Applier) EndedMeanwhile(ctx context.Context, m Live, err error) (ended bool) {
	if m.Handle == nil || ctx.Err() != nil || IsRejected(err) {
		return false
	}
	a.Idle(func() {
		wctx, cancel := context.WithTimeout(ctx, lastMoments)
		defer cancel()
		ended = m.Handle.Wait(wctx) == nil || !m.Handle.Alive()
	})
	return ended && ctx.Err() == nil
}

// lastMoments is what a master that does not answer any more has to end.
const lastMoments = time.Second

// end drains one master and waits; past the limit it is killed.
func (a *Applier) end(ctx context.Context, m Live, successor Handle, limit time.Duration) error {
	if m.Hung {
		return a.killMaster(m)
	}
	if err := a.drain(ctx, m, successor); err != nil {
		return err
	}
	wctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if a.Kill != nil {
		go func() {
			select {
			case <-a.Kill:
				cancel()
			case <-wctx.Done():
			}
		}()
	}
	if err := m.Handle.Wait(wctx); err == nil || !m.Handle.Alive() {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("cannot wait for the end of pid %d: %w", m.PID, context.Cause(ctx))
	}
	a.Log.Warn("master did not end in time, killing", "app", m.App, "pid", m.PID, "limit", limit)
	return a.killMaster(m)
}

func (a *Applier) killMaster(m Live) error {
	a.Told(m.PID)
	if err := m.Handle.Kill(); err != nil && m.Handle.Alive() {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := m.Handle.Wait(ctx); err != nil && m.Handle.Alive() {
		return fmt.Errorf("cannot kill master %d of app %s: %w", m.PID, m.App, err)
	}
	return nil
}

// retire drains surplus masters in favour of the current one.
func (a *Applier) retire(ctx context.Context, o Observed, cur Live) error {
	for _, m := range o.All() {
		if m.PID == cur.PID || m.IsDraining() {
			continue
		}
		if err := a.drain(ctx, m, cur.Handle); err != nil {
			return err
		}
	}
	// The sockets that were kept may be those of the one that leaves.
	a.Hold(ctx, o.App, cur.Handle)
	return nil
}

// stopLimit is how long the masters may take to drain: they keep stop_timeout
// themselves, so this is for one that does not.
func stopLimit(o Observed) time.Duration {
	d := 30 * time.Second
	if o.Applied != nil && o.Applied.Spec != nil {
		d = o.Applied.Spec.StopTime()
	}
	return d + 5*time.Second
}
