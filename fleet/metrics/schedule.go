package metrics

import "github.com/wsgid-fleet/wsgid-fleet/runner"

// scheduleFamilies is what is measured of what runs at times.
type scheduleFamilies struct{ running, runs, missed, skipped, last, ok, next family }

func newScheduleFamilies() scheduleFamilies {
	return scheduleFamilies{
		running: gauge("wsgid_schedule_running", "1 while a run of the schedule is under way, else 0."),
		runs:    counter("wsgid_schedule_runs_total", "Runs of the schedule that have ended, by how; they are counted over restarts."),
		missed:  counter("wsgid_schedule_missed_total", "Times of the schedule that came while nobody could run it."),
		skipped: counter("wsgid_schedule_skipped_total", "Times of the schedule at which a run of before was under way."),
		last:    gauge("wsgid_schedule_last_end_timestamp_seconds", "When the last run ended, since the Unix epoch."),
		ok:      gauge("wsgid_schedule_last_success", "1 where the last run ended well, else 0."),
		next:    gauge("wsgid_schedule_next_timestamp_seconds", "When the schedule comes next, since the Unix epoch."),
	}
}

func (f *scheduleFamilies) add(app string, s runner.ScheduleInfo) {
	labels := []string{"app", app, "schedule", s.Name}
	f.running.add(oneIf(s.Running()), labels...)
	f.runs.add(float64(s.Runs-s.Failed), append(labels, "result", "success")...)
	f.runs.add(float64(s.Failed), append(labels, "result", "failure")...)
	f.missed.add(float64(s.Missed), labels...)
	f.skipped.add(float64(s.Skipped), labels...)
	if s.Last != nil {
		f.last.add(unixSeconds(s.Last.Ended), labels...)
		f.ok.add(oneIf(!s.Last.Failed), labels...)
	}
	if !s.Next.IsZero() {
		f.next.add(unixSeconds(s.Next), labels...)
	}
}

func (f *scheduleFamilies) all() []family {
	return []family{f.running, f.runs, f.missed, f.skipped, f.last, f.ok, f.next}
}
