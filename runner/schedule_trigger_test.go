package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// trigger orders a run of the job until it is not to be asked for later.
func (a *testApp) trigger(h *Handle, order string) (told control.Triggered) {
	a.t.Helper()
	eventually(a.t, "the run of "+order, func() bool {
		var err error
		if told, err = h.Trigger(a.ctx(), "job", order); err != nil {
			a.t.Fatal(err)
		}
		return !told.Later
	})
	return told
}

// A schedule is run by order, once however often that is given, and whichever master
// gets it.
func TestScheduleTrigger(t *testing.T) {
	t.Parallel()
	a, _ := newJobApp(t, time.Minute, nil)
	a.remember(map[string]any{"past": time.Now()}) // nothing is due
	one := a.start(StateReady)
	first := a.trigger(one, "first")
	if first.Refused != "" || first.Run.Order != "first" || !first.Run.Ended.IsZero() {
		t.Fatalf("got %+v", first)
	}
	pid := a.job(one)
	if again := a.trigger(one, "first"); again != first {
		t.Errorf("asked again it says %+v, not %+v", again, first)
	}
	if other := a.trigger(one, "other"); !strings.Contains(other.Refused, "is still running, and overlap is false") {
		t.Errorf("beside a run: %+v", other)
	}
	if none, err := one.Trigger(a.ctx(), "none", "x"); err != nil || none.Later || none.Refused != "the app has no schedule none; it has job" {
		t.Errorf("an unknown one: %+v, %v", none, err)
	}

	files := a.listeners(one)
	two := a.startWith(StateReady, files, 2)
	if told, err := two.Trigger(a.ctx(), "job", "first"); err != nil || !told.Later {
		t.Errorf("of a master that does not decide yet: %+v, %v", told, err)
	}
	if err := one.Drain(a.ctx(), two); err != nil {
		t.Fatal(err)
	}
	if again := a.trigger(two, "first"); !again.Run.Began.Equal(first.Run.Began) || !again.Run.Ended.IsZero() {
		t.Errorf("the next master says %+v, not %+v", again, first)
	}
	a.let()
	if err := one.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	s := a.lastRun(two)
	if s.Runs != 1 || s.Last.Failed || s.Last.Order != "first" || s.Triggered == nil || *s.Triggered != *s.Last || s.Next.IsZero() {
		t.Errorf("status tells %+v, last %+v", s, s.Last)
	}
	if got := a.diary(); len(got) != 1 || !strings.HasPrefix(got[0], "run ") {
		t.Errorf("the diary of %d is %q", pid, got)
	}
	if again := a.trigger(two, "first"); again.Run.Result != "exit status 0" {
		t.Errorf("when it has ended it says %+v", again)
	}

	a.trigger(two, "second")
	st := a.wait(two, func(st Status) bool { return st.Schedules[0].Runs == 2 })
	if s := st.Schedules[0]; s.Last.Order != "second" || s.Triggered.Ended.IsZero() || s.Skipped != 0 || s.Missed != 0 {
		t.Errorf("status tells %+v, last %+v", s, s.Last)
	}
	a.mustLogLine("running schedule job now, by order of an operator")
}

// An order whose program cannot be started says why.
func TestScheduleTriggerFails(t *testing.T) {
	t.Parallel()
	a, _ := newJobApp(t, time.Minute, func(s *appspec.Spec) { s.Schedules[0].Command = []string{"no-such-program"} })
	a.remember(map[string]any{"past": time.Now()})
	told := a.trigger(a.start(StateReady), "order")
	if !told.Run.Failed || told.Run.Ended.IsZero() || !strings.Contains(told.Run.Result, "no program no-such-program in ") {
		t.Errorf("got %+v", told)
	}
}
