package reconcile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// AnswerTimeout is how long a master has for an answer that it has at hand.
const AnswerTimeout = 2 * time.Second

// Observe reads what is true of an app. rem is what the store knows of it; the spec tells
// what its folder should be, nil: the folder is not looked at.
func (c *Core) Observe(ctx context.Context, name string, rem state.AppState, spec *appspec.Spec) Observed {
	o := plan.Observed{App: name, AppState: rem, CanSleep: c.Activator != nil && !c.KeptAwake.Has(name), Awaited: c.Activator.Listens(name)}
	var handles map[int]Handle
	o.Masters, handles, o.FindErr = c.masters(ctx, name)
	if o.Unknown = o.FindErr; o.Unknown == nil {
		o.Unknown = rem.Unknown
	}
	if spec != nil {
		o.Problems, o.FolderErr = c.Folders.Check(spec, LiveOf(o))
		o.Surroundings = c.Folders.Around(c.Disk, spec)
	}
	return Observed{Observed: o, Handles: handles}
}

// masters finds the live masters of an app and asks each for its status. The handles
// are by pid.
func (c *Core) masters(ctx context.Context, name string) ([]plan.Master, map[int]Handle, error) {
	ms, err := c.Machine.Find(c.Store.Dir, name)
	if err != nil {
		c.Log.Error("cannot look for masters", "app", name, "err", err)
		return nil, nil, fmt.Errorf("cannot look for masters of app %s: %w", name, err)
	}
	ms, mute, err := c.unseen(ctx, name, ms)
	if err != nil {
		return nil, nil, err
	}
	known := len(ms)
	ms = append(ms, mute...)
	seen, ended := make([]plan.Master, len(ms)), make([]bool, len(ms))
	var wg sync.WaitGroup
	for i, m := range ms {
		if i >= known {
			seen[i] = plan.Master{Record: m.Recorded(), Err: errSwept, Swept: true}
			continue
		}
		wg.Go(func() {
			_, hung := c.hung.Load(m.Recorded().PID)
			limit := AnswerTimeout
			if hung {
				limit /= 10 // it has had its time
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			st, err := m.Status(ctx, 0)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !appdir.Exhausted(err) {
				// Who does not listen is about to end, or has ended since it was found.
				_ = m.Wait(ctx)
				ended[i] = !m.Alive()
			}
			seen[i] = plan.Master{Record: m.Recorded(), Status: st, Err: err, Hung: hung && err != nil}
		})
	}
	wg.Wait()
	left, handles := make([]plan.Master, 0, len(ms)), make(map[int]Handle, len(ms))
	for i, m := range seen {
		if !ended[i] {
			left, handles[m.PID] = append(left, m), ms[i]
		}
	}
	for _, m := range left {
		if appdir.Exhausted(m.Err) {
			return left, handles, m.Err // ours is the fault: the master may be well
		}
	}
	return left, handles, nil
}

// Hangs notes that a master does not answer, and tells whether that is new.
func (c *Core) Hangs(pid int) (news bool) {
	_, known := c.hung.LoadOrStore(pid, true)
	return !known
}

// Ended forgets a master that has ended, and tells whether it was told to.
func (c *Core) Ended(pid int) (told bool) {
	c.hung.Delete(pid)
	_, told = c.told.LoadAndDelete(pid)
	return told
}
