package main

import (
	"fmt"
	"io"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// writeStacks is where each request of an app is that is at work, as Python tells it: the
// most recent call first. A line is not cut: what is at its end matters.
func (v statusView) writeStacks(w io.Writer, app fleet.AppStatus) {
	if len(app.Stacks) == 0 {
		fmt.Fprintln(w, "\nno request is at work")
		return
	}
	for i := range app.Stacks {
		s := &app.Stacks[i]
		fmt.Fprintf(w, "\nworker %d, thread %d: %s for %s\n", s.PID, s.Thread, v.style.paint(bold, oneLine(s.Request)), age(v.now.Sub(s.Since)))
		if s.Problem != "" {
			fmt.Fprintf(w, "  %s\n", v.style.paint(yellow, "no stack: "+oneLine(s.Problem)))
		}
		for _, line := range s.Stack {
			fmt.Fprintf(w, "  %s\n", oneLine(line))
		}
	}
}
