package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) triggerCommand() *cobra.Command {
	var o fleet.TriggerOrder
	var output string
	cmd := &cobra.Command{
		Use:   "trigger APP [ENVIRONMENT] SCHEDULE",
		Short: "Run a schedule of an app now, besides its times",
		Long: `Run a schedule of an app now, as it is run at its times: with the user, the
environment and the release of the workers, within its timeout, and, unless overlap
is true, not beside another run of it. Its next time comes as ever. It is run once,
whatever happens to daemon and master meanwhile. What it prints is in the log, how it
ended in status.

` + twoWords + `

With -o json the answer is one object: app, schedule, ok, state (started, done or
failed), reason, and run with due, began, ended, failed, result and order.

Exit code: 0 it runs, or with --wait has ended well; 1 it could not be run, or failed.`,
		Args: outputArgs(&output, func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0, 1:
				return errors.New("cannot trigger: name an app and a schedule of it")
			case 2, 3:
				return nil
			}
			return fmt.Errorf("cannot trigger %s: one schedule at a time", strings.Join(args, " "))
		}, "text", "json"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return c.completeSchedules(args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.trigger(cmd.Context(), o, args, output) },
	}
	outputFlag(cmd, &output, "text", "json")
	cmd.Flags().BoolVar(&o.Wait, "wait", false, "wait until the run has ended, and tell how")
	return cmd
}

// completeSchedules are the apps that have schedules, and behind an app its schedules.
func (c *cli) completeSchedules(words []string) (names []string) {
	set, err := c.load(c.specDir())
	if err != nil {
		return nil
	}
	if len(words) > 0 {
		name, used := setNames(set).first(words)
		if used == len(words) && set.Specs[name] != nil {
			for _, b := range set.Specs[name].Schedules {
				names = append(names, b.Name)
			}
			return names
		}
	}
	return slices.DeleteFunc(c.complete(words, 1), func(app string) bool {
		return set.Specs[app] != nil && len(set.Specs[app].Schedules) == 0
	})
}

func (c *cli) trigger(ctx context.Context, o fleet.TriggerOrder, words []string, output string) error {
	op, err := c.operator(ctx)
	if err != nil {
		return err
	}
	defer op.Close()
	status, err := op.Status(ctx)
	if err != nil {
		return err
	}
	last := len(words) - 1
	o.Schedule = words[last]
	name, used := statusNames(status).first(words[:last])
	switch {
	case used == 0:
		return c.noApp("trigger a schedule of", words[:last], 0, status)
	case used < last:
		return usageError("cannot trigger %s: one app at a time, and one schedule of it", strings.Join(words, " "))
	}
	o.App = name
	p := c.progress()
	results, err := op.Trigger(ctx, o, p.event)
	p.done()
	if err == nil && len(results) != 1 {
		err = fmt.Errorf("cannot trigger %s of %s: no result was received", o.Schedule, o.App)
	}
	if err != nil {
		return c.ended(ctx, "trigger", nil, err)
	}
	return c.writeTriggered(results[0], output)
}

// writeTriggered tells what became of an order.
func (c *cli) writeTriggered(r fleet.Result, output string) error {
	if output == "json" {
		if err := writeJSON(c.out, r); err != nil {
			return err
		}
		if !r.OK {
			return silent(exitFailed)
		}
		return nil
	}
	if !r.OK {
		why := oneLine(cmp.Or(r.Reason, "it is "+r.State))
		if r.Run == nil {
			return fmt.Errorf("cannot trigger %s of %s: %s", r.Schedule, r.App, why)
		}
		return fmt.Errorf("cannot run %s of %s: %s; what it printed: wsgid-fleet logs %s", r.Schedule, r.App, why, r.App)
	}
	took := ""
	if !r.Run.Ended.IsZero() {
		took = " in " + r.Run.Took().Round(time.Millisecond).String()
	}
	fmt.Fprintf(c.out, "%s  %s  %s%s\n", r.App, r.Schedule, c.style().paint(statePaint(r.State), r.State), took)
	return nil
}
