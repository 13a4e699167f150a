package main

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// sample is the request counters of a moment. Two of them make a rate.
type sample struct {
	at     time.Time
	totals map[string]masterTotal
}

// masterTotal is the counter of one master: another master counts from 0 again.
type masterTotal struct {
	pid   int
	total uint64
}

func takeSample(now time.Time, status *fleet.Status) sample {
	s := sample{at: now, totals: map[string]masterTotal{}}
	for _, app := range status.Apps {
		if app.Master != nil {
			s.totals[app.Name] = masterTotal{app.Master.PID, app.Requests.Total}
		}
	}
	return s
}

// rate is the requests a second of an app since the sample.
func (s sample) rate(now time.Time, app fleet.AppStatus) (float64, bool) {
	before, ok := s.totals[app.Name]
	span := now.Sub(s.at).Seconds()
	if !ok || app.Master == nil || app.Master.PID != before.pid || span <= 0 || app.Requests.Total < before.total {
		return 0, false
	}
	return float64(app.Requests.Total-before.total) / span, true
}
