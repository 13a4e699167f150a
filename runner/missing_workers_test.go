package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// seatApp lets one worker load, and that only when another one has failed to.
const seatApp = `
import os, time
os.chdir(os.path.dirname(os.path.abspath(__file__)))
try:
    os.mkdir("seat")
except FileExistsError:
    try:
        raise RuntimeError("there is one seat")
    finally:
        os.makedirs("failed", exist_ok=True)
while not os.path.exists("failed"):
    time.sleep(0.01)
time.sleep(0.2)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
`

// A worker that serves does not take away the reason why another one is missing.
func TestWhyWorkersAreMissing(t *testing.T) {
	a := newTestApp(t, seatApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 2, 2
		s.Restart.MinDelay, s.Restart.MaxDelay = appspec.Duration(10*time.Minute), appspec.Duration(10*time.Minute)
	})
	h := a.start(StateDegraded)
	st := a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && st.State == StateDegraded })
	if want := "1 of 2 workers are ready: RuntimeError: there is one seat ("; !strings.HasPrefix(st.Reason, want) || !strings.Contains(st.Traceback, "there is one seat") {
		t.Errorf("reason %q, traceback %q", st.Reason, st.Traceback)
	}
}
