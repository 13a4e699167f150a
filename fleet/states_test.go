package fleet

import (
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Each state of a master is told of an app, each once; an operator reads first what he must
// look at, and of a state that nobody knows nothing is made up.
func TestStates(t *testing.T) {
	t.Parallel()
	all := States()
	for _, s := range []runner.State{
		runner.StateReady, runner.StateUpdating, runner.StateIdle, runner.StateStarting, runner.StateDegraded, runner.StateBackoff, runner.StateStopping,
		StateStopped, StateDisabled, StateInvalid, StateWaiting,
	} {
		if n := len(slices.DeleteFunc(slices.Clone(all), func(o string) bool { return o != string(s) })); n != 1 {
			t.Errorf("%s is told %d times in %v", s, n, all)
		}
	}
	want := []string{"backoff", "invalid", "degraded", "starting", "stopping", "updating", "ready", "idle", "stopped", "disabled", "waiting"}
	if worst := StatesWorstFirst(); !slices.Equal(worst, want) {
		t.Errorf("worst first: %v, want %v", worst, want)
	}
	for i, s := range append(want, "never heard of") {
		if needs := trouble(s) > 0; needs != (i < 3) {
			t.Errorf("an operator must look at %s: %v", s, needs)
		}
	}
}
