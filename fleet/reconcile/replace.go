package reconcile

import (
	"context"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// replace starts a new master on duplicates of the shared listeners, waits
// until it is ready, and only then drains the old one. If the new one does not
// become ready it is killed, and the old one has never noticed.
func (a *Applier) replace(ctx context.Context, spec *appspec.Spec, o Observed, old Live, scale *state.Desired) error {
	var beside sockets.Rebind
	defer beside.Close()
	m, err := a.successor(ctx, spec, o, old, scale, &beside)
	if err != nil {
		return err
	}
	if old.Serves() {
		var werr error
		a.Idle(func() { werr = a.waitReady(ctx, m, spec) })
		if werr != nil {
			a.undo(o, old, m)
			return werr
		}
	}
	// The new master serves: what is left to do is done even if the spec has
	// changed again meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	beside.Divert(a.Idle)
	// An old master that serves nobody has nothing to prove the new one against:
	// the new one takes its place and is retried by itself.
	for _, s := range o.All() {
		if s.PID == m.Recorded().PID || s.IsDraining() {
			continue
		}
		var err error
		if s.Hung {
			a.Log.Warn("killing a master that hangs", "app", o.App, "pid", s.PID)
			err = a.killMaster(s)
		} else {
			err = a.drain(ctx, s, m)
		}
		if err != nil {
			return err
		}
	}
	a.Hold(ctx, o.App, m)
	beside.Close() // as long as we have the old sockets, somebody listens
	a.abandonSockets(ctx, spec, o)
	return nil
}

// successor is the new master: one that a replacement which was cut short has
// left, else a new one.
func (a *Applier) successor(ctx context.Context, spec *appspec.Spec, o Observed, old Live, scale *state.Desired, beside *sockets.Rebind) (Handle, error) {
	digest := runner.Digest(spec)
	for _, s := range o.All() {
		if s.PID != old.PID && !s.IsDraining() && s.Err == nil && s.Digest() == digest && s.NewerThan(old.Record) {
			return s.Handle, nil
		}
	}
	files := map[string]*os.File{}
	maps.Copy(files, a.Sockets.Files(spec))
	taken := a.Sockets.All(o.App)
	if old.Err == nil {
		theirs, err := old.Handle.Listeners(ctx)
		if err != nil {
			return nil, err
		}
		beside.Keep(theirs)
		taken = theirs
		for _, s := range spec.Sockets.HTTP {
			if f := theirs[s.Listen]; f != nil {
				files[s.Listen] = f
			}
		}
	}
	var m Handle
	err := a.sharing(ctx, beside, files, func() (err error) {
		if err = beside.Open(spec, files, taken); err == nil {
			m, err = a.open(ctx, spec, o, files, scale, old.Serves())
		}
		return err
	})
	switch {
	case err != nil && m != nil:
		a.undo(o, old, m)
		if !IsRejected(err) && ctx.Err() == nil {
			err = fmt.Errorf("%w; the master before it (pid %d) stays", err, old.PID)
		}
	case err != nil:
		err = a.taken(o.App, err)
	}
	return m, err
}

// undo ends the new master and puts back what the store knew. It may have become
// ready this very moment and have taken requests, so it is drained: a master that
// serves nobody ends at once.
func (a *Applier) undo(o Observed, old Live, m Handle) {
	ctx, cancel := context.WithTimeout(context.Background(), undoLimit)
	defer cancel()
	if err := a.end(ctx, Live{plan.Master{Record: m.Recorded()}, m}, old.Handle, undoLimit/2); err != nil {
		a.Log.Error("cannot end the new master", "app", o.App, "pid", m.Recorded().PID, "err", err)
	}
	if o.Applied != nil && o.Applied.Digest == old.Digest() {
		if err := a.Store.SaveApplied(o.App, *o.Applied); err != nil {
			a.Log.Error("cannot record what the app runs", "app", o.App, "err", err)
		}
	}
}

// undoLimit is how long the end of a master may take that did not get its place.
const undoLimit = 30 * time.Second

// waitReady waits until a new master serves. Its first failure to do so is its
// last: the old master serves on.
func (a *Applier) waitReady(ctx context.Context, m Handle, spec *appspec.Spec) error {
	limit := spec.Workers.StartTimeout.D()
	// The master itself ends a worker at start_timeout and then has the reason.
	ctx, cancel := context.WithTimeout(ctx, limit+2*time.Second)
	defer cancel()
	var since uint64
	last := ""
	for {
		st, err := m.Status(ctx, since)
		switch {
		case err != nil && ctx.Err() == context.DeadlineExceeded:
			return &RejectedError{reason: fmt.Sprintf("the new master was not ready within start_timeout = %q", limit)}
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("cannot replace the master of app %s: %w", spec.Name, context.Cause(ctx))
		case err != nil:
			// It was killed, or died: that says nothing of the spec, which is tried again.
			return fmt.Errorf("the new master ended: %w", err)
		}
		since = st.Version
		a.note(&last, st)
		switch st.State {
		case runner.StateReady, runner.StateIdle:
			return nil
		case runner.StateBackoff:
			return &RejectedError{reason: orElse(st.LastError, st.Reason), Traceback: st.Traceback, Next: st.Next}
		case runner.StateStopping:
			return &RejectedError{reason: "the new master was told to stop"}
		case runner.StateStarting, runner.StateUpdating, runner.StateDegraded:
		}
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
