package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// diary is what a storm did, and when.
type diary []entry

type entry struct {
	at   time.Time
	text string
}

func (d *diary) note(format string, args ...any) {
	*d = append(*d, entry{time.Now(), fmt.Sprintf(format, args...)})
}

// aroundTime is how much before and after a loss is shown.
const aroundTime = 1500 * time.Millisecond

// around is what happened about the time of a loss: what the storm did, and the
// lines that the app and the daemon wrote.
func (s *storm) around(l Lost) string {
	all := slices.Clone(s.diary)
	for _, path := range []string{filepath.Join(s.demo, "apps", l.App, "logs/wsgid.log"), filepath.Join(s.dir, "daemon.log")} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		name := filepath.Base(path)
		for line := range strings.Lines(string(text)) {
			if at, ok := lineTime(line); ok && (name != "daemon.log" || strings.Contains(line, "app="+l.App+" ") || !strings.Contains(line, "app=")) {
				all = append(all, entry{at, "    " + name + ": " + strings.TrimSpace(line)})
			}
		}
	}
	all = slices.DeleteFunc(all, func(e entry) bool {
		return e.at.Before(l.Since.Add(-aroundTime)) || e.at.After(l.Until.Add(aroundTime))
	})
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%s %s\n", e.at.Format(clock), e.text)
	}
	return b.String()
}

// lineTime reads when a log line was written, in the daemon's form or in the
// apps'.
func lineTime(line string) (time.Time, bool) {
	if rest, ok := strings.CutPrefix(line, "time="); ok {
		word, _, _ := strings.Cut(rest, " ")
		at, err := time.Parse(time.RFC3339Nano, word)
		return at, err == nil
	}
	const form = "2006-01-02 15:04:05,000"
	if len(line) < len(form) {
		return time.Time{}, false
	}
	at, err := time.ParseInLocation(form, line[:len(form)], time.Local)
	return at, err == nil
}
