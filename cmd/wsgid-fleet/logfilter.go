package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/logfile"
)

// logFlags say which lines of which logs are shown.
type logFlags struct {
	follow, all                bool
	lines, since, until, level string

	// By check:
	n    int // how many lines of each app to begin with; below 0: all
	only logfile.Filter
}

// check reads what was written on the command line.
func (f *logFlags) check(apps []string, now time.Time) (err error) {
	if len(apps) == 0 && !f.all {
		return fmt.Errorf("cannot show logs: name at least one app, or write --all")
	}
	if len(apps) > 0 && f.all {
		return fmt.Errorf("cannot show logs: --all cannot be combined with names; leave out %s", strings.Join(apps, " "))
	}
	if f.only.Since, err = parseLogTime("since", f.since, now); err != nil {
		return err
	}
	if f.only.Until, err = parseLogTime("until", f.until, now); err != nil {
		return err
	}
	if f.only.Rank, err = parseLogLevel(f.level); err != nil {
		return err
	}
	switch {
	case f.only.Until.IsZero():
	case f.follow:
		return fmt.Errorf("cannot show logs: -f never ends; leave out --until or -f")
	case !f.only.Since.Before(f.only.Until):
		return fmt.Errorf("cannot show logs: --since %s is not before --until %s", f.since, f.until)
	}
	f.n = -1
	if f.lines == "" && f.since == "" {
		f.lines = "100"
	}
	if f.lines != "all" && f.lines != "" {
		if f.n, err = strconv.Atoi(f.lines); err != nil || f.n < 0 {
			return fmt.Errorf("cannot show logs: -n %s is neither a number of lines nor \"all\"", f.lines)
		}
	}
	return nil
}

// parseLogLevel reads --level.
func parseLogLevel(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	word := strings.ToLower(s)
	if word == "warn" {
		word = "warning"
	}
	if !slices.Contains(logfile.Levels, word) {
		return 0, fmt.Errorf("cannot show logs: --level %s is not one of %s%s", s, strings.Join(logfile.Levels, ", "), didYouMean(word, logfile.Levels))
	}
	return logfile.Rank(word), nil
}

// dayForms and clockForms are times as people write them, in local time.
var (
	dayForms   = []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05"}
	clockForms = []string{"15:04", time.TimeOnly}
)

// parseLogTime reads --since and --until: a time, or how long ago.
func parseLogTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	for _, form := range dayForms {
		if at, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return at, nil
		}
	}
	for _, form := range clockForms {
		if at, err := time.ParseInLocation(form, s, now.Location()); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot show logs: --%s %s is not a time; write how long ago (90s, 15m, 2h), a time of today (07:30) or a day and time (2026-11-28 07:30)", flag, s)
}
