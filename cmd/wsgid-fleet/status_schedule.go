package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// writeSchedules is a line for each schedule of an app.
func (v statusView) writeSchedules(w io.Writer, app fleet.AppStatus) {
	if len(app.Schedules) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := &table{columns: []column{
		{title: "SCHEDULE"}, {title: "NEXT"}, {title: "RUNNING"}, {title: "RUNS", right: true, drop: 2}, {title: "FAILED", right: true, drop: 2},
		{title: "MISSED", right: true, drop: 1}, {title: "SKIPPED", right: true, drop: 1}, {title: "LAST"},
	}}
	number := func(n uint64) cell { return cell{text: strconv.FormatUint(n, 10)} }
	for i := range app.Schedules {
		s := &app.Schedules[i]
		next, running := s.Waits, none
		if next == "" {
			next = none
			if !s.Next.IsZero() {
				next = "in " + age(s.Next.Sub(v.now))
			}
		} else {
			next = "waits: " + oneLine(next)
		}
		if s.Running() {
			running = age(v.now.Sub(s.Since))
			if s.PID > 0 {
				running += ", pid " + strconv.Itoa(s.PID)
			}
		}
		t.add(cell{text: s.Name}, cell{text: next}, cell{text: running}, number(s.Runs), number(s.Failed), number(s.Missed), number(s.Skipped),
			lastRun(s.Last, v.now))
	}
	t.writeTo(w, v.style)
}

// lastRun is how the last run ended.
func lastRun(r *runner.ScheduleRun, now time.Time) cell {
	if r == nil {
		return cell{text: none}
	}
	when := age(now.Sub(r.Ended)) + " ago"
	if r.Order != "" {
		when += ", triggered"
	}
	if r.Failed {
		return cell{when + ": " + oneLine(r.Result), red}
	}
	return cell{when + ", in " + r.Took().Round(time.Millisecond).String(), green}
}
