package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// writeProcesses is a line for each process beside the workers of an app.
func (v statusView) writeProcesses(w io.Writer, app fleet.AppStatus) {
	if len(app.Processes) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := &table{columns: []column{
		{title: "PROCESS"}, {title: "STATE"}, {title: "PID", right: true}, {title: "RESTARTS", right: true, drop: 2},
		{title: "MEMORY", right: true, drop: 3}, {title: "AGE", right: true, drop: 1}, {title: "LAST"},
	}}
	for i := range app.Processes {
		p := &app.Processes[i]
		pid, memory, since := none, none, none
		if p.PID > 0 {
			pid, memory, since = strconv.Itoa(p.PID), size(p.RSS), age(v.now.Sub(p.Since))
		}
		t.add(cell{text: p.Title()}, cell{string(p.State), processPaint(p.State)}, cell{text: pid},
			cell{text: strconv.Itoa(p.Restarts)}, cell{text: memory}, cell{text: since}, cell{text: oneLine(p.LastError)})
	}
	t.writeTo(w, v.style)
}

func processPaint(state runner.ProcessState) paint {
	switch state {
	case runner.ProcessRunning:
		return green
	case runner.ProcessBackoff:
		return red
	default:
		return yellow
	}
}
