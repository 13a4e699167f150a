package reconcile_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	masterprogram "github.com/wsgid-fleet/wsgid-fleet/runner/master"
)

func TestMain(m *testing.M) {
	masterprogram.Main() // the test binary is what masters are executed from
	os.Exit(m.Run())
}

// newCore is a core for a test's directory, which is read from that disk.
func newCore(t *testing.T, f *reconciletest.Fixture, disk afero.Fs, m reconcile.Machine, folders reconcile.Folders, log *slog.Logger) *reconcile.Core {
	t.Helper()
	store, err := state.Open(afero.NewOsFs(), f.State, state.InnerData(f.State))
	if err != nil {
		t.Fatal(err)
	}
	return reconcile.NewCore(specdir.New(f.Dir, store, &bounded.Fs{Fs: disk, Limit: specdir.DiskLimit}, log), m, folders)
}

// reconciler is one with the core whose passes it makes.
type reconciler struct {
	*reconcile.Reconciler
	t    *testing.T
	core *reconcile.Core
}

// newReconciler is one for masters in memory.
func newReconciler(t *testing.T, f *reconciletest.Fixture, m *reconciletest.Machine) *reconciler {
	t.Helper()
	c := newCore(t, f, afero.NewOsFs(), m, reconciletest.Folders{}, shownLog(t))
	r := &reconciler{reconcile.NewReconciler(c.Pass, c.Now), t, c}
	t.Cleanup(r.Close)
	return r
}

// load reads the spec directory.
func (r *reconciler) load() {
	r.t.Helper()
	if _, err := r.core.Dir.Load(); err != nil {
		r.t.Fatal(err)
	}
}

// started writes a spec of blog and has it be carried out; it returns the master.
func (r *reconciler) started(f *reconciletest.Fixture, m *reconciletest.Machine, lines ...string) *reconciletest.Master {
	r.t.Helper()
	f.Spec("blog", lines...)
	r.load()
	if out := r.Do(r.t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		r.t.Fatal(out.Err)
	}
	return m.Only(r.t, "blog")
}

// shownLog shows what is logged where a test fails.
func shownLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}
