package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// statusView is one picture of a fleet for people.
type statusView struct {
	style    style
	now      time.Time
	wide     bool
	releases bool // an app of it has one
	pythons  bool // an app of it shares its Python, or could
	one      bool // one app, with its workers
	stack    bool // and where its requests are
	watch    bool
	before   sample // of the picture before, for rates
}

func (v statusView) write(w io.Writer, status *fleet.Status) {
	switch {
	case v.one && len(status.Apps) == 1:
		v.writeApp(w, status.Apps[0])
		if v.stack {
			v.writeStacks(w, status.Apps[0])
		}
	case v.one && status.Gate != nil:
		v.writeGate(w, status.Gate)
	default:
		if len(status.Apps) > 0 {
			t := v.appTable(status.Apps)
			t.writeTo(w, v.style)
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, cut(v.summary(status), v.style.width))
		if g := status.Gate; g != nil {
			fmt.Fprintln(w, cut("gate: "+v.style.paint(statePaint(g.State), g.State)+gateText(g), v.style.width))
		}
	}
	if !v.one {
		v.writeNext(w, status)
		v.writeWaiting(w, status)
	}
	inFiles := false // else the summary is all there is, and says what to do
	for _, f := range status.Faults {
		fmt.Fprintln(w, v.style.paint(red, cut("broken: "+oneLine(f.Summary), v.style.width)))
		inFiles = inFiles || f.Text != f.Summary
	}
	if inFiles {
		fmt.Fprintln(w, "see the lines, and what to write: wsgid-fleet validate")
	}
	if !v.one {
		for _, app := range status.Apps {
			writeAppWarnings(w, v.style, app.Name, app.Warnings)
		}
		writeWarnings(w, v.style, status.Warnings)
	}
}

// writeWaiting lists the edits that wait for apply.
func (v statusView) writeWaiting(w io.Writer, status *fleet.Status) {
	waiting := 0
	for _, app := range status.Apps {
		if app.Waiting != "" {
			waiting++
			fmt.Fprintln(w, v.style.paint(yellow, cut("waits: "+app.Name+": "+oneLine(app.Waiting), v.style.width)))
		}
	}
	if g := status.Gate; g != nil && g.Waiting != "" {
		waiting++
		fmt.Fprintln(w, v.style.paint(yellow, cut("waits: the gate: "+oneLine(g.Waiting), v.style.width)))
	}
	switch {
	case waiting > 0:
		fmt.Fprintln(w, "see what waits: wsgid-fleet plan; carry it out: wsgid-fleet apply")
	case status.Daemon != nil && status.Daemon.Hold:
		fmt.Fprintln(w, "edits wait for wsgid-fleet apply; none is waiting")
	}
}

// statePaint is the colour of a state.
func statePaint(state string) paint {
	switch state {
	case string(runner.StateReady), string(runner.StateIdle), fleet.RunStarted, fleet.RunDone:
		return green
	case string(runner.StateUpdating):
		return cyan
	case string(runner.StateStarting), string(runner.StateStopping), string(runner.StateDegraded):
		return yellow
	case string(runner.StateBackoff), fleet.StateInvalid, "failed":
		return red
	case fleet.StateStopped, fleet.StateDisabled, fleet.StateWaiting:
		return faint
	}
	return ""
}

// appTable is a line an app.
func (v statusView) appTable(apps []fleet.AppStatus) *table {
	t := &table{columns: []column{
		{title: "APP"}, {title: "STATE"}, {title: "WORKERS", right: true, drop: 1}, {title: "REQ/S", right: true, drop: 2},
		{title: "P50", right: true, drop: 5}, {title: "P99", right: true, drop: 4},
		{title: "ERRORS", right: true, drop: 3}, {title: "MEMORY", right: true, drop: 6}, {title: "AGE", right: true, drop: 7},
	}}
	if v.wide {
		if v.releases = slices.ContainsFunc(apps, func(app fleet.AppStatus) bool { return app.Release != nil }); v.releases {
			t.columns = append(t.columns, column{title: "RELEASE", drop: 9})
		}
		t.columns = append(t.columns,
			column{title: "REQUESTS", right: true, drop: 8}, column{title: "WAITING", right: true, drop: 8}, column{title: "RESTARTS", right: true, drop: 9},
			column{title: "PID", right: true, drop: 10}, column{title: "LISTEN", drop: 11}, column{title: "FILE", drop: 12})
		if v.pythons = slices.ContainsFunc(apps, func(app fleet.AppStatus) bool { return pythonOf(app) != none }); v.pythons {
			t.columns = append(t.columns, column{title: "PYTHON", drop: 13})
		}
	}
	t.columns = append(t.columns, column{title: "REASON"})
	for _, app := range apps {
		t.add(v.appRow(app)...)
	}
	return t
}

func (v statusView) appRow(app fleet.AppStatus) []cell {
	rate, requests, p50, p99, errs, memory, since, pid := none, none, none, none, none, none, none, none
	if app.Master != nil {
		rate = number(v.rate(app))
		requests = number(float64(app.Requests.Total))
		errs = number(float64(app.Requests.Errors))
		memory = size(app.Memory())
		since = age(v.now.Sub(app.Master.Since))
		pid = strconv.Itoa(app.Master.PID)
		if app.Requests.Total > 0 {
			p50, p99 = latency(app.Requests.P50), latency(app.Requests.P99)
		}
	}
	var errPaint paint
	if app.Requests.Errors > 0 {
		errPaint = red
	}
	row := []cell{
		{app.Name, bold}, {app.State, statePaint(app.State)}, {text: workersOf(app)}, {text: rate},
		{text: p50}, {text: p99}, {errs, errPaint}, {text: memory}, {text: since},
	}
	if v.releases {
		row = append(row, cell{text: orNone(app.Release.String())})
	}
	if v.wide {
		row = append(row, cell{text: requests}, cell{text: number(float64(app.Requests.Waiting))}, cell{text: strconv.Itoa(app.Restarts)},
			cell{text: pid}, cell{text: orNone(strings.Join(app.Listens(), " "))}, cell{text: orNone(app.File)})
	}
	if v.pythons {
		row = append(row, cell{text: pythonOf(app)})
	}
	if app.Reason == "" && app.LogError != "" {
		return append(row, cell{oneLine(app.LogError), yellow})
	}
	return append(row, cell{oneLine(app.Reason), statePaint(app.State)})
}

// rate is the requests a second of an app: since the picture before, or as its
// master has counted them over the last ten seconds.
func (v statusView) rate(app fleet.AppStatus) float64 {
	if rate, ok := v.before.rate(v.now, app); ok {
		return rate
	}
	return app.Requests.PerSecond
}

// workersOf is busy/all of an app's workers.
func workersOf(app fleet.AppStatus) string {
	if app.Master == nil {
		return none
	}
	return fmt.Sprintf("%d/%d", app.Busy(), len(app.Workers))
}

// pythonOf tells whether an app shares its Python with others, and why it does not.
func pythonOf(app fleet.AppStatus) string {
	switch m := app.Master; {
	case m == nil:
		return none
	case m.Unforked != "":
		return "own: " + oneLine(m.Unforked)
	case m.Stem != 0:
		return "shared"
	}
	return none
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// summary is the fleet in one line.
func (v statusView) summary(status *fleet.Status) string {
	counts := map[string]int{}
	for _, app := range status.Apps {
		counts[app.State]++
	}
	var states []string
	for state := range counts {
		states = append(states, state)
	}
	order := fleet.States()
	slices.SortFunc(states, func(a, b string) int {
		return slices.Index(order, a) - slices.Index(order, b)
	})
	text := "no apps"
	if n := len(status.Apps); n > 0 {
		var parts []string
		for _, state := range states {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
		text = count(n, "app") + ": " + strings.Join(parts, ", ")
	}
	if d := status.Daemon; d != nil {
		return fmt.Sprintf("%s; daemon %d for %s on %s", text, d.PID, age(v.now.Sub(d.Since)), d.Dir)
	}
	return text + "; no daemon runs"
}

// field writes a name and what there is of it.
type field func(name, format string, args ...any)

// text writes a name and a text that may be of anybody, where there is one.
func (f field) text(name, text string) {
	if text != "" {
		f(name, "%s", oneLine(text))
	}
}

// fields writes lines of a name and what there is of it.
func (v statusView) fields(w io.Writer) field {
	return func(name, format string, args ...any) {
		lines := []string{fmt.Sprintf(format, args...)}
		if v.style.width > 0 {
			lines = wrap(lines[0], v.style.width-10)
		}
		for i, line := range lines {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(w, "%s%s  %s\n", name, spaces(8-columns(name)), line)
		}
	}
}
