package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// writeApp is one app with all that is known of it.
func (v statusView) writeApp(w io.Writer, app fleet.AppStatus) {
	v.writeTitle(w, app)
	field := v.fields(w)
	v.writeState(field, app)
	v.writeSpec(field, app)
	if app.Master == nil {
		field("master", "%s", none)
		return
	}
	v.writeMaster(field, app)
	v.writeWorkers(w, app)
	v.writeProcesses(w, app)
	v.writeSchedules(w, app)
}

func (v statusView) writeTitle(w io.Writer, app fleet.AppStatus) {
	s := v.style
	state := s.paint(statePaint(app.State), app.State)
	if s.width == 0 || columns(app.Name)+2+columns(app.State) <= s.width {
		fmt.Fprintf(w, "%s  %s\n", s.paint(bold, app.Name), state)
		return
	}
	for _, part := range wrap(app.Name, s.width) {
		fmt.Fprintln(w, s.paint(bold, part))
	}
	fmt.Fprintln(w, state)
}

// writeState is why an app is in its state, and what to do about it.
func (v statusView) writeState(field field, app fleet.AppStatus) {
	field.text("reason", app.Reason)
	field.text("next", app.Next)
	if app.Waiting != "" && app.State != fleet.StateWaiting {
		field("waits", "%s; carry it out: wsgid-fleet apply %s", oneLine(app.Waiting), app.Name)
	}
	if oneLine(app.LastError) != oneLine(app.Reason) {
		field.text("last", app.LastError)
	}
}

// writeSpec is where an app is described and lies, and what it is to be.
func (v statusView) writeSpec(field field, app fleet.AppStatus) {
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
}

// writeMaster is what the master of an app says of it.
func (v statusView) writeMaster(field field, app fleet.AppStatus) {
	m, r := app.Master, app.Requests
	field("master", "pid %d, %s, for %s", m.PID, size(m.RSS), age(v.now.Sub(m.Since)))
	switch {
	case m.Unforked != "":
		field("python", "not shared with other apps: %s", oneLine(m.Unforked))
	case m.Stem != 0:
		field("python", "shared with other apps, by pid %d", m.Stem)
	}
	field("requests", "%d, %s a second, %s, %d rejected, %d timed out", r.Total, number(v.rate(app)), count(int(r.Errors), "error"), r.Rejected, r.Timeouts)
	field("now", "%d active, %d waiting, p50 %s, p99 %s", r.Active, r.Waiting, latency(r.P50), latency(r.P99))
	if h := app.Health; h != nil {
		word := "good"
		if !h.OK {
			word = "bad"
		}
		field("health", "%s: %s, worker %d, %s ago", word, oneLine(h.Answer), h.PID, age(v.now.Sub(h.At)))
	}
	field.text("scaled", app.Scaled)
	if app.LogError != "" {
		field.text("log", app.LogError)
	} else {
		field("log", "wsgid-fleet logs %s", app.Name)
	}
	for _, text := range app.Warnings {
		field.text("warning", text)
	}
}

func writeCertificates(field field, certificates []fleet.CertificateStatus) {
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
