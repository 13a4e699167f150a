package process

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// Trigger runs a schedule now, besides its times. The order tells it from others: who
// asks again with the same one, this master or the next, gets the run that it has
// begun. answer is called once, on the loop, when the run has begun, or could not.
func (s *Schedules) Trigger(name, order string, answer func(control.Triggered)) {
	refuse := func(later bool, format string, args ...any) {
		answer(control.Triggered{Refused: fmt.Sprintf(format, args...), Later: later})
	}
	switch {
	case s.left:
		refuse(true, "another master of the app takes over")
		return
	case len(s.all) > 0 && !s.loaded:
		refuse(true, "%s", cmp.Or(s.waits, "the workers of the app are not ready"))
		return
	}
	at := slices.IndexFunc(s.all, func(e *schedule) bool { return e.block.Name == name })
	if at < 0 {
		names := make([]string, len(s.all))
		for i, e := range s.all {
			names[i] = e.block.Name
		}
		refuse(false, "the app has no schedule %s; it has %s", name, cmp.Or(strings.Join(names, ", "), "none"))
		return
	}
	e := s.all[at]
	e.collect()
	if i := slices.IndexFunc(s.runs, func(r *run) bool { return r.told.Order == order }); i >= 0 {
		if r := s.runs[i]; r.pid == 0 {
			refuse(true, "its process is being started")
		} else {
			answer(control.Triggered{Run: r.told})
		}
		return
	}
	for _, known := range []*control.ScheduleRun{e.rec.Triggered, e.rec.Last, e.rec.Running} {
		if known != nil && known.Order == order {
			answer(control.Triggered{Run: *known})
			return
		}
	}
	due := time.Now().Round(time.Millisecond)
	r, before := e.claim(due, order)
	switch {
	case r == nil && before == "":
		refuse(true, "the end of the previous run is being recorded")
		return
	case r == nil:
		refuse(false, "%s is still running, and overlap is false", before)
		return
	}
	s.Log.Info(fmt.Sprintf("running schedule %s now, by order of an operator", name))
	r.begun = func() { answer(control.Triggered{Run: r.told}) }
	told := r.told
	e.rec.Triggered = &told
	e.begin(r)
}

// claim makes a run, if it may begin; else before says which one is in its way.
func (e *schedule) claim(due time.Time, order string) (r *run, before string) {
	s := e.set
	lock := e.held
	e.held = nil
	if lock == nil || !lock.ending {
		lock = s.RunLock(e.block.Name)
	}
	lock.ending = false
	if lock.shared = e.block.Overlap; lock.shared {
		lock.share()
	}
	free, err := lock.take()
	if err != nil {
		s.Log.Error(err.Error() + "; it is run anyway")
	}
	if !e.block.Overlap && (!free && err == nil || slices.ContainsFunc(s.runs, func(r *run) bool { return r.of == e })) {
		lock.release()
		if e.rec.Running != nil {
			return nil, "the one of " + e.shown(e.rec.Running.Due)
		}
		return nil, ""
	}
	now := time.Now()
	return &run{of: e, lock: lock, since: now, told: control.ScheduleRun{Due: due, Began: now.Round(time.Millisecond), Order: order}, pidfd: -1}, ""
}

// keep releases the lock of a run that has ended when the record says so: who gets it
// must know. The next run of this master may have it before.
func (e *schedule) keep(lock *Lock) {
	lock.ending = true
	e.held = lock
	e.set.save(func() {
		if lock.ending {
			lock.release()
		}
	})
}

// begin has a run begin when it is written down.
func (e *schedule) begin(r *run) {
	s := e.set
	s.runs = append(s.runs, r)
	running := r.told
	e.rec.Running = &running
	s.save(r.start)
}

// sameRun tells whether two notes are of one run.
func sameRun(a, b *control.ScheduleRun) bool { return a.Due.Equal(b.Due) && a.Order == b.Order }
