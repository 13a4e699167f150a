package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// logFilter is what "logs" is asked for; the zero value wants every line.
type logFilter struct {
	since, until time.Time // zero: no bound
	rank         int       // of the least level
}

func (f logFilter) all() bool { return f == logFilter{} }

func (f logFilter) wants(l logLine) bool {
	return l.rank >= f.rank && (f.since.IsZero() || !l.at.Before(f.since)) && (f.until.IsZero() || l.at.Before(f.until))
}

// levelRank orders the levels of log lines. What an app prints has none (OUTPUT),
// and neither has a line of the access log: both count as INFO.
var levelRank = map[string]int{"DEBUG": 1, "INFO": 2, "OUTPUT": 2, "WARNING": 3, "ERROR": 4, "CRITICAL": 5}

// logLevels are the levels that can be asked for.
var logLevels = []string{"debug", "info", "warning", "error", "critical"}

// logRank is the rank of a line that begins with a time.
func logRank(line string) int {
	word := ""
	if strings.HasPrefix(line, "{") {
		_, rest, _ := strings.Cut(line, `","level":"`)
		word, _, _ = strings.Cut(rest, `"`)
	} else if parts := strings.SplitN(line, " - ", 4); len(parts) == 4 {
		word = parts[2]
	}
	if rank := levelRank[word]; rank > 0 {
		return rank
	}
	return levelRank["INFO"]
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
	if !slices.Contains(logLevels, word) {
		return 0, fmt.Errorf("cannot show logs: --level %s is not one of %s%s", s, strings.Join(logLevels, ", "), didYouMean(word, logLevels))
	}
	return levelRank[strings.ToUpper(word)], nil
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
	return time.Time{}, fmt.Errorf("cannot show logs: --%s %s is no time; write how long ago (90s, 15m, 2h), a time of today (07:30) or a day and time (2026-11-28 07:30)", flag, s)
}
