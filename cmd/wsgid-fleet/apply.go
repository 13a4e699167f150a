package main

import "github.com/spf13/cobra"

func (c *cli) applyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "apply [APP...]",
		Short: "Bring the apps to the state of the specs, and wait for it",
		Long: `Print the plan, carry it out, and wait until each app is ready or has failed.
Where a daemon runs it is asked to do it; where none does, this command does it
itself. Naming an app ends an earlier stop of it.

` + twoWords + `

Exit code: 0 all ready, 1 not: each app that failed is named on standard error
with the last lines of its Python traceback. A broken spec file among those
applied is a failure too, though all other apps are carried out.`,
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			op, err := c.operator(ctx)
			if err != nil {
				return err
			}
			defer op.Close()
			apps, err := c.apps(ctx, op, "apply", args)
			if err != nil {
				return err
			}
			plan, err := op.Plan(ctx, apps)
			if err != nil {
				return err
			}
			c.printFaults(plan.Faults)
			writePlan(c.out, c.style(), plan)
			p := c.progress()
			results, err := op.Apply(ctx, apps, p.event)
			p.done()
			err = c.ended(ctx, "apply", results, err)
			if err == nil && len(faultsOf(plan.Faults, apps)) > 0 {
				return silent(exitFailed)
			}
			return err
		},
	}
}
