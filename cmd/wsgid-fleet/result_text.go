package main

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// tracebackLines is how much of a traceback is printed: its end says what
// failed and where.
const tracebackLines = 20

// printResults writes how a command ended for each app, and on standard error
// each app that failed with why. It returns the exit code.
func (c *cli) printResults(verb string, results []fleet.Result) int {
	s := c.style()
	width := 0
	for _, r := range results {
		width = max(width, columns(r.App))
	}
	code := exitOK
	for _, r := range results {
		text := r.State
		if !r.OK && text == "" {
			text = "failed"
		}
		fmt.Fprintf(c.out, "%s%s  %s\n", r.App, spaces(width-columns(r.App)), s.paint(statePaint(text), text))
	}
	for _, r := range results {
		writeAppWarnings(c.err, c.errStyle(), r.App, r.Warnings)
		if r.OK {
			continue
		}
		code = exitFailed
		why := oneLine(runner.WithoutPlace(r.Reason, r.Traceback))
		if why == "" {
			why = "it is " + r.State
		}
		fmt.Fprintf(c.err, "%s: %s\n", programName, c.errStyle().paint(red, refusal(verb, r.App, why)))
		c.printTraceback(r.Traceback)
	}
	return code
}

// refusal is "cannot VERB APP: why", unless why says so already.
func refusal(verb, app, why string) string {
	if strings.HasPrefix(why, "cannot "+verb+" "+app+":") {
		return why
	}
	return fmt.Sprintf("cannot %s %s: %s", verb, app, why)
}

// printTraceback writes the end of a traceback, indented.
func (c *cli) printTraceback(text string) {
	text = strings.TrimSpace(printable(text))
	if text == "" {
		return
	}
	lines := strings.Split(text, "\n")
	if n := len(lines) - tracebackLines; n > 0 {
		fmt.Fprintf(c.err, "    … %s before; see wsgid-fleet logs\n", count(n, "line"))
		lines = lines[n:]
	}
	for _, line := range lines {
		fmt.Fprintln(c.err, strings.TrimRight("    "+line, " "))
	}
}
