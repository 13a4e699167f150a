package facts

import (
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
)

// changes is of how many nights in which clocks are changed it is looked whether a schedule
// comes when a peer's job did: two years.
const changes = 4

// around is how far from a change of clocks times differ; no clock is changed by more.
const around = 3 * time.Hour

// Clock is how a peer goes by clocks that are changed: the times of a line around a change.
type Clock func(s *cron.Schedule, change time.Time) []time.Time

// Nights says where a schedule comes in such a night and a peer's job of the same line did
// not, or the other way round.
func Nights(peer, line, zone string, from time.Time, theirs Clock) string {
	s, err := cron.Parse(line)
	in, noZone := cron.Zone(zone)
	if err != nil || noZone != nil {
		return "" // told of elsewhere
	}
	var forward, back, twice bool // left out by the peer, and come there twice
	for range changes {
		_, change := from.In(in).ZoneBounds()
		if !change.After(from) {
			break
		}
		here, there := between(s, change.Add(-around), change.Add(around)), theirs(s, change)
		if offset(change) > offset(change.Add(-1)) {
			forward = forward || lacks(there, here)
		} else {
			back, twice = back || lacks(there, here), twice || lacks(here, there)
		}
		from = change
	}
	const (
		nightForward = "the night in which clocks are put forward, as its hour is not there then"
		nightBack    = "the night in which clocks are put back"
	)
	switch {
	case forward && twice:
		return peer + " ran it twice in " + nightBack + ", and not in " + nightForward + ": a schedule comes once in each"
	case forward:
		return peer + " left out " + nightForward + ": a schedule comes when that hour is over"
	case twice:
		return peer + " ran it twice in " + nightBack + ": a schedule comes once"
	case back:
		return peer + " left out the second of the two hours of " + nightBack + ": a schedule comes in both"
	}
	return ""
}

// lacks tells whether not all times are among others.
func lacks(these, of []time.Time) bool {
	return slices.ContainsFunc(of, func(t time.Time) bool { return !slices.ContainsFunc(these, t.Equal) })
}

// OncePerWall is systemd's (252; findings/systemd-timers-lose-an-hour-twice-a-year.sh): each
// time that a clock on the wall shows, once; none that it does not show.
func OncePerWall(s *cron.Schedule, change time.Time) []time.Time {
	before, after := offset(change.Add(-1)), offset(change)
	var times []time.Time
	// The wall's clock, as if it were UTC's, which is never changed.
	for _, wall := range between(s, change.UTC().Add(before-around), change.UTC().Add(after+around)) {
		if t := wall.Add(-before); t.Before(change) {
			times = append(times, t)
		} else if t := wall.Add(-after); !t.Before(change) {
			times = append(times, t)
		}
	}
	return times
}

// EachOnTheWall is uWSGI's (2.0.21; findings/uwsgi-cron-goes-by-the-clock-on-the-wall.sh),
// which looks at that clock in each minute.
func EachOnTheWall(s *cron.Schedule, change time.Time) []time.Time {
	var times []time.Time
	for _, part := range []struct {
		from   time.Time
		offset time.Duration
	}{{change.Add(-around), offset(change.Add(-1))}, {change, offset(change)}} {
		for _, wall := range between(s, part.from.UTC().Add(part.offset), part.from.UTC().Add(part.offset+around)) {
			times = append(times, wall.Add(-part.offset))
		}
	}
	return times
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// between are the times of a schedule from one moment on, and before another.
func between(s *cron.Schedule, from, end time.Time) []time.Time {
	var times []time.Time
	for t := s.Next(from.Add(-1)); !t.IsZero() && t.Before(end); t = s.Next(t) {
		times = append(times, t)
	}
	return times
}
