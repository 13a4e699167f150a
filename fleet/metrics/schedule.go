package metrics

// scheduleFamilies is what is measured of what runs at times.
func scheduleFamilies(apps []App) []family {
	running := gauge("wsgid_schedule_running", "1 while a run of the schedule is under way, else 0.")
	runs := counter("wsgid_schedule_runs_total", "Runs of the schedule that have ended, by how; they are counted over restarts.")
	missed := counter("wsgid_schedule_missed_total", "Times of the schedule that came while nobody could run it.")
	skipped := counter("wsgid_schedule_skipped_total", "Times of the schedule at which a run of before was under way.")
	last := gauge("wsgid_schedule_last_end_timestamp_seconds", "When the last run ended, since the Unix epoch.")
	ok := gauge("wsgid_schedule_last_success", "1 where the last run ended well, else 0.")
	next := gauge("wsgid_schedule_next_timestamp_seconds", "When the schedule comes next, since the Unix epoch.")
	for _, a := range apps {
		for _, s := range a.Status.Schedules {
			labels := []string{"app", a.Name, "schedule", s.Name}
			running.add(oneIf(s.Running()), labels...)
			runs.add(float64(s.Runs-s.Failed), append(labels, "result", "success")...)
			runs.add(float64(s.Failed), append(labels, "result", "failure")...)
			missed.add(float64(s.Missed), labels...)
			skipped.add(float64(s.Skipped), labels...)
			if s.Last != nil {
				last.add(unixSeconds(s.Last.Ended), labels...)
				ok.add(oneIf(!s.Last.Failed), labels...)
			}
			if !s.Next.IsZero() {
				next.add(unixSeconds(s.Next), labels...)
			}
		}
	}
	return []family{running, runs, missed, skipped, last, ok, next}
}
