package logfile

import (
	"strings"
	"time"
)

// wsgidTime is the form of wsgid's own log lines, in local time.
const wsgidTime = "2006-01-02 15:04:05,000"

// combinedTime is the form of the access log's combined format.
const combinedTime = "02/Jan/2006:15:04:05 -0700"

// lineTime is the time that a log line begins with: wsgid's form, RFC 3339, the
// "time" of a JSON line, or that of the access log. A line without one (a traceback's, for instance)
// belongs to the one before.
func lineTime(line string) (time.Time, bool) {
	if rest, ok := strings.CutPrefix(line, `{"time":"`); ok {
		line = rest
	}
	if len(line) >= len(wsgidTime) && line[10] == ' ' {
		at, err := time.ParseInLocation(wsgidTime, line[:len(wsgidTime)], time.Local)
		return at, err == nil
	}
	if _, rest, ok := strings.Cut(line, " - - ["); ok && len(rest) > len(combinedTime) && rest[len(combinedTime)] == ']' {
		if at, err := time.Parse(combinedTime, rest[:len(combinedTime)]); err == nil {
			return at, true
		}
	}
	end := strings.IndexAny(line, " \"\t")
	if end < 0 {
		end = len(line)
	}
	// The shortest and the longest form that RFC 3339 has.
	if end < len("2006-01-02T15:04:05Z") || end > len(time.RFC3339Nano) {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, line[:end])
	return at, err == nil
}
