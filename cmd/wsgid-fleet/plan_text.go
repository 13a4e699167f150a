package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// writePlan writes a plan for people: a block an app, and a line of sums.
func writePlan(w io.Writer, s style, plan *plan.Plan) {
	defer writeWarnings(w, s, plan.Warnings)
	sums := map[string]int{}
	changed, same, held := 0, 0, 0
	for _, app := range plan.Apps {
		if !changes(app) {
			if app.Error != "" {
				held++
				writePlanError(w, s, "! "+app.App+": ", app.Error)
			} else {
				same++
			}
			continue
		}
		changed++
		kind := app.Kind()
		sums[kind]++
		writeAppPlan(w, s, app, kind)
	}
	without := ""
	if held > 0 {
		without = fmt.Sprintf("; an error blocks %s, see above", count(held, "app"))
	}
	if changed == 0 {
		if same > 0 || held == 0 {
			fmt.Fprintf(w, "Nothing to do for %s%s.\n", count(same, "app"), without)
			return
		}
		fmt.Fprintf(w, "Nothing to do%s.\n", without)
		return
	}
	var parts []string
	for _, kind := range planKinds {
		if n := sums[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	fmt.Fprintf(w, "\n%s to change: %s; %d unchanged%s.\n", count(changed, "app"), strings.Join(parts, ", "), same, without)
}

// writeWarnings writes what an operator should know of the specs together.
func writeWarnings(w io.Writer, s style, warnings []string) {
	for _, text := range warnings {
		fmt.Fprintln(w, s.paint(yellow, "warning: "+oneLine(text)))
	}
}

// writeAppWarnings writes what an operator should know of one app.
func writeAppWarnings(w io.Writer, s style, app string, warnings []string) {
	for _, text := range warnings {
		writeWarnings(w, s, []string{app + ": " + text})
	}
}

// planKinds is the order of the sums.
var planKinds = []string{"start", "listen", "nothing", "repair", "scale", "retry", "live", "rolling", "replace", "retire", "rest", "stop"}

var kindLooks = map[string]struct {
	sign  string
	paint paint
}{
	"start":   {"+", green},
	"stop":    {"-", red},
	"nothing": {"~", faint},
	"repair":  {"~", cyan},
	"scale":   {"~", cyan},
	"retry":   {"~", cyan},
	"retire":  {"-", yellow},
	"listen":  {"+", green},
	"rest":    {"~", faint},
	"live":    {"~", cyan},
	"rolling": {"~", yellow},
	"replace": {"!", red},
}

func writeAppPlan(w io.Writer, s style, app plan.AppPlan, kind string) {
	look := kindLooks[kind]
	head := fmt.Sprintf("%s %s: %s", look.sign, app.App, kind)
	why := oneLine(app.Why)
	if why != "" {
		why = ", " + why
	}
	fmt.Fprintf(w, "%s%s\n", s.paint(look.paint, head), why)
	writeChanges(w, s, app.Changes)
	for _, a := range app.Actions {
		// What the headline has said already is not said again.
		if len(a.Detail) == 0 && (oneLine(a.Reason) == oneLine(app.Why) || a.Reason == "") {
			continue
		}
		fmt.Fprintf(w, "    %s", a.Kind)
		if a.Reason != "" {
			fmt.Fprintf(w, ": %s", oneLine(a.Reason))
		}
		fmt.Fprintln(w)
		for _, d := range a.Detail {
			fmt.Fprintf(w, "      %s\n", oneLine(d))
		}
	}
	if app.Error != "" {
		writePlanError(w, s, "    error: ", app.Error)
	}
}

// writePlanError writes what will keep an app's plan from being carried out.
func writePlanError(w io.Writer, s style, head, text string) {
	fmt.Fprintln(w, s.paint(red, head+oneLine(text)))
}

// writeChanges writes each attribute as old → new, names and values in columns.
func writeChanges(w io.Writer, s style, list []appspec.Change) {
	name, value := 0, 0
	texts := make([]string, len(list))
	for i, change := range list {
		texts[i] = oldToNew(change)
		name = max(name, columns(change.Path))
		// A long value does not push all others' notes to the right.
		if n := columns(texts[i]); n <= 48 {
			value = max(value, n)
		}
	}
	for i, change := range list {
		sign, p := "~", yellow
		switch {
		case change.Old == "":
			sign, p = "+", green
		case change.New == "":
			sign, p = "-", red
		}
		line := fmt.Sprintf("%s %s%s  %s", s.paint(p, sign), change.Path, spaces(name-columns(change.Path)), texts[i])
		fmt.Fprintf(w, "    %s%s  %s\n", line, spaces(value-columns(texts[i])), s.paint(faint, plan.Cost(change)))
	}
}

func oldToNew(change appspec.Change) string {
	before, after := oneLine(change.Old), oneLine(change.New)
	switch {
	case change.Old == "":
		return after
	case change.New == "":
		return before
	}
	return before + " → " + after
}

func spaces(n int) string { return strings.Repeat(" ", max(0, n)) }
