package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// answerTimeout is how long a master has for an answer that it has at hand.
const answerTimeout = 2 * time.Second

// Observe reads what is true of an app. The spec tells what its folder should
// be; nil: the folder is not looked at.
func (e *engine) Observe(ctx context.Context, name string, spec *appspec.Spec) reconcile.Observed {
	return e.observe(ctx, name, e.store.Load(name), spec)
}

func (e *engine) observe(ctx context.Context, name string, rem state.AppState, spec *appspec.Spec) reconcile.Observed {
	o := plan.Observed{App: name, AppState: rem, CanSleep: e.activator != nil && !e.roused.Has(name), Awaited: e.activator.Listens(name)}
	var handles map[int]reconcile.Handle
	o.Masters, handles, o.FindErr = e.masters(ctx, name)
	if o.Unknown = o.FindErr; o.Unknown == nil {
		o.Unknown = rem.Unknown
	}
	if spec != nil {
		o.Problems, o.FolderErr = e.folders.Check(spec, reconcile.LiveOf(o))
		o.Surroundings = e.folders.Around(e.disk, spec)
	}
	return reconcile.Observed{Observed: o, Handles: handles}
}

// masters finds the live masters of an app and asks each for its status. The handles
// are by pid.
func (e *engine) masters(ctx context.Context, name string) ([]plan.Master, map[int]reconcile.Handle, error) {
	ms, err := e.machine.Find(e.store.Dir, name)
	if err != nil {
		e.log.Error("cannot look for masters", "app", name, "err", err)
		return nil, nil, fmt.Errorf("cannot look for masters of app %s: %w", name, err)
	}
	ms, mute, err := e.unseen(ctx, name, ms)
	if err != nil {
		return nil, nil, err
	}
	known := len(ms)
	ms = append(ms, mute...)
	seen, handles := make([]plan.Master, len(ms)), make(map[int]reconcile.Handle, len(ms))
	var wg sync.WaitGroup
	for i, m := range ms {
		handles[m.Recorded().PID] = m
		if i >= known {
			seen[i] = plan.Master{Record: m.Recorded(), Err: errSwept, Swept: true}
			continue
		}
		wg.Go(func() {
			_, hung := e.hung.Load(m.Recorded().PID)
			limit := answerTimeout
			if hung {
				limit /= 10 // it has had its time
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			st, err := m.Status(ctx, 0)
			seen[i] = plan.Master{Record: m.Recorded(), Status: st, Err: err, Hung: hung && err != nil}
		})
	}
	wg.Wait()
	for _, m := range seen {
		if appdir.Exhausted(m.Err) {
			return seen, handles, m.Err // ours is the fault: the master may be well
		}
	}
	return seen, handles, nil
}
