package cron

import (
	"fmt"
	"strings"
	"time"
)

// Schedule is a line that was read.
type Schedule struct {
	minute, hour, dom, month, dow uint64 // a bit for each value

	bothDays bool // a day field begins with a star: a day must fit by both
	follows  bool // minute or hour begins with a star: it goes by the clock, not by the day
}

// words are lines that have a name.
var words = [...]struct{ word, line string }{
	{"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
}

// Error says what is wrong with a line, and what to write instead.
type Error struct{ Reason, Instead string }

func (e *Error) Error() string { return e.Reason + ": " + e.Instead }

// Parse reads a line.
func Parse(text string) (*Schedule, error) {
	line := strings.TrimSpace(text)
	if strings.HasPrefix(line, "@") {
		named, err := byWord(line)
		if err != nil {
			return nil, err
		}
		line = named
	}
	parts := strings.Fields(line)
	if len(parts) != len(fields) {
		return nil, wrongNumber(line, parts)
	}
	var s Schedule
	sets := [...]*uint64{&s.minute, &s.hour, &s.dom, &s.month, &s.dow}
	for i := range fields {
		set, err := fields[i].read(parts[i])
		if err != nil {
			return nil, err
		}
		*sets[i] = set
	}
	if s.dow&(1<<7) != 0 {
		s.dow = s.dow&^(1<<7) | 1 // Sunday has two numbers
	}
	star := func(i int) bool { return parts[i][0] == '*' }
	s.bothDays = star(2) || star(4)
	s.follows = star(0) || star(1)
	if !s.comes() {
		return nil, &Error{"no month of the line has that day", "write a day that it has, such as 28; the last day of a month has no number"}
	}
	return &s, nil
}

func byWord(line string) (string, error) {
	known := make([]string, 0, len(words))
	for _, w := range words {
		if strings.EqualFold(w.word, line) {
			return w.line, nil
		}
		known = append(known, w.word)
	}
	switch word := strings.ToLower(strings.Fields(line)[0]); word {
	case "@reboot":
		return "", &Error{"@reboot is not a time", "something that runs as long as the app is a process; something to run once for each release is a stage of deploy"}
	case "@every":
		return "", &Error{"@every has no fixed start", "write for every ten minutes: */10 * * * *"}
	default:
		return "", &Error{word + " is not known", "write five fields, or one of " + strings.Join(known, ", ")}
	}
}

func wrongNumber(line string, parts []string) error {
	const five = "write five fields: minute, hour, day of month, month, day of week, as in 0 3 * * *"
	switch {
	case len(parts) == 0:
		return &Error{"it is empty", five}
	case strings.HasPrefix(line, "TZ=") || strings.HasPrefix(line, "CRON_TZ="):
		_, zone, _ := strings.Cut(parts[0], "=")
		return &Error{"a time zone is not allowed here", "write it as timezone = \"" + zone + "\""}
	case len(parts) == 6 && (parts[0] == "0" || parts[0] == "00"):
		return &Error{"it has 6 fields", "there are no seconds: write " + strings.Join(parts[1:], " ")}
	case len(parts) == 6 && (parts[5] == "*" || parts[5] == "?"):
		return &Error{"it has 6 fields", "there are no years: write " + strings.Join(parts[:5], " ")}
	default:
		return &Error{fmt.Sprintf("it has %d fields", len(parts)), five}
	}
}

// comes tells whether there is a day for the line at all.
func (s *Schedule) comes() bool {
	if !s.bothDays {
		return true // a day of the week there always is
	}
	for month := time.January; month <= time.December; month++ {
		// 2024 is a leap year.
		last := time.Date(2024, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if s.month&(1<<month) != 0 && s.dom&(1<<(last+1)-1) != 0 {
			return true
		}
	}
	return false
}

// day tells whether the line comes on that day of the calendar.
func (s *Schedule) day(t time.Time) bool {
	dom, dow := s.dom&(1<<t.Day()) != 0, s.dow&(1<<t.Weekday()) != 0
	if s.bothDays {
		return dom && dow
	}
	return dom || dow
}

// horizon is how far Next looks: 29 February is a given day of the week once in forty
// years at the worst.
const horizon = 41 * 366 * 24 * time.Hour

// Next is the first moment after t at which the line comes, in t's zone.
func (s *Schedule) Next(t time.Time) time.Time {
	zone := t.Location()
	for from, limit := t.Add(1), t.Add(horizon); from.Before(limit); {
		// One stretch of time in which the zone's clocks run evenly.
		begin, end := from.ZoneBounds()
		if !end.IsZero() && !end.After(from) {
			end = from.Add(time.Hour) // as Go 1.26 has it on the last day of a leap year
		}
		offset := offsetAt(from)
		wall := func(at time.Time) time.Time { return at.Add(time.Duration(offset) * time.Second).UTC() }
		stop := wall(limit)
		if !end.IsZero() && end.Before(limit) {
			stop = wall(end)
		}
		earliest := wall(from)
		if !begin.IsZero() && !s.follows {
			// What the clocks showed when they were changed.
			before := begin.Add(time.Duration(offsetAt(begin.Add(-1))) * time.Second).UTC()
			if from.Equal(begin) { // what they have jumped over comes now
				if gap := s.nextWall(before, wall(begin)); !gap.IsZero() {
					return begin
				}
			}
			if before.After(earliest) {
				earliest = before // these came before the clocks were put back
			}
		}
		if at := s.nextWall(earliest, stop); !at.IsZero() {
			return at.Add(-time.Duration(offset) * time.Second).In(zone)
		}
		if end.IsZero() {
			break
		}
		from = end
	}
	return time.Time{}
}

func offsetAt(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

// nextWall is the first time from on and before stop that the line names, by what
// clocks on the wall show; both are in UTC.
func (s *Schedule) nextWall(from, stop time.Time) time.Time {
	t := from.Truncate(time.Minute)
	if t.Before(from) {
		t = t.Add(time.Minute)
	}
	for t.Before(stop) {
		switch {
		case s.month&(1<<t.Month()) == 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !s.day(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case s.hour&(1<<t.Hour()) == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		case s.minute&(1<<t.Minute()) == 0:
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}
