package runner

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A worker that is not ready in time says so, and where it hangs; one of many that start at
// once says that too, for then it may lack nothing but a CPU.
func TestStartTimeout(t *testing.T) {
	t.Parallel()
	const app = "import time\n\ndef wait_for_it():\n    time.sleep(3600)\n\nwait_for_it()\n"
	many := 2*runtime.NumCPU() + 1
	for name, c := range map[string]struct {
		workers int
		says    string
	}{
		"one":  {1, ""},
		"many": {many, fmt.Sprintf(", while %d others were starting on %d CPUs: raise it, or lower workers.count", many-1, runtime.NumCPU())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTestApp(t, app, func(s *appspec.Spec) {
				s.Workers.Min, s.Workers.Max = c.workers, c.workers
				s.Workers.StartTimeout = appspec.Duration(1500 * time.Millisecond)
			})
			h := a.start(StateBackoff)
			const late = "it was not ready within 1.5s (workers.start_timeout)"
			st := a.wait(h, func(st Status) bool { return st.LastError != "" })
			if !strings.Contains(st.LastError, late) {
				t.Errorf("the error is %q, want %q", st.LastError, late)
			}
			// Of the first try: the next ones are of one worker by itself.
			a.mustLogLine("the worker ended before it was ready: " + late + c.says)
			a.mustLogLine("in wait_for_it")
		})
	}
}
