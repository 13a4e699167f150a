package boot

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// asProcess is set where the test is the process that is looked at.
const asProcess = "WSGID_TEST_COLLECT"

// collected is what such a process tells of its collections.
type collected struct {
	AtRest, AfterGrowth uint32
	Percent             int
	Limit               int64
}

var kept [][]byte

// process rests, and then works.
func process() (c collected) {
	count := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	TrimMemory()
	c.AtRest = count()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if kept = append(kept, make([]byte, 32<<10)); len(kept) > 32 {
			kept = nil
		}
		if c.AfterGrowth = count(); c.AfterGrowth > 0 {
			// What the first collection does comes behind it.
			if c.Percent = debug.SetGCPercent(-1); c.Percent > 0 {
				break
			}
		}
	}
	c.Limit = debug.SetMemoryLimit(-1)
	return c
}

// A process at rest is not made heavier by a collection; one that grows collects as
// always.
func TestFirstCollectionWaits(t *testing.T) {
	if os.Getenv(asProcess) != "" {
		_ = json.NewEncoder(os.Stdout).Encode(process())
		os.Exit(0)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFirstCollectionWaits$")
	cmd.Env = append(os.Environ(), asProcess+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var c collected
	if err == nil {
		err = json.Unmarshal(out, &c)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if c.AtRest != 0 || c.AfterGrowth == 0 || c.Percent != 100 || c.Limit != math.MaxInt64 {
		t.Errorf("%+v", c)
	}
}
