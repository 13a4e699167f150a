package piku

import (
	"regexp"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// line is one of a Procfile: kinds are piku's own, where foreman has names alone.
type line struct {
	kind, command string
	at            facts.Position
}

func (l line) was() string { return l.kind + ": " + facts.CommandText(l.command) }

// kinds is what only piku makes something of.
var kinds = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^[ \t]*(?:wsgi|cron[\w-]*|preflight)[ \t]*:`) })

// IsProcfile tells whether a Procfile has kinds that are piku's alone.
func IsProcfile(text []byte) bool { return kinds().Match(text) }

// readProcfile reads a file of KIND: COMMAND; of one kind the last line counts, and wsgi
// takes the place of web. notes are what piku passed over.
func readProcfile(path string) (lines []line, notes []facts.Fact, err error) {
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	number := 0
	note := func(l line, text string) {
		notes = append(notes, facts.Fact{Set: facts.SetNote, Value: text, Was: l.was(), At: l.at})
	}
	drop := func(kind, why string) {
		for i, l := range lines {
			if l.kind == kind {
				note(l, why)
				lines = append(lines[:i], lines[i+1:]...)
				return
			}
		}
	}
	for raw := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		number++
		raw = strings.TrimSpace(raw)
		if raw == "" || raw[0] == '#' {
			continue
		}
		at := facts.Position{File: path, Line: number}
		kind, command, ok := strings.Cut(raw, ":")
		if !ok {
			notes = append(notes, facts.Fact{Set: facts.SetNote, Value: "it is no KIND: COMMAND, and piku passed over it", Was: facts.CommandText(raw), At: at})
			continue
		}
		one := line{strings.TrimSpace(kind), strings.TrimSpace(command), at}
		drop(one.kind, "piku has one of a kind, and took the last one")
		lines = append(lines, one)
	}
	for _, l := range lines {
		if l.kind == "wsgi" {
			drop("web", "piku did not run it beside wsgi")
			break
		}
	}
	return lines, notes, nil
}
