package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// unasked is a master that cannot be asked for want of descriptors.
type unasked struct {
	*reconciletest.Master
	killed bool
}

func (*unasked) DrainTo(context.Context, reconcile.Handle) error {
	return fmt.Errorf("cannot ask master: %w", &os.SyscallError{Syscall: "socket", Err: unix.EMFILE})
}
func (*unasked) Wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (u *unasked) Kill() error                  { u.killed = true; return nil }
func (*unasked) Alive() bool                    { return true }

// A master that the daemon has no descriptor to ask may be at requests: it is not killed.
func TestAMasterIsNotKilledForWantOfDescriptors(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	u := &unasked{Master: r.started(f, m)}
	pid := u.Recorded().PID
	o := reconcile.Observed{Observed: plan.Observed{App: "blog", Masters: []plan.Master{{Record: u.Recorded()}}}, Handles: map[int]reconcile.Handle{pid: u}}
	if err := r.core.Applier("blog", func(f func()) { f() }).Stop(t.Context(), o); !errors.Is(err, unix.EMFILE) {
		t.Errorf("error %v, want that there are no descriptors", err)
	}
	if u.killed {
		t.Error("it was killed")
	}
}

// exhausted finds no masters for want of descriptors, for some times.
type exhausted struct {
	reconcile.Machine
	times int
}

func (e *exhausted) Find(stateDir, app string) ([]reconcile.Handle, error) {
	if e.times--; e.times >= 0 {
		return nil, fmt.Errorf("cannot look for masters: %w", unix.EMFILE)
	}
	return e.Machine.Find(stateDir, app)
}

// A daemon that ends while it has no descriptors stops its apps when others have given some back.
func TestAppsAreStoppedOnceThereAreDescriptors(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	r.started(f, m)
	r.core.Machine = &exhausted{m, 2}
	l := reconcile.NewLoop(r.core)
	l.Signals, l.ExtendTimeout = &reconcile.Signals{}, func(time.Duration) {}
	l.Shutdown()
	if n := m.Count("blog"); n != 0 {
		t.Errorf("%d masters are left", n)
	}
}
