package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// fakeMachine holds masters in memory, for tests with many of them and for
// what real ones do not do on demand.
type fakeMachine struct {
	mu      sync.Mutex
	masters map[string][]*fakeMaster // by app, newest first
	lastPID int
	started map[string]int // starts by app
	unseen  error          // of find
	// behave decides what becomes of a new master: an error of start, or its
	// first state. nil: ready.
	behave func(spec *appspec.Spec) (runner.Status, error)
}

func newFakeMachine() *fakeMachine {
	return &fakeMachine{masters: map[string][]*fakeMaster{}, started: map[string]int{}, lastPID: 1 << 23}
}

func (m *fakeMachine) Start(_ context.Context, o runner.StartOptions) (reconcile.Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := runner.Status{State: runner.StateReady}
	if m.behave != nil {
		var err error
		if st, err = m.behave(o.Spec); err != nil {
			return nil, err
		}
	}
	m.lastPID++
	m.started[o.Spec.Name]++
	digest := runner.Digest(o.Spec)
	f := &fakeMaster{machine: m, dead: make(chan struct{}), changed: make(chan struct{})}
	f.rec = runner.Record{App: o.Spec.Name, PID: m.lastPID, Since: time.Now(), Generation: o.Generation, SpecDigest: digest}
	st.Version, st.App, st.PID, st.Generation = 1, o.Spec.Name, f.rec.PID, o.Generation
	st.SpecDigest, st.WantDigest = digest, digest
	st.Min, st.Max = o.Spec.Workers.Min, o.Spec.Workers.Max
	f.st = st
	m.masters[o.Spec.Name] = append([]*fakeMaster{f}, m.masters[o.Spec.Name]...)
	return f, nil
}

func (m *fakeMachine) Find(_, app string) ([]reconcile.Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unseen != nil {
		return nil, m.unseen
	}
	var out []reconcile.Handle
	for _, f := range m.masters[app] {
		out = append(out, f)
	}
	return out, nil
}

// only returns the one live master of an app.
func (m *fakeMachine) only(t *testing.T, app string) *fakeMaster {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.masters[app]); n != 1 {
		t.Fatalf("app %s has %d masters, want 1", app, n)
	}
	return m.masters[app][0]
}

func (m *fakeMachine) count(app string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.masters[app])
}

func (m *fakeMachine) total() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, l := range m.masters {
		n += len(l)
	}
	return n
}

func (m *fakeMachine) starts(app string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.started[app]
}

type fakeMaster struct {
	machine *fakeMachine
	dead    chan struct{} // closed by die

	mu      sync.Mutex // guards what follows
	rec     runner.Record
	st      runner.Status
	changed chan struct{} // closed and made anew with each change
	calls   []string
	hung    bool  // does not answer
	refuse  error // of Update
	// rolls says how a rollout ends; nil: well and at once.
	rolls func(st *runner.Status)
}

// set changes the status as a master does.
func (f *fakeMaster) set(change func(st *runner.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(change)
}

func (f *fakeMaster) touch(change func(st *runner.Status)) {
	change(&f.st)
	f.st.Version++
	close(f.changed)
	f.changed = make(chan struct{})
}

// die ends the process, as kill -9 does.
func (f *fakeMaster) die() {
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

func (f *fakeMaster) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeMaster) call(format string, args ...any) error {
	if f.hung {
		return fmt.Errorf("cannot ask master %d of %s: i/o timeout", f.rec.PID, f.rec.App)
	}
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return nil
}

func (f *fakeMaster) Recorded() runner.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rec
}

func (f *fakeMaster) Status(ctx context.Context, since uint64) (runner.Status, error) {
	for {
		f.mu.Lock()
		st, changed, hung := f.st, f.changed, f.hung
		f.mu.Unlock()
		if hung {
			return runner.Status{}, errors.New("i/o timeout")
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

func (f *fakeMaster) Update(_ context.Context, spec *appspec.Spec, generation int, rolling bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return f.refuse
	}
	f.touch(func(st *runner.Status) {
		st.WantDigest, st.Generation = runner.Digest(spec), generation
		st.Min, st.Max = spec.Workers.Min, spec.Workers.Max
		if rolling && f.rolls != nil {
			f.rolls(st)
			return
		}
		st.SpecDigest, st.RolloutError = st.WantDigest, ""
	})
	return f.call("update rolling=%v", rolling)
}

func (f *fakeMaster) Reload(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(func(st *runner.Status) {
		if f.rolls != nil {
			f.rolls(st)
			return
		}
		st.SpecDigest, st.RolloutError = st.WantDigest, ""
	})
	return f.call("reload")
}

func (f *fakeMaster) Scale(_ context.Context, minimum, maximum int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touch(func(st *runner.Status) { st.Min, st.Max = minimum, maximum })
	return f.call("scale %d %d", minimum, maximum)
}

func (f *fakeMaster) Retry(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.call("retry")
}

func (f *fakeMaster) Trigger(_ context.Context, schedule, _ string) (runner.Triggered, error) {
	return runner.Triggered{}, f.call("trigger %s", schedule)
}

func (f *fakeMaster) DrainTo(_ context.Context, successor reconcile.Handle) error {
	f.mu.Lock()
	err := f.call("drain")
	f.rec.Draining = true
	f.mu.Unlock()
	if err == nil {
		f.die()
	}
	return err
}

func (f *fakeMaster) Listeners(context.Context) (map[string]*os.File, error) {
	return map[string]*os.File{}, nil
}

func (f *fakeMaster) Adopt(context.Context, string, []*os.File) error { return nil }

func (f *fakeMaster) Wait(ctx context.Context) error {
	select {
	case <-f.dead:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *fakeMaster) Kill() error {
	f.die()
	return nil
}

func (f *fakeMaster) Alive() bool {
	select {
	case <-f.dead:
		return false
	default:
		return true
	}
}

// fakeFolders are app folders that are as they should be.
type fakeFolders struct{ fail func(app string) error }

func (f fakeFolders) Check(spec *appspec.Spec, _ func(int) bool) ([]string, error) {
	if f.fail != nil {
		return nil, f.fail(spec.Name)
	}
	return nil, nil
}

func (f fakeFolders) Repair(spec *appspec.Spec, _ func(int) bool) error {
	if f.fail != nil {
		return f.fail(spec.Name)
	}
	return nil
}

// patience bounds every wait for something that must happen, on however busy a
// machine.
const patience = fleettest.Patience

// eventually waits until the condition holds; what says what is waited for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	fleettest.Eventually(t, what, ok)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	fleettest.EventuallyIn(t, limit, what, ok)
}

// shortDir is a directory whose name leaves room for sockets in it.
func shortDir(t *testing.T) string {
	t.Helper()
	return fleettest.ShortDir(t)
}

func (fakeFolders) Around(afero.Fs, *appspec.Spec) plan.Surroundings { return plan.Surroundings{} }

func (m *fakeMachine) Restore(context.Context, string) ([]string, []reconcile.Handle, error) {
	return nil, nil, nil
}
