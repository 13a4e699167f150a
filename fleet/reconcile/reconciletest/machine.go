package reconciletest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Machine holds masters in memory, for tests with many of them and for
// what real ones do not do on demand.
type Machine struct {
	mu      sync.Mutex           // guards what follows
	masters map[string][]*Master // by app, newest first
	lastPID int
	started map[string]int // starts by app
	unseen  error          // of Find
	dying   *Master        // see DieSeen
	behave  func(spec *appspec.Spec) (runner.Status, error)
}

// NewMachine is one on which nothing runs.
func NewMachine() *Machine {
	return &Machine{masters: map[string][]*Master{}, started: map[string]int{}, lastPID: 1 << 23}
}

// Start is reconcile.Machine's, as are Find and Restore.
func (m *Machine) Start(_ context.Context, o runner.StartOptions) (reconcile.Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := runner.Status{State: runner.StateReady}
	if as := m.behave; as != nil {
		m.mu.Unlock() // it may wait
		var err error
		st, err = as(o.Spec)
		m.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	m.lastPID++
	m.started[o.Spec.Name]++
	digest := runner.Digest(o.Spec)
	f := &Master{machine: m, dead: make(chan struct{}), changed: make(chan struct{})}
	f.rec = runner.Record{App: o.Spec.Name, PID: m.lastPID, Since: time.Now(), Generation: o.Generation, SpecDigest: digest}
	st.Version, st.App, st.PID, st.Generation = 1, o.Spec.Name, f.rec.PID, o.Generation
	st.SpecDigest, st.WantDigest = digest, digest
	st.Min, st.Max = o.Spec.Workers.Min, o.Spec.Workers.Max
	f.st = st
	m.masters[o.Spec.Name] = append([]*Master{f}, m.masters[o.Spec.Name]...)
	return f, nil
}

// Find see Start.
func (m *Machine) Find(_, app string) (out []reconcile.Handle, err error) {
	var seen *Master
	defer func() {
		if seen != nil {
			seen.Die()
		}
	}()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unseen != nil {
		return nil, m.unseen
	}
	for _, f := range m.masters[app] {
		out = append(out, f)
		if f == m.dying {
			m.dying, seen = nil, f
		}
	}
	return out, nil
}

// Behave decides what becomes of new masters: an error of Start, or their first state. nil:
// ready.
func (m *Machine) Behave(as func(spec *appspec.Spec) (runner.Status, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.behave = as
}

// Unseen has masters not be found, for that reason.
func (m *Machine) Unseen(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unseen = err
}

// Newest is the master of an app that was started last.
func (m *Machine) Newest(app string) *Master {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.masters[app][0]
}

// Only returns the one live master of an app.
func (m *Machine) Only(t *testing.T, app string) *Master {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.masters[app]); n != 1 {
		t.Fatalf("app %s has %d masters, want 1", app, n)
	}
	return m.masters[app][0]
}

// Count is how many live masters an app has.
func (m *Machine) Count(app string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.masters[app])
}

// Total is how many all apps have.
func (m *Machine) Total() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, l := range m.masters {
		n += len(l)
	}
	return n
}

// Starts is how many of an app were started.
func (m *Machine) Starts(app string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.started[app]
}

// Restore see Start: nothing was lost.
func (m *Machine) Restore(context.Context, string) ([]string, []reconcile.Handle, error) {
	return nil, nil, nil
}
