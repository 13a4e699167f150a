package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) planCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "plan [APP...]",
		Short: "Show what apply would do, app by app, attribute by attribute",
		Long: `Show what apply would do, and change nothing. Each app has a line with the kind
of disruption and why:

  start    a master is started
  live     the running master takes the change over, no process is touched
  rolling  new workers are ready before old ones leave
  replace  a new master is ready before the old one drains
  listen   its sockets are opened; the first connection starts its master
           (workers.min = 0 and a running daemon)
  stop     it is drained and stopped
  repair, scale, retry, retire, rest
           no spec changes: the folder is put right, the number of workers is
           set, the next try comes at once, a second master is drained, one
           that nobody asks is let go

and below it each changed attribute as old → new, and what a repair of the app
folder touches. Secrets are shown as (sensitive).

` + twoWords + `

With -o json the answer is one object:

  {"apps": [{"app": NAME, "file": PATH,
             "disruption": "nothing"|"live"|"rolling"|"replace", "why": TEXT,
             "changes": [{"path": ATTRIBUTE, "old": HCL, "new": HCL,
                          "disruption": …}],
             "actions": [{"kind": "repair"|"start"|"update"|"roll"|"replace"|
                                  "stop"|"scale"|"retry"|"retire"|"listen"|
                                  "rest",
                          "reason": TEXT, "detail": [TEXT…]}],
             "error": TEXT}],
   "faults": [{"file": PATH, "app": NAME, "summary": TEXT, "text": TEXT,
               "apps": [NAME…]}]}

old or new is "" where the attribute is not set. Apps with nothing to do have
neither changes nor actions. error, where it stands, is what will keep the app
from its spec. faults are broken files; their apps keep running on their last
good spec.

Exit code: 0 nothing to do, 2 changes, 1 error or a broken file.`,
		ValidArgsFunction: c.completeApps,
		Args:              outputArgs(&output, nil, "text", "json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			keepGarbage()
			op, err := c.operator(cmd.Context())
			if err != nil {
				return err
			}
			defer op.Close()
			apps, err := c.apps(cmd.Context(), op, "plan", args)
			if err != nil {
				return err
			}
			plan, err := op.Plan(cmd.Context(), apps)
			if err != nil {
				return err
			}
			if output == "json" {
				if err := writeJSON(c.out, planJSON(plan)); err != nil {
					return err
				}
			} else {
				c.printFaults(plan.Faults)
				writePlan(c.out, c.style(), plan)
			}
			switch {
			case len(faultsOf(plan.Faults, apps)) > 0, hasErrors(plan):
				return silent(exitFailed)
			case hasChanges(plan):
				return silent(exitChanges)
			}
			return nil
		},
	}
	outputFlag(cmd, &output, "text", "json")
	return cmd
}

// hasChanges tells whether there is anything to do.
func hasChanges(plan *fleet.Plan) bool {
	return slices.ContainsFunc(plan.Apps, changes)
}

// hasErrors tells whether an app is known to be kept from its spec.
func hasErrors(plan *fleet.Plan) bool {
	return slices.ContainsFunc(plan.Apps, func(app fleet.AppPlan) bool { return app.Error != "" })
}

func changes(app fleet.AppPlan) bool { return len(app.Actions) > 0 || len(app.Changes) > 0 }

// faultsOf are the faults that matter to the named apps: all of them where none
// is named, and always those of the directory and of defaults.hcl, which hold
// for every app.
func faultsOf(faults []hclspec.Fault, apps []string) []hclspec.Fault {
	if len(apps) == 0 {
		return faults
	}
	wanted := map[string]bool{}
	for _, app := range apps {
		wanted[app] = true
	}
	var out []hclspec.Fault
	for _, f := range faults {
		hit := wanted[f.App] || filepath.Base(f.File) == "defaults.hcl" || !strings.Contains(f.File, ".hcl")
		for _, app := range f.Apps {
			hit = hit || wanted[app]
		}
		if hit {
			out = append(out, f)
		}
	}
	return out
}

// planJSON is the plan with [] where a list is empty.
func planJSON(plan *fleet.Plan) *fleet.Plan {
	out := *plan
	out.Faults = nonNil(out.Faults)
	out.Apps = nonNil(append([]fleet.AppPlan(nil), plan.Apps...))
	for i := range out.Apps {
		out.Apps[i].Changes = nonNil(out.Apps[i].Changes)
		out.Apps[i].Actions = nonNil(out.Apps[i].Actions)
	}
	return &out
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
