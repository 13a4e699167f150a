package reconcile_test

import (
	"os"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// All that is known of an app is deleted while its master runs, and another process takes
// over: it finds the master, hands it an edit, and ends it. No second one starts.
func TestAMasterOutlivesWhatIsKnownOfIt(t *testing.T) {
	f := reconciletest.New(t)
	f.EndMasters()
	f.Real("blog", reconciletest.Count(1))
	pass := func() {
		t.Helper()
		c := newCore(t, f, afero.NewOsFs(), reconcile.Processes{}, reconcile.AppFolders{}, shownLog(t))
		if _, err := c.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Dir.Load(); err != nil {
			t.Fatal(err)
		}
		if out := c.Pass(t.Context(), "blog", reconcile.Intent{}, func(wait func()) { wait() }); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
	masters := func() []*runner.Handle {
		t.Helper()
		ms, err := runner.FindMasters(f.State, "blog")
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	pass()
	first := masters()
	if len(first) != 1 {
		t.Fatalf("%d masters", len(first))
	}
	// What was deleted may be made anew before its folder's turn comes.
	await.True(t, "all of it to be deleted", func() bool { return os.RemoveAll(f.State) == nil })
	for _, workers := range []int{1, 2} {
		f.Real("blog", reconciletest.Count(workers))
		pass()
		now := masters()
		if len(now) != 1 || now[0].PID != first[0].PID {
			t.Fatalf("master %d ran, now there are %v", first[0].PID, now)
		}
		if st, err := now[0].Status(t.Context(), 0); err != nil || st.Max != workers {
			t.Errorf("up to %d workers, %v", st.Max, err)
		}
	}
	f.Remove("blog")
	pass()
	if first[0].Alive() || len(masters()) > 0 {
		t.Error("its spec was removed, and it lives")
	}
}
