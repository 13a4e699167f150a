package runner

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// reportsApp takes its time for reports, and as long as there is a file hold.
const reportsApp = `
import os, time
hold = os.path.join(os.path.dirname(__file__), "hold")
def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/report/"):
        time.sleep(1)
        while os.path.exists(hold): time.sleep(0.005)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`

// holdReports asks for as many reports as there are workers, waits until all of them are
// at work, lets them end, and returns how long the first took to get there.
func (a *testApp) holdReports(h *Handle, n int) time.Duration {
	a.t.Helper()
	a.write("hold", "")
	begin := time.Now()
	var reports []*client
	for range n {
		reports = append(reports, a.send("/report/17"))
	}
	a.wait(h, func(st Status) bool {
		at := 0
		for _, w := range st.Workers {
			for _, r := range w.Current {
				if strings.HasPrefix(r.Request, "GET /report/") {
					at++
				}
			}
		}
		return at == n
	})
	took := time.Since(begin)
	if err := os.Remove(filepath.Join(a.spec.Path, "app", "hold")); err != nil {
		a.t.Fatal(err)
	}
	for _, c := range reports {
		if resp := c.response("GET"); resp.StatusCode != http.StatusOK {
			a.t.Errorf("a report ends with %s", resp.Status)
		}
		c.Close()
	}
	return took
}

// Quick requests have a worker while more slow ones wait than there are workers, and
// those wait no longer than they are told to.
func TestSlowRequestsLeaveAWorkerFree(t *testing.T) {
	t.Parallel()
	const workers = 3
	a := newTestApp(t, reportsApp, func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = workers, workers })
	h := a.start(StateReady)
	a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == workers })
	for range 4 {
		reports := []*client{a.send("/report/1"), a.send("/report/2"), a.send("/report/3")}
		for range 60 {
			a.get("/")
		}
		for _, c := range reports {
			c.response("GET")
			c.Close()
		}
	}
	var quick atomic.Int64
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			if code, _ := a.get("/"); code == http.StatusOK {
				quick.Add(1)
			}
		}
	})
	var took time.Duration
	var answered int64
	for range 5 { // a busy machine may let nobody answer in the time, but not always
		before := quick.Load()
		// The averages are of four rounds: what takes 1 s is thought to take more than 0.25 s.
		if took = a.holdReports(h, workers); took < 750*time.Millisecond {
			t.Errorf("the last worker was given to a report after %v", took)
		}
		// The last one may have had to wait for a report.
		if answered = quick.Load() - before; answered >= 2 {
			break
		}
	}
	done.Store(true)
	wg.Wait()
	if answered < 2 {
		t.Errorf("%d quick requests were answered while reports waited", answered)
	}

	none := *a.spec
	none.Workers.Reserve = 0
	if err := h.Update(a.ctx(), &none, 2, false); err != nil {
		t.Fatal(err)
	}
	for range 5 { // a busy machine has it wait too, but not always
		if took = a.holdReports(h, workers); took < 750*time.Millisecond {
			return
		}
	}
	t.Errorf("with workers.reserve = 0 the last worker is given to a report after %v", took)
}
