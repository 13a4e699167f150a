package systemd

import (
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

func TestFamilyIsAllDescendants(t *testing.T) {
	// Not cat: a shell gives what it runs in the background an empty input.
	child, grandchild := fleettest.Background(t, "sh -c 'sleep 600 & echo $!; wait' & wait")
	got, err := family(child)
	if err != nil || len(got) != 3 || got[0] != child || !slices.Contains(got, grandchild) {
		t.Errorf("family of %d is %v, want it, its child and %d", child, got, grandchild)
	}
	if got, err := outside("wsgid-blog.scope", child); err != nil || len(got) != 3 {
		t.Errorf("%v are outside the scope, want all three; %v", got, err)
	}
	if got, err := outside("wsgid-blog.scope", math.MaxInt32); err != nil || len(got) != 0 {
		t.Errorf("a dead process is outside the scope: %v, %v", got, err)
	}
}

func TestLimitProperties(t *testing.T) {
	values := func(l ScopeLimits) (out []uint64) {
		for _, p := range limitProperties(l) {
			out = append(out, p.Value.Value().(uint64))
		}
		return out
	}
	if got, want := values(ScopeLimits{Memory: 512 << 20, CPU: 1.5, Tasks: 100}), []uint64{512 << 20, 1_500_000, 100}; !slices.Equal(got, want) {
		t.Errorf("MemoryMax, CPUQuotaPerSecUSec, TasksMax: %v, want %v", got, want)
	}
	if got := values(ScopeLimits{}); !slices.Equal(got, []uint64{math.MaxUint64, math.MaxUint64, math.MaxUint64}) {
		t.Errorf("without limits: %v, want infinity", got)
	}
}

// A process that only inherited a service's environment is no service.
func TestScopesOnlyForAService(t *testing.T) {
	log, said := fleettest.Log()
	t.Setenv("SYSTEMD_EXEC_PID", strconv.Itoa(os.Getppid()))
	if s := openScopes(log); s != nil {
		s.close()
		t.Error("scopes are made for a process that systemd did not start")
	}
	if said.Len() > 0 {
		t.Errorf("it was said: %s", said)
	}
}
