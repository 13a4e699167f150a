package systemd

import (
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
)

// changes is of how many nights in which clocks are changed it is looked whether a schedule
// comes as its timer did: two years.
const changes = 4

// nights says where a schedule comes in such a night and the timer that it was made of did not.
func nights(line, zone string, from time.Time) string {
	s, err := cron.Parse(line)
	in, noZone := cron.Zone(zone)
	if err != nil || noZone != nil {
		return "" // told of elsewhere
	}
	for range changes {
		_, change := from.In(in).ZoneBounds()
		if !change.After(from) {
			break
		}
		theirs := byWall(s, in, change)
		for _, here := range between(s, change.Add(-around), change.Add(around)) {
			if slices.ContainsFunc(theirs, here.Equal) {
				continue
			}
			_, before := change.Add(-1).Zone()
			if _, after := change.Zone(); after > before {
				return "systemd left out the night in which clocks are put forward, as its hour is not there then: a schedule comes when that hour is over"
			}
			return "systemd left out the second of the two hours of the night in which clocks are put back: a schedule comes in both"
		}
		from = change
	}
	return ""
}

// around is how far from a change of clocks times differ; no clock is changed by more.
const around = 3 * time.Hour

// byWall are the times around a change of clocks as systemd has them (252;
// findings/systemd-timers-lose-an-hour-twice-a-year.sh): each that a clock on the wall
// shows, once; none that it does not show.
func byWall(s *cron.Schedule, in *time.Location, change time.Time) []time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(change.Add(-1)), offset(change)
	var times []time.Time
	// The wall's clock, as if it were UTC's, which is never changed.
	for _, wall := range between(s, change.UTC().Add(before-around), change.UTC().Add(after+around)) {
		if t := wall.Add(-before); t.Before(change) {
			times = append(times, t.In(in))
		} else if t := wall.Add(-after); !t.Before(change) {
			times = append(times, t.In(in))
		}
	}
	return times
}

// between are the times of a schedule from one moment on, and before another.
func between(s *cron.Schedule, from, end time.Time) []time.Time {
	var times []time.Time
	for t := s.Next(from.Add(-1)); !t.IsZero() && t.Before(end); t = s.Next(t) {
		times = append(times, t)
	}
	return times
}
