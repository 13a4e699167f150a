package fleet

import (
	"context"
	"errors"
	"math"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Without descriptors nothing can be found out about a process. That is not the
// answer that there is none, or that it is none of ours: an app's pid files would be
// taken for rubbish, its master for one that can be reached no more.
func TestNothingIsKnownWithoutDescriptors(t *testing.T) {
	// No wsgid, nor a child of one, as this test is.
	_, pid := fleettest.Background(t, "sleep 600 & echo $!; wait")
	live := reconcile.LiveOf(plan.Observed{})
	if live(pid) || live(math.MaxInt32) {
		t.Fatal("a process that is none of ours, or of nobody, is taken for the app's")
	}
	var alive bool
	var swept, lost error
	fleettest.WithoutDescriptors(t, func() {
		alive = live(pid)
		_, swept = runner.FindSwept("/run/none")
		_, _, lost = reconcile.Processes{}.Restore(context.Background(), "/run/none")
	})
	if !alive {
		t.Error("a process that cannot be looked at is not the app's")
	}
	for what, err := range map[string]error{
		"masters that are lost": swept, "masters to be restored": lost,
	} {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%s: %v, want that there are no descriptors", what, err)
		}
	}
}
