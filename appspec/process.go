package appspec

import "time"

// Process is one process block: a program that runs beside the workers of the app,
// kept alive by its master.
type Process struct {
	Name        string   `json:"name"`
	Command     []string `json:"command"`
	Count       int      `json:"count"`
	StopSignal  string   `json:"stop_signal"` // without SIG
	StopTimeout Duration `json:"stop_timeout"`
}

// Beside tells whether the app is more than its workers, so that its master never
// rests.
func (s *Spec) Beside() bool {
	if len(s.Schedules) > 0 {
		return true
	}
	for i := range s.Processes {
		if s.Processes[i].Count > 0 {
			return true
		}
	}
	return false
}

// StopTime is how long the app may take to stop: its workers drain first, then what
// runs beside them ends, all of that at once.
func (s *Spec) StopTime() time.Duration {
	var beside time.Duration
	if len(s.Schedules) > 0 {
		beside = ScheduleStopTime
	}
	for i := range s.Processes {
		beside = max(beside, s.Processes[i].StopTimeout.D())
	}
	return s.Workers.StopTimeout.D() + beside
}
