package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/logfile"
)

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
