package appspec

import "time"

// Schedule is one schedule block: a program that the master of the app runs at times.
type Schedule struct {
	Name     string   `json:"name"`
	Cron     string   `json:"cron"` // as the package cron reads it
	Command  []string `json:"command"`
	Timeout  Duration `json:"timeout"`
	Overlap  bool     `json:"overlap"`
	Timezone string   `json:"timezone"` // empty: the machine's
}

// ScheduleStopTime is how long a run may take to end that is told to.
const ScheduleStopTime = 30 * time.Second
