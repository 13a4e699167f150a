package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// struckApp kills itself while it is loaded, as often as the file says.
const struckApp = `
import os, signal
left = os.path.join(os.path.dirname(os.path.abspath(__file__)), "left")
with open(left, "r+") as f:
    n = int(f.read())
    f.seek(0)
    f.write("%3d" % max(n - 1, 0))
if n > 0:
    os.kill(os.getpid(), signal.SIGKILL)
` + helloApp

// A worker that somebody kills while it starts does not end its rollout; one
// that dies each time does.
func TestRolloutOutlivesAKill(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 2, 2 })
	h := a.start(StateReady)
	for _, tt := range []struct {
		kills int
		state State
	}{{1, StateReady}, {100, StateDegraded}, {0, StateReady}} {
		a.write("app.py", struckApp)
		left := filepath.Join(a.spec.Path, "app/left")
		if err := os.WriteFile(left, fmt.Appendf(nil, "%3d", tt.kills), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(left, 0o666); err != nil {
			t.Fatal(err)
		}
		st, err := h.Status(a.ctx(), 0)
		if err != nil {
			t.Fatal(err)
		}
		old := pids(st)
		if err := h.Reload(a.ctx()); err != nil {
			t.Fatal(err)
		}
		got := a.wait(h, func(st Status) bool {
			for pid := range pids(st) {
				if old[pid] && tt.state == StateReady {
					return false
				}
			}
			return st.Rollout == 0 && st.State == tt.state
		})
		if tt.state == StateDegraded && !strings.Contains(got.Reason, "the worker ended before it was ready: killed by SIGKILL") {
			t.Errorf("reason %q", got.Reason)
		}
	}
}
