package process

import (
	"cmp"
	"fmt"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// Status tells of all that the spec names.
func (s *Schedules) Status() []control.ScheduleInfo {
	var out []control.ScheduleInfo
	for _, e := range s.all {
		e.collect()
		i := control.ScheduleInfo{Name: e.block.Name, Waits: cmp.Or(e.fault, s.waits), Last: e.rec.Last, Triggered: e.rec.Triggered, Runs: e.rec.Runs, Failed: e.rec.Failed,
			Missed: e.rec.Missed, Skipped: e.rec.Skipped, LastMissed: e.rec.LastMissed, LastSkipped: e.rec.LastSkipped}
		switch {
		case i.Waits != "":
		case s.left:
			i.Waits = "for the next master"
		case !s.loaded:
			i.Waits = "for the workers"
		default:
			i.Next = e.next
		}
		for _, r := range s.runs {
			if r.of == e && r.pid > 0 {
				i.PID, i.Since = r.pid, r.told.Began
			}
		}
		if i.PID == 0 && e.rec.Running != nil {
			i.Since = e.rec.Running.Began // of the master before
		}
		out = append(out, i)
	}
	return out
}

// Warnings are what an operator should know of them.
func (s *Schedules) Warnings() (all []string) {
	for _, e := range s.all {
		switch last := e.rec.Last; {
		case e.fault != "":
			all = append(all, fmt.Sprintf("schedule %s never runs: %s", e.block.Name, e.fault))
		case last != nil && last.Failed:
			all = append(all, fmt.Sprintf("schedule %s: the run of %s failed: %s; its log: wsgid-fleet logs %s", e.block.Name, e.shown(last.Due), last.Result, s.spec.Name))
		case !e.rec.LastMissed.IsZero() && (last == nil || last.Due.Before(e.rec.LastMissed)):
			all = append(all, fmt.Sprintf("schedule %s: the run of %s was missed", e.block.Name, e.shown(e.rec.LastMissed)))
		}
	}
	if s.failed != "" {
		all = append(all, "schedules: "+s.failed)
	}
	return all
}
