package console

import (
	"html/template"
	"strconv"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// scheduleRow is what the page of an app shows of one schedule, as status does.
type scheduleRow struct {
	*runner.ScheduleInfo
	Name, Waits, Pid, Result string
	NextIn                   template.HTML
	Took                     string // of the last run
	Broken                   bool   // its last run failed
}

// ScheduleRows are those of the app at that time.
func (v *appView) ScheduleRows(now time.Time) (rows []scheduleRow) {
	for i := range v.App.Schedules {
		s := &v.App.Schedules[i]
		r := scheduleRow{ScheduleInfo: s, Name: clean(s.Name), Waits: clean(s.Waits), NextIn: ahead(now, s.Next)}
		if s.PID > 0 {
			r.Pid = strconv.Itoa(s.PID)
		}
		if l := s.Last; l != nil {
			r.Broken, r.Result = l.Failed, clean(l.Result)
			r.Took = l.Took().Round(time.Millisecond).String()
		}
		rows = append(rows, r)
	}
	return rows
}

// ahead is a time that is to come, as people say it, with the time itself.
func ahead(now, at time.Time) template.HTML {
	if at.IsZero() {
		return words.None
	}
	//nolint:gosec // made of digits
	return template.HTML(`<time datetime="` + at.UTC().Format(time.RFC3339) + `" title="` + at.Local().Format("2006-01-02 15:04:05 MST") + `">in ` + words.Age(max(at.Sub(now), 0)) + `</time>`)
}
