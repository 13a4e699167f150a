package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// jobCode is a program that writes a diary and ends when there is a file that says so.
const jobCode = `
import os, signal, sys, time
diary = open(os.environ["DIARY"], "a", buffering=1)
def stop(number, frame):
    diary.write("stop %d\n" % os.getpid())
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
diary.write("run %d %s %s\n" % (os.getpid(), os.environ["WSGID_SCHEDULE"], os.environ["WSGID_SCHEDULED"]))
print("hello from the job")
while not os.path.exists(os.environ["DIARY"] + ".go"):
    time.sleep(0.01)
`

// newJobApp is an app with a schedule "job" that was due so long ago, and the one
// before that has been decided upon. It comes once a year.
func newJobApp(t *testing.T, ago time.Duration, change func(*appspec.Spec)) (a *testApp, due time.Time) {
	due = time.Now().UTC().Add(-ago).Truncate(time.Minute)
	a = newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Schedules = []appspec.Schedule{{Name: "job", Cron: fmt.Sprintf("%d %d %d %d *", due.Minute(), due.Hour(), due.Day(), due.Month()),
			Timezone: "UTC", Command: []string{"python", "-m", "job"}, Timeout: appspec.Duration(time.Hour)}}
		s.Env = map[string]string{"DIARY": filepath.Join(s.Path, "logs/diary")}
		if change != nil {
			change(s)
		}
	})
	a.write("job.py", jobCode)
	a.remember(map[string]any{"past": due.Add(-time.Second)})
	return a, due
}

// remember writes what a master of before has noted of the job.
func (a *testApp) remember(what map[string]any) {
	a.t.Helper()
	what["cron"], what["timezone"] = a.spec.Schedules[0].Cron, a.spec.Schedules[0].Timezone
	b, err := json.Marshal(map[string]any{"job": what})
	if err != nil {
		a.t.Fatal(err)
	}
	dir := filepath.Join(a.state, "apps", a.spec.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "schedules.json"), b, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// job waits until the job runs, and has written so, and returns its pid.
func (a *testApp) job(h *Handle) (pid int) {
	a.t.Helper()
	a.wait(h, func(st Status) bool {
		pid = 0
		if len(st.Schedules) > 0 {
			pid = st.Schedules[0].PID
		}
		return pid > 0 && strings.HasPrefix(a.diary()[0], fmt.Sprintf("run %d ", pid))
	})
	return pid
}

// let has the job end.
func (a *testApp) let() {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.spec.Path, "logs/diary.go"), nil, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// lastRun waits for the end of a run.
func (a *testApp) lastRun(h *Handle) ScheduleInfo {
	a.t.Helper()
	st := a.wait(h, func(st Status) bool {
		return len(st.Schedules) == 1 && st.Schedules[0].Last != nil && st.Schedules[0].PID == 0
	})
	return st.Schedules[0]
}

// What is due is run once, with what the workers have; what cannot be run is told.
func TestSchedule(t *testing.T) {
	t.Parallel()
	a, due := newJobApp(t, time.Minute, nil)
	h := a.start(StateReady)
	pid := a.job(h)
	if got, want := a.diary()[0], fmt.Sprintf("run %d job %s", pid, due.Format(time.RFC3339)); got != want {
		t.Errorf("the job was told %q, want %q", got, want)
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool {
		return st.State == StateReady && st.Rollout == 0 && strings.Contains(a.logText(), "reload")
	})
	a.let()
	s := a.lastRun(h)
	if s.Last.Failed || s.Runs != 1 || s.Failed != 0 || s.Missed != 0 || !s.Last.Due.Equal(due) || s.Last.Result != "exit status 0" || !s.Next.Equal(s.Next.Round(time.Minute)) || s.Next.Sub(due) < 364*24*time.Hour {
		t.Errorf("status tells %+v, last %+v", s, s.Last)
	}
	a.mustLogLine("schedule job [pid="+strconv.Itoa(pid)+"]", "OUTPUT - hello from the job")
	if got := a.diary(); len(got) != 1 {
		t.Errorf("the diary is %q", got)
	}

	// The same line with another command: nothing is due; another line: neither.
	other := *a.spec
	other.Schedules = []appspec.Schedule{a.spec.Schedules[0], {Name: "gone", Cron: "@yearly", Command: []string{"no-such-program"}, Timeout: appspec.Duration(time.Hour)}}
	if err := h.Update(a.ctx(), &other, 2, false); err != nil {
		t.Fatal(err)
	}
	st := a.wait(h, func(st Status) bool { return len(st.Schedules) == 2 && !st.Schedules[1].Next.IsZero() })
	if s := st.Schedules[0]; s.Runs != 1 || s.PID != 0 {
		t.Errorf("a change of another schedule has run the job: %+v", s)
	}
	none := *a.spec
	none.Schedules = nil
	if err := h.Update(a.ctx(), &none, 3, false); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(st Status) bool { return len(st.Schedules) == 0 })
}

// A run that takes too long is told to stop, and has failed; so has one whose program
// is not there.
func TestScheduleFails(t *testing.T) {
	t.Parallel()
	a, _ := newJobApp(t, time.Minute, func(s *appspec.Spec) { s.Schedules[0].Timeout = appspec.Duration(300 * time.Millisecond) })
	h := a.start(StateReady)
	s := a.lastRun(h)
	// It may have been told before it could hear.
	if r := s.Last.Result; !s.Last.Failed || s.Failed != 1 || !strings.Contains(r, "longer than 300ms (timeout): ") || !strings.Contains(r, "exit status 3") && !strings.Contains(r, "SIGTERM") {
		t.Errorf("status tells %+v, last %+v", s, s.Last)
	}

	// What it said last is known when its end is.
	c, _ := newJobApp(t, time.Minute, nil)
	c.write("job.py", "import subprocess, sys\nsubprocess.Popen(['sleep', '600'])\nsys.exit('no table report')\n")
	h = c.start(StateReady)
	s = c.lastRun(h)
	if want := "exit status 1; last output: no table report"; s.Last.Result != want {
		t.Errorf("the result is %q, want %q", s.Last.Result, want)
	}
	if st, err := h.Status(c.ctx(), 0); err != nil || len(st.Warnings) != 1 || !strings.HasSuffix(st.Warnings[0], "no table report; its log: wsgid-fleet logs "+c.spec.Name) {
		t.Errorf("warnings %q, %v", st.Warnings, err)
	}

	b, _ := newJobApp(t, time.Minute, func(s *appspec.Spec) { s.Schedules[0].Command = []string{"no-such-program"} })
	h = b.start(StateReady)
	s = b.lastRun(h)
	if !s.Last.Failed || !strings.Contains(s.Last.Result, "no program no-such-program in ") {
		t.Errorf("status tells %+v, last %+v", s, s.Last)
	}
	st, err := h.Status(b.ctx(), 0)
	if err != nil || st.State != StateReady || len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0], "schedule job: the run of ") {
		t.Errorf("the app is %s, warnings %q, %v", st.State, st.Warnings, err)
	}
}

// What was due too long ago is missed, told, and not run.
func TestScheduleMissed(t *testing.T) {
	t.Parallel()
	a, due := newJobApp(t, time.Hour, nil)
	h := a.start(StateReady)
	st := a.wait(h, func(st Status) bool { return len(st.Schedules) == 1 && st.Schedules[0].Missed == 1 })
	if s := st.Schedules[0]; !s.LastMissed.Equal(due) || s.PID != 0 || s.Runs != 0 || s.Next.IsZero() {
		t.Errorf("status tells %+v", s)
	}
	a.mustLogLine("schedule job: the run of "+due.Format("2006-01-02 15:04"), "was missed")
	if got := a.diary(); got[0] != "" {
		t.Errorf("the diary is %q", got)
	}
}

// While a run is under way, and be it another master's, the next is skipped.
func TestScheduleOverlap(t *testing.T) {
	t.Parallel()
	for _, overlap := range []bool{false, true} {
		a, due := newJobApp(t, time.Minute, func(s *appspec.Spec) { s.Schedules[0].Overlap = overlap })
		before := due.Add(-time.Hour)
		a.remember(map[string]any{"past": due.Add(-time.Second), "running": map[string]any{"due": before, "began": before}})
		fd, err := unix.Open(filepath.Join(a.state, "apps", a.spec.Name, "schedule-job.lock"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		h := a.start(StateReady)
		if overlap {
			a.job(h)
		} else {
			st := a.wait(h, func(st Status) bool { return len(st.Schedules) == 1 && st.Schedules[0].Skipped == 1 })
			if s := st.Schedules[0]; !s.LastSkipped.Equal(due) || s.Runs != 0 || s.PID != 0 || !s.Since.Equal(before) {
				t.Errorf("status tells %+v", s)
			}
			a.mustLogLine("is skipped: the one of "+before.Format("2006-01-02 15:04"), "is still running")
		}
		_ = unix.Close(fd)
	}
}

// At a stop of the app a run is told to stop, after the workers.
func TestScheduleStop(t *testing.T) {
	t.Parallel()
	a, _ := newJobApp(t, time.Minute, nil)
	h := a.start(StateReady)
	pid := a.job(h)
	files := a.listeners(h)
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := a.diary(); len(got) != 2 || got[1] != fmt.Sprintf("stop %d", pid) {
		t.Errorf("the diary is %q", got)
	}
	s := a.lastRun(a.startWith(StateReady, files, 2))
	if !strings.Contains(s.Last.Result, "stopped with the app") || s.Runs != 1 || s.Missed != 0 {
		t.Errorf("the next master tells %+v, last %+v", s, s.Last)
	}
}

// A run goes on while another master takes over, which knows how it ended; and a time
// comes once, whichever master is there.
func TestScheduleOfTwoMasters(t *testing.T) {
	t.Parallel()
	a, due := newJobApp(t, time.Minute, nil)
	one := a.start(StateReady)
	pid := a.job(one)
	files := a.listeners(one)
	two := a.startWith(StateReady, files, 2)
	st := a.wait(two, func(st Status) bool { return len(st.Schedules) == 1 && st.Schedules[0].Waits != "" })
	if s := st.Schedules[0]; s.PID != 0 || s.Runs != 0 || !s.Next.IsZero() {
		t.Errorf("the second master tells %+v", s)
	}
	if err := one.Drain(a.ctx(), two); err != nil {
		t.Fatal(err)
	}
	st = a.wait(two, func(st Status) bool { return !st.Schedules[0].Next.IsZero() })
	if s := st.Schedules[0]; s.Since.IsZero() || s.Runs != 0 || s.Missed != 0 {
		t.Errorf("the second master tells %+v", s)
	}
	a.let()
	if err := one.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	s := a.lastRun(two)
	if s.Runs != 1 || s.Last.Failed || !s.Last.Due.Equal(due) || s.Last.Result != "exit status 0" {
		t.Errorf("the second master tells %+v, last %+v", s, s.Last)
	}
	if got := a.diary(); len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprintf("run %d ", pid)) {
		t.Errorf("the diary is %q", got)
	}
}

// An app that is stopped while its master before stays for a run ends that run.
func TestScheduleStopOfMasterThatStays(t *testing.T) {
	t.Parallel()
	a, _ := newJobApp(t, time.Minute, nil)
	one := a.start(StateReady)
	pid := a.job(one)
	files := a.listeners(one)
	two := a.startWith(StateReady, files, 2)
	if err := one.Drain(a.ctx(), two); err != nil {
		t.Fatal(err)
	}
	a.wait(two, func(st Status) bool { return !st.Schedules[0].Next.IsZero() })
	if err := one.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := one.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := a.diary(); len(got) != 2 || got[1] != fmt.Sprintf("stop %d", pid) {
		t.Errorf("the diary is %q", got)
	}
}

// A master that is killed takes its runs with it; the next one tells so, and begins
// none anew.
func TestScheduleOfKilledMaster(t *testing.T) {
	t.Parallel()
	a, due := newJobApp(t, time.Minute, nil)
	one := a.start(StateReady)
	pid := a.job(one)
	files := a.listeners(one)
	if err := one.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := one.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	s := a.lastRun(a.startWith(StateReady, files, 2))
	if !s.Last.Failed || s.Runs != 1 || s.Missed != 0 || !s.Last.Due.Equal(due) || !strings.Contains(s.Last.Result, "its result is not known") {
		t.Errorf("the next master tells %+v, last %+v", s, s.Last)
	}
	eventually(t, "the end of the run", func() bool {
		_, err := os.Stat("/proc/" + strconv.Itoa(pid))
		return err != nil || ended(pid)
	})
	if got := a.diary(); len(got) != 1 {
		t.Errorf("the diary is %q", got)
	}
}
