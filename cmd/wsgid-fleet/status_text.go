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
	for _, f := range status.Faults {
		fmt.Fprintln(w, v.style.paint(red, cut("broken: "+oneLine(f.Summary), v.style.width)))
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

// fields writes lines of a name and what there is of it.
func (v statusView) fields(w io.Writer) func(name, format string, args ...any) {
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

func writeCertificates(field func(name, format string, args ...any), certificates []fleet.CertificateStatus) {
	for _, c := range certificates {
		switch day := time.DateOnly; {
		case c.Host != "" && c.Expires.IsZero():
			field("cert", "%s: none yet", c.Host)
		case c.Host != "":
			field("cert", "%s by %s, expires on %s, renewed on %s", c.Host, c.Issuer, c.Expires.UTC().Format(day), c.Renew.UTC().Format(day))
		case !c.Expires.IsZero():
			field("cert", "%s, expires on %s", c.Cert, c.Expires.UTC().Format(day))
		}
	}
}

// writeApp is one app with all that is known of it.
func (v statusView) writeApp(w io.Writer, app fleet.AppStatus) {
	s, field := v.style, v.fields(w)
	state := s.paint(statePaint(app.State), app.State)
	if s.width > 0 && columns(app.Name)+2+columns(app.State) > s.width {
		for _, part := range wrap(app.Name, s.width) {
			fmt.Fprintln(w, s.paint(bold, part))
		}
		fmt.Fprintln(w, state)
	} else {
		fmt.Fprintf(w, "%s  %s\n", s.paint(bold, app.Name), state)
	}
	if app.Reason != "" {
		field("reason", "%s", oneLine(app.Reason))
	}
	if app.Next != "" {
		field("next", "%s", oneLine(app.Next))
	}
	if app.Waiting != "" && app.State != fleet.StateWaiting {
		field("waits", "%s; carry it out: wsgid-fleet apply %s", oneLine(app.Waiting), app.Name)
	}
	if app.LastError != "" && oneLine(app.LastError) != oneLine(app.Reason) {
		field("last", "%s", oneLine(app.LastError))
	}
	field("file", "%s", orNone(app.File))
	field("folder", "%s", orNone(app.Path))
	if app.Release != nil {
		field("release", "%s", app.Release)
	}
	for _, l := range app.Listens() {
		field("listen", "%s", l)
	}
	writeCertificates(field, app.Certificates)
	want := count(app.Desired.Max, "worker")
	if app.Desired.Min != app.Desired.Max {
		want = fmt.Sprintf("%d to %d workers", app.Desired.Min, app.Desired.Max)
	}
	field("wanted", "%s, generation %d, %s", want, app.Generation, count(app.Restarts, "restart"))
	if app.Master == nil {
		field("master", "%s", none)
		return
	}
	field("master", "pid %d, %s, for %s", app.Master.PID, size(app.Master.RSS), age(v.now.Sub(app.Master.Since)))
	switch m := app.Master; {
	case m.Unforked != "":
		field("python", "not shared with other apps: %s", oneLine(m.Unforked))
	case m.Stem != 0:
		field("python", "shared with other apps, by pid %d", m.Stem)
	}
	r := app.Requests
	field("requests", "%d, %s a second, %s, %d rejected, %d timed out", r.Total, number(v.rate(app)), count(int(r.Errors), "error"), r.Rejected, r.Timeouts)
	field("now", "%d active, %d waiting, p50 %s, p99 %s", r.Active, r.Waiting, latency(r.P50), latency(r.P99))
	if h := app.Health; h != nil {
		word := "good"
		if !h.OK {
			word = "bad"
		}
		field("health", "%s: %s, worker %d, %s ago", word, oneLine(h.Answer), h.PID, age(v.now.Sub(h.At)))
	}
	if app.Scaled != "" {
		field("scaled", "%s", oneLine(app.Scaled))
	}
	if app.LogError != "" {
		field("log", "%s", oneLine(app.LogError))
	} else {
		field("log", "wsgid-fleet logs %s", app.Name)
	}
	for _, text := range app.Warnings {
		field("warning", "%s", oneLine(text))
	}
	v.writeWorkers(w, app)
	v.writeProcesses(w, app)
	v.writeSchedules(w, app)
}

func (v statusView) writeWorkers(w io.Writer, app fleet.AppStatus) {
	s := v.style
	if len(app.Workers) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := &table{columns: []column{
		{title: "WORKER", right: true}, {title: "STATE"}, {title: "REQUESTS", right: true, drop: 2},
		{title: "MEMORY", right: true, drop: 3}, {title: "AGE", right: true, drop: 1}, {title: "REQUEST"},
	}}
	for _, x := range app.Workers {
		t.add(cell{text: strconv.Itoa(x.PID)}, cell{string(x.State), workerPaint(x.State)},
			cell{text: strconv.FormatUint(x.Requests, 10)}, cell{text: size(x.RSS)},
			cell{text: age(v.now.Sub(x.Since))}, cell{text: v.current(x)})
	}
	t.writeTo(w, s)
}

// current is what a worker is at, and for how long.
func (v statusView) current(w runner.WorkerInfo) string {
	var parts []string
	for _, c := range w.Current {
		parts = append(parts, fmt.Sprintf("%s for %s", oneLine(c.Request), age(v.now.Sub(c.Since))))
	}
	return strings.Join(parts, ", ")
}

func workerPaint(state runner.WorkerState) paint {
	switch state {
	case runner.WorkerBusy:
		return cyan
	case runner.WorkerIdle:
		return green
	default:
		return yellow
	}
}
