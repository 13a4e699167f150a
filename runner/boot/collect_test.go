package boot

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// asProcess is set where the test is the process that is looked at.
const asProcess = "WSGID_TEST_COLLECT"

// collected is what such a process tells of its collections.
type collected struct {
	AtRest, AfterGrowth uint32
	Grown               uint64 // bytes that were allocated before the first one
	Percent             uint64
}

var kept [][]byte

// process rests, and then works.
func process() (c collected) {
	count := func() (uint32, uint64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC, m.TotalAlloc
	}
	TrimMemory()
	c.AtRest, _ = count()
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && c.Percent != 100; {
		if kept = append(kept, make([]byte, 32<<10)); len(kept) > 32 {
			kept = nil
		}
		var all uint64
		if c.AfterGrowth, all = count(); c.AfterGrowth == 0 {
			c.Grown = all
			continue
		}
		// What the first collection does comes behind it.
		metrics.Read(percent)
		c.Percent = percent[0].Value.Uint64()
	}
	return c
}

// A process at rest is not made heavier by a collection; one that grows collects soon,
// and then as always.
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
	const usual = 4 << 20 // where a first collection begins; ours is over by then, on a busy machine too
	if c.AtRest != 0 || c.AfterGrowth == 0 || c.Grown > usual || c.Percent != 100 {
		t.Errorf("%+v", c)
	}
}
