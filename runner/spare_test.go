package runner

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// spares are the processes of a master that have the name of a worker and are none.
func (a *testApp) spares(h *Handle) (pids []int) {
	a.t.Helper()
	st, err := h.Status(a.t.Context(), 0)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, pid := range appdir.ChildrenOf(fmt.Sprintf("/proc/%d/task", h.PID)) {
		name := procStatus(a.t, pid)["Name"]
		if strings.HasPrefix(name, "wsgid-w") && !slices.ContainsFunc(st.Workers, func(w control.WorkerInfo) bool { return w.PID == pid }) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// pidApp answers by the number of its process.
const pidApp = `
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
`

// onDemand is an app with forked masters that has no worker until somebody asks, and its
// spare process.
func onDemand(t *testing.T) (a *testApp, h *Handle, spare int) {
	t.Helper()
	a = newTestApp(t, pidApp, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max, s.Workers.IdleTimeout = 0, 1, appspec.Duration(200*time.Millisecond)
	})
	a.forked()
	h = a.start(StateIdle)
	return a, h, a.oneSpare(h)
}

// oneSpare waits until there is one, and no worker.
func (a *testApp) oneSpare(h *Handle) (pid int) {
	a.t.Helper()
	a.wait(h, func(st Status) bool {
		if len(st.Workers) > 0 {
			return false
		}
		spares := a.spares(h)
		if len(spares) == 1 {
			pid = spares[0]
		}
		return len(spares) == 1
	})
	return pid
}

// answeredBy asks the app which process answers.
func (a *testApp) answeredBy() int {
	a.t.Helper()
	code, body := a.get("/")
	pid, err := strconv.Atoi(body)
	if code != 200 || err != nil {
		a.t.Fatalf("%d %s", code, body)
	}
	return pid
}

// Who wakes an app waits for no fork: the process is there, also after the app has gone
// to sleep again. It is the user's, and leads a group.
func TestSpareIsTheNextWorker(t *testing.T) {
	t.Parallel()
	a, h, spare := onDemand(t)
	for range 2 {
		if pgid, err := unix.Getpgid(spare); err != nil || pgid != spare {
			t.Errorf("the spare process %d is of the group %d: %v", spare, pgid, err)
		}
		if got := a.answeredBy(); got != spare {
			t.Errorf("worker %d answers, want %d, which has waited for that", got, spare)
		}
		spare = a.oneSpare(h)
	}
}

// A spare process that somebody kills is not missed.
func TestSpareThatDies(t *testing.T) {
	t.Parallel()
	a, _, spare := onDemand(t)
	if err := unix.Kill(spare, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := a.answeredBy(); got == spare {
		t.Errorf("worker %d answers, which was killed", got)
	}
	eventually(t, "the spare process to be reaped", func() bool { return gone(spare) })
}

// Nor is one that somebody has stopped, and it does not keep the app waiting.
func TestSpareThatHangs(t *testing.T) {
	t.Parallel()
	a, h, _ := onDemand(t)
	a.answeredBy()
	spare := a.oneSpare(h)
	if err := unix.Kill(spare, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if got := a.answeredBy(); got == spare {
		t.Errorf("worker %d answers, which was stopped", got)
	}
}

// It ends with the master, which waits for it.
func TestSpareEndsWithItsMaster(t *testing.T) {
	t.Parallel()
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		_, h, spare := onDemand(t)
		if err := unix.Kill(h.PID, sig); err != nil {
			t.Fatal(err)
		}
		await.TrueIn(t, patience, fmt.Sprintf("the end of process %d after %v of its master", spare, sig), func() bool {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", spare))
			return err != nil || strings.Contains(string(b), ") Z ")
		})
	}
}
