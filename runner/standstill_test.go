package runner

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// waitingApp answers when a file is there, and makes another one when its answer is out.
const waitingApp = `
import os, time
def application(environ, start_response):
    folder = environ["QUERY_STRING"]
    while folder and not os.path.exists(folder + "/go"):
        time.sleep(0.01)
    start_response("200 OK", [])
    yield b"hello"
    if folder:
        open(folder + "/done", "w").close()
`

// An answer that came while the master stood still is in time: no worker is killed for the
// time that the master did not look.
func TestAnswerWhileTheMasterStoodStill(t *testing.T) {
	t.Parallel()
	const limit = 3 * time.Second
	a := newTestApp(t, waitingApp, func(s *appspec.Spec) { s.Workers.RequestTimeout = appspec.Duration(limit) })
	folder := filepath.Join(a.spec.Path, "marks")
	if err := errors.Join(os.Mkdir(folder, 0o755), os.Chmod(folder, 0o777)); err != nil {
		t.Fatal(err)
	}
	h := a.start(StateReady)
	for try := range 20 {
		for _, name := range []string{"go", "done"} {
			_ = os.Remove(filepath.Join(folder, name)) // the first time they are not there
		}
		sent := time.Now()
		c := a.send("/wait?" + folder)
		a.wait(h, func(st Status) bool { return len(st.Workers) == 1 && len(st.Workers[0].Current) == 1 })
		given := time.Now()
		if err := syscall.Kill(h.PID, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		await.True(t, "the master to stand still", func() bool { return procStatus(t, h.PID)["State"] == "T (stopped)" })
		inTime := time.Since(sent) < limit
		if err := os.WriteFile(filepath.Join(folder, "go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		await.True(t, "the app to answer", func() bool { _, err := os.Stat(filepath.Join(folder, "done")); return err == nil || !inTime })
		await.True(t, "workers.request_timeout to be over", func() bool { return time.Since(given) > limit+limit/10 })
		if err := syscall.Kill(h.PID, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		got := c.answer("GET")
		if inTime {
			if got.StatusCode != http.StatusOK || got.body != "hello" {
				t.Errorf("answered in try %d: %s %q", try, got.Status, got.body)
			}
			return
		}
		a.wait(h, func(st Status) bool { return st.State == StateReady && st.Requests.Active == 0 })
	}
	t.Fatal("on this machine the master is never stopped within the limit")
}
