package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// writeGate is the gate with all that is known of it.
func (v statusView) writeGate(w io.Writer, g *fleet.GateStatus) {
	field := v.fields(w)
	fmt.Fprintf(w, "%s  %s\n", v.style.paint(bold, appspec.GateName), v.style.paint(statePaint(g.State), g.State))
	field.text("reason", g.Reason)
	field.text("next", g.Next)
	if g.Waiting != "" {
		field("waits", "%s; carry it out: wsgid-fleet apply %s", oneLine(g.Waiting), appspec.GateName)
	}
	if oneLine(g.LastError) != oneLine(g.Reason) {
		field.text("last", g.LastError)
	}
	field("file", "%s", orNone(g.File))
	field("folder", "%s", orNone(g.Path))
	for _, l := range g.Listen {
		field("listen", "%s", l)
	}
	writeCertificates(field, g.Certificates)
	if g.Master == nil {
		field("master", "%s", none)
		return
	}
	field("master", "pid %d, %s, for %s", g.Master.PID, size(g.Master.RSS), age(v.now.Sub(g.Master.Since)))
	c := g.Counts
	if c == nil {
		return
	}
	field("accepted", "%d, %d to an app (%d by TLS), %d to HTTPS, %d handed back for another host", c.Accepted, c.Routed, c.TLS, c.Redirected, c.HandedBack)
	field("now", "%d reading, %d waiting", c.Reading, c.Waiting)
	for _, app := range slices.Sorted(maps.Keys(c.Apps)) {
		field("app", "%s, %d", app, c.Apps[app])
	}
	for _, why := range slices.Sorted(maps.Keys(c.Refused)) {
		if n := c.Refused[why]; n > 0 {
			field("refused", "%d: %s", n, strings.ReplaceAll(why, "_", " "))
		}
	}
	field.text("log", g.LogError)
}

// gateText is what is told of a gate after its state.
func gateText(g *fleet.GateStatus) string {
	text := ""
	if len(g.Listen) > 0 {
		text += " on " + strings.Join(g.Listen, ", ")
	}
	if c := g.Counts; c != nil {
		text += fmt.Sprintf("; %s routed", number(float64(c.Routed)))
		if c.TLS > 0 {
			text += fmt.Sprintf(" (%s by TLS)", number(float64(c.TLS)))
		}
		text += fmt.Sprintf(", %d reading, %d waiting", c.Reading, c.Waiting)
		var refused uint64
		for _, n := range c.Refused {
			refused += n
		}
		if refused > 0 {
			text += fmt.Sprintf(", %s refused", number(float64(refused)))
		}
	}
	if g.Reason != "" {
		text += ": " + oneLine(g.Reason)
	}
	return text
}
