package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

func (c *cli) planCommand() *cobra.Command {
	var output string
	var f sourceFlags
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

With --dir STAGED beside a daemon that runs another directory, the specs of STAGED
are compared with what runs: what apply would do once they have taken the place of
the daemon's. They are read with the rights and the environment of this command.

With --source it says which hosts of that fleet of many machines each app runs on, and
with --dir besides what a push of that directory would move. -o json is then
{"generation": N, "apps": [{"app": NAME, "now": [HOST…], "then": [HOST…],
"change": ""|"new"|"moves"|"removed"}]}.

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
			if f.source != "" {
				return c.planByEtcd(cmd.Context(), f, args, output)
			}
			return c.showPlan(cmd.Context(), args, output)
		},
	}
	outputFlag(cmd, &output, "text", "json")
	f.add(cmd, "plan this fleet of many machines")
	return cmd
}

// showPlan writes the plan of the fleet of this machine; the exit code says what is in it.
func (c *cli) showPlan(ctx context.Context, args []string, output string) error {
	o := c.options()
	o.Staged = true
	op, err := c.connect(ctx, o)
	if err != nil {
		return err
	}
	defer op.Close()
	plan, apps, err := c.plan(ctx, op, args)
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
}

// plan asks for the plan of the fleet's own directory, or of one that is to take its
// place: --dir names another one than the daemon's.
func (c *cli) plan(ctx context.Context, op fleet.Operator, args []string) (plan *plan.Plan, apps []string, err error) {
	client, ok := op.(*fleet.Client)
	if !ok || c.dir == "" || client.Runs(c.dir) {
		if apps, err = c.apps(ctx, op, "plan", args); err != nil {
			return nil, nil, err
		}
		plan, err = op.Plan(ctx, apps)
		return plan, apps, err
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return nil, nil, err
	}
	set, err := c.load(dir)
	if err != nil {
		return nil, nil, err
	}
	if len(args) > 0 {
		status, err := op.Status(ctx)
		if err != nil {
			return nil, nil, err
		}
		known := setNames(set)
		known.apps = append(known.apps, statusNames(status).apps...)
		bad := 0
		if apps, bad = known.sorted().resolve(args); bad >= 0 {
			return nil, nil, fmt.Errorf("cannot plan %s: no app %q in %s, and none runs; %s", args[bad], args[bad], dir, known.sorted().instead(args, bad))
		}
	}
	fmt.Fprintf(c.err, "plan of %s against the running fleet of %s\n", dir, client.Daemon().Dir)
	plan, err = client.PlanStaged(ctx, set, apps)
	return plan, apps, err
}

// hasChanges tells whether there is anything to do.
func hasChanges(plan *plan.Plan) bool {
	return slices.ContainsFunc(plan.Apps, changes)
}

// hasErrors tells whether an app is known to be kept from its spec.
func hasErrors(planned *plan.Plan) bool {
	return slices.ContainsFunc(planned.Apps, func(app plan.AppPlan) bool { return app.Error != "" })
}

func changes(app plan.AppPlan) bool { return len(app.Actions) > 0 || len(app.Changes) > 0 }

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
func planJSON(planned *plan.Plan) *plan.Plan {
	out := *planned
	out.Faults = nonNil(out.Faults)
	out.Apps = nonNil(append([]plan.AppPlan(nil), planned.Apps...))
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
