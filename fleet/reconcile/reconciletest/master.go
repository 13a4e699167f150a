package reconciletest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Master is one of a Machine: a reconcile.Handle, whose methods note that they were called.
type Master struct {
	machine *Machine
	dead    chan struct{} // closed by Die

	mu      sync.Mutex // guards what follows
	rec     runner.Record
	st      runner.Status
	changed chan struct{} // closed and made anew with each change
	calls   []string
	hung    bool                    // does not answer
	leaving bool                    // see Leaves
	roll    func(st *runner.Status) // see Roll
}

// Roll says how a rollout ends; nil: well and at once.
func (f *Master) Roll(ends func(st *runner.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.roll = ends
}

// RollKills has it end at its next rollout, which it does not answer.
func (f *Master) RollKills() {
	f.Roll(func(*runner.Status) {
		f.hung = true
		go f.Die()
	})
}

// Hang has it answer no more; who waits for its next word hears so.
func (f *Master) Hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung = true
	f.touch(func(*runner.Status) {})
}

// Set changes the status as a master does.
func (f *Master) Set(change func(st *runner.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(change)
}

func (f *Master) touch(change func(st *runner.Status)) {
	change(&f.st)
	f.st.Version++
	close(f.changed)
	f.changed = make(chan struct{})
}

// Die ends the process, as kill -9 does.
func (f *Master) Die() {
	f.machine.mu.Lock()
	list := f.machine.masters[f.rec.App]
	i := slices.Index(list, f)
	if i >= 0 {
		f.machine.masters[f.rec.App] = slices.Delete(slices.Clone(list), i, i+1)
	}
	f.machine.mu.Unlock()
	if i >= 0 {
		close(f.dead)
	}
}

// DieSeen has it end when it was found once more, by somebody who has it alive.
func (f *Master) DieSeen() {
	f.machine.mu.Lock()
	defer f.machine.mu.Unlock()
	f.machine.dying = f
}

// Leaves has it listen no more, and end as soon as somebody waits for that.
func (f *Master) Leaves() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving = true
}

// Called is what it was asked for.
func (f *Master) Called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *Master) call(format string, args ...any) error {
	if f.hung {
		return fmt.Errorf("cannot ask master %d of %s: %w", f.rec.PID, f.rec.App, os.ErrDeadlineExceeded)
	}
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return nil
}

// Recorded is reconcile.Handle's, as are those below.
func (f *Master) Recorded() runner.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rec
}

// Ping see Recorded.
func (f *Master) Ping(ctx context.Context, _ bool) (*runner.Totals, error) {
	_, err := f.Status(ctx, 0)
	return nil, err
}

// Status see Recorded.
func (f *Master) Status(ctx context.Context, since uint64) (runner.Status, error) {
	for {
		f.mu.Lock()
		st, changed, hung, leaving := f.st, f.changed, f.hung, f.leaving
		f.mu.Unlock()
		switch {
		case hung:
			return runner.Status{}, os.ErrDeadlineExceeded
		case leaving:
			return runner.Status{}, syscall.ECONNREFUSED
		}
		if since == 0 || st.Version > since {
			return st, nil
		}
		select {
		case <-changed:
		case <-f.dead:
			return runner.Status{}, errors.New("connection reset by peer")
		case <-ctx.Done():
			return runner.Status{}, context.Cause(ctx)
		}
	}
}

// Update see Recorded.
func (f *Master) Update(_ context.Context, spec *appspec.Spec, generation int, rolling bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(func(st *runner.Status) {
		st.WantDigest, st.Generation = runner.Digest(spec), generation
		st.Min, st.Max = spec.Workers.Min, spec.Workers.Max
		if rolling && f.roll != nil {
			f.roll(st)
			return
		}
		st.SpecDigest, st.RolloutError = st.WantDigest, ""
	})
	return f.call("update rolling=%v", rolling)
}

// Reload see Recorded.
func (f *Master) Reload(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(func(st *runner.Status) {
		if f.roll != nil {
			f.roll(st)
			return
		}
		st.SpecDigest, st.RolloutError = st.WantDigest, ""
	})
	return f.call("reload")
}

// Scale see Recorded.
func (f *Master) Scale(_ context.Context, minimum, maximum int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(func(st *runner.Status) { st.Min, st.Max = minimum, maximum })
	return f.call("scale %d %d", minimum, maximum)
}

// Retry see Recorded.
func (f *Master) Retry(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("retry")
}

// Trigger see Recorded.
func (f *Master) Trigger(_ context.Context, schedule, _ string) (runner.Triggered, error) {
	return runner.Triggered{}, f.call("trigger %s", schedule)
}

// Stacks see Recorded.
func (f *Master) Stacks(context.Context) ([]runner.ThreadStack, error) {
	return nil, f.call("stacks")
}

// DrainTo see Recorded.
func (f *Master) DrainTo(_ context.Context, successor reconcile.Handle) error {
	f.mu.Lock()
	err := f.call("drain")
	f.rec.Draining = true
	f.mu.Unlock()
	if err == nil {
		f.Die()
	}
	return err
}

// Listeners see Recorded.
func (f *Master) Listeners(context.Context) (map[string]*os.File, error) {
	return map[string]*os.File{}, nil
}

// Adopt see Recorded.
func (f *Master) Adopt(context.Context, string, []*os.File) error { return nil }

// Wait see Recorded.
func (f *Master) Wait(ctx context.Context) error {
	f.mu.Lock()
	if f.leaving {
		go f.Die()
	}
	f.mu.Unlock()
	select {
	case <-f.dead:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill see Recorded.
func (f *Master) Kill() error {
	f.Die()
	return nil
}

// Alive see Recorded.
func (f *Master) Alive() bool {
	select {
	case <-f.dead:
		return false
	default:
		return true
	}
}
