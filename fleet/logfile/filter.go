package logfile

import (
	"strings"
	"time"
)

// Filter is what is asked for of a log; the zero value wants every line.
type Filter struct {
	Since, Until time.Time // zero: no bound
	Rank         int       // of the least level, see Rank
}

func (f Filter) all() bool { return f == Filter{} }

func (f Filter) wants(l Line) bool {
	return l.rank >= f.Rank && (f.Since.IsZero() || !l.At.Before(f.Since)) && (f.Until.IsZero() || l.At.Before(f.Until))
}

// levelRank orders the levels of log lines. What an app prints has none (OUTPUT),
// and neither has a line of the access log: both count as INFO.
var levelRank = map[string]int{"DEBUG": 1, "INFO": 2, "OUTPUT": 2, "WARNING": 3, "ERROR": 4, "CRITICAL": 5}

// Levels are those that can be asked for, the least first.
var Levels = []string{"debug", "info", "warning", "error", "critical"}

// Rank is that of a level of Levels; 0: it is none.
func Rank(level string) int { return levelRank[strings.ToUpper(level)] }

// RankOf is the rank of a line that begins with a time, by its own words.
func RankOf(line string) int {
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
