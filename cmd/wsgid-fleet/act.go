package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// act is one of the commands that take apps and do one thing to each.
type act struct {
	verb  string
	short string
	long  string
	do    func(fleet.Operator) func(context.Context, []string, func(fleet.Event)) ([]fleet.Result, error)
}

func (c *cli) startCommand() *cobra.Command {
	return c.actCommand(act{
		verb:  "start",
		short: "Start apps, ending an earlier stop; retry immediately what waits for its back-off",
		long: `Start apps. It ends an earlier stop, and an app that waits for the next try of
its back-off is retried immediately. Returns when each app is ready or has failed.`,
		do: func(op fleet.Operator) func(context.Context, []string, func(fleet.Event)) ([]fleet.Result, error) {
			return op.Start
		},
	})
}

func (c *cli) stopCommand() *cobra.Command {
	return c.actCommand(act{
		verb:  "stop",
		short: "Drain and stop apps, until start or apply names them",
		long: `Drain and stop apps: what was accepted is served, then the processes end. An
app stays stopped, over a restart of the daemon and edits of its spec too,
until "start APP" or "apply APP".`,
		do: func(op fleet.Operator) func(context.Context, []string, func(fleet.Event)) ([]fleet.Result, error) {
			return op.Stop
		},
	})
}

func (c *cli) restartCommand() *cobra.Command {
	return c.actCommand(act{
		verb:  "restart",
		short: "Stop and start apps, master and workers",
		long: `Stop and start apps, master and workers. To replace the workers alone, without
a gap, use reload.`,
		do: func(op fleet.Operator) func(context.Context, []string, func(fleet.Event)) ([]fleet.Result, error) {
			return op.Restart
		},
	})
}

func (c *cli) reloadCommand() *cobra.Command {
	return c.actCommand(act{
		verb:  "reload",
		short: "Replace the workers of apps, new ones ready before old ones leave",
		long: `Replace the workers of apps, to take over new code for instance: new workers
are ready before old ones leave. Where the new ones do not become ready the old
ones keep serving, and the command fails with the reason.`,
		do: func(op fleet.Operator) func(context.Context, []string, func(fleet.Event)) ([]fleet.Result, error) {
			return op.Reload
		},
	})
}

// twoWords is what the help of a command that takes apps says of environments.
const twoWords = `An environment is one word or two, blog-dev or blog dev: an app with environments
does not run itself, so its name is taken together with the word behind it. A
word that is an app is always that app alone.`

func (c *cli) actCommand(a act) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   a.verb + " APP...",
		Short: a.short,
		Long:  a.long + "\n\n" + twoWords + "\n\nExit code: 0 done, 1 not.",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return fmt.Errorf("cannot %s %s: apps and --all at once", a.verb, args[0])
			case !all && len(args) == 0:
				return fmt.Errorf("cannot %s: name at least one app, or give --all", a.verb)
			}
			return nil
		},
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			op, err := c.operator(ctx)
			if err != nil {
				return err
			}
			defer op.Close()
			apps, err := c.apps(ctx, op, a.verb, args)
			if err != nil {
				return err
			}
			p := c.progress()
			results, err := a.do(op)(ctx, apps, p.event)
			p.done()
			return c.ended(ctx, a.verb, results, err)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all apps")
	return cmd
}

// ended turns what an operator's method returned into the end of a command.
func (c *cli) ended(ctx context.Context, verb string, results []fleet.Result, err error) error {
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return fmt.Errorf("cannot wait for %s: interrupted; the operation continues", verb)
		}
		return err
	}
	return silent(c.printResults(verb, results))
}
