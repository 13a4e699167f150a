package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// nextApps is how many apps are named before the same advice.
const nextApps = 4

// writeNext lists what is to be done about apps that are not well, each thing once.
func (v statusView) writeNext(w io.Writer, status *fleet.Status) {
	var texts []string
	apps := map[string][]string{}
	note := func(app, text string) {
		if text == "" {
			return
		}
		if apps[text] == nil {
			texts = append(texts, text)
		}
		apps[text] = append(apps[text], app)
	}
	for _, app := range status.Apps {
		note(app.Name, app.Next)
	}
	if g := status.Gate; g != nil {
		note("the gate", g.Next)
	}
	for _, text := range texts {
		names := apps[text]
		who := strings.Join(names[:min(nextApps, len(names))], ", ")
		if n := len(names) - nextApps; n > 0 {
			who += fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintln(w, v.style.paint(yellow, "next: "+who+": "+oneLine(text)))
	}
}
