package applog

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// logKind says whose line it is.
type logKind uint8

const (
	kindOwn    logKind = iota // ours
	kindRaw                   // ours, a text of several lines that goes with the one before
	kindOutput                // of a worker's standard output or error
	kindAccess                // whole lines of the access log
)

// entry is what is written together: a line, a traceback, or a batch of the
// access log.
type entry struct {
	kind    logKind
	level   string
	pid     int    // of the process that speaks
	name    string // of that process, where it is no worker: "process celery"
	at      time.Time
	text    []byte
	ends    []accessEnd // of a batch: where its lines end
	control func()      // not a line: run it
}

// accessEnd is the end of one line of a batch.
type accessEnd struct {
	at     int
	worker int
}

// lines is the number of lines of the entry.
func (e *entry) lines() int {
	if e.kind == kindAccess {
		return len(e.ends)
	}
	return 1 + bytes.Count(bytes.TrimSuffix(e.text, []byte{'\n'}), []byte{'\n'})
}

// who is the second field of a text line, and "source" of a JSON line.
func (k logKind) who() string {
	switch k {
	case kindOutput:
		return "app"
	case kindAccess:
		return "access"
	default:
		return "wsgid"
	}
}

// who is the same of an entry; name and all where it has one.
func (e *entry) who() string {
	if e.name != "" {
		return e.name
	}
	return e.kind.who()
}

// appendText writes the entry in wsgid's format, each line with its head; app
// is not empty where several apps share the place.
func (e *entry) appendText(dst []byte, app string) []byte {
	switch e.kind {
	case kindAccess:
		return append(dst, e.text...)
	case kindRaw:
		for line := range bytes.SplitSeq(bytes.TrimSuffix(e.text, []byte{'\n'}), []byte{'\n'}) {
			dst = append(appendClean(dst, line), '\n')
		}
		return dst
	case kindOwn, kindOutput:
	}
	for rest, more := e.text, true; more; {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte{'\n'})
		if !more && len(line) == 0 && len(e.text) > 0 {
			break // the text ended with a line end
		}
		dst = e.at.AppendFormat(dst, "2006-01-02 15:04:05,000 - ")
		if app != "" {
			dst = append(append(dst, app...), ' ')
		}
		dst = append(dst, e.who()...)
		dst = append(dst, " [pid="...)
		dst = strconv.AppendInt(dst, int64(e.pid), 10)
		dst = append(dst, "] - "...)
		dst = append(dst, e.level...)
		dst = append(dst, " - "...)
		dst = append(appendClean(dst, line), '\n')
	}
	return dst
}

// appendJSON writes the entry as one JSON object, a traceback's lines in it.
func (e *entry) appendJSON(dst []byte, app string) []byte {
	if e.kind == kindAccess {
		return append(dst, e.text...)
	}
	dst = append(dst, `{"time":"`...)
	dst = e.at.AppendFormat(dst, "2006-01-02T15:04:05.000000Z07:00")
	dst = append(dst, `","level":"`...)
	dst = append(dst, e.level...)
	dst = append(dst, `","source":"`...)
	kind, name, named := strings.Cut(e.who(), " ") // letters that need no escape, too
	dst = append(dst, kind...)
	if named {
		dst = append(dst, `","name":"`...)
		dst = append(dst, name...)
	}
	dst = append(dst, `","app":"`...)
	dst = append(dst, app...) // its letters need no escape: see appspec.ValidName
	dst = append(dst, `","pid":`...)
	dst = strconv.AppendInt(dst, int64(e.pid), 10)
	dst = append(dst, `,"message":`...)
	dst = appendJSONString(dst, bytes.TrimSuffix(e.text, []byte{'\n'}))
	return append(dst, "}\n"...)
}

// priority is the level in syslog's numbers. Output has none of its own: what
// is a traceback is an error.
func (e *entry) priority() byte {
	switch {
	case e.level == "ERROR" || e.level == "CRITICAL":
		return '3'
	case e.kind == kindOutput && isTrace(e.text):
		return '3'
	case e.level == "WARNING":
		return '4'
	case e.level == "DEBUG":
		return '7'
	}
	return '6'
}

// levelName is slog's level in Python's words.
func levelName(level string) string {
	if strings.HasPrefix(level, "WARN") {
		return "WARNING"
	}
	return level
}
