package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

func (c *cli) deployCommand() *cobra.Command {
	var o fleet.DeployOrder
	var output string
	var f sourceFlags
	cmd := &cobra.Command{
		Use:   "deploy APP [ENVIRONMENT]",
		Short: "Bring an app's code here from its repository, and roll it out",
		Long: `Fetch the code that the app's deploy block names, make its virtualenv and its
database, run its stages, and replace the workers: new ones with the new code
are ready before old ones leave. A failure before that changes nothing that
serves. Where a daemon runs it does the work; where none does, this command.

Ctrl-C asks it to stop at the next point where nothing is touched yet. Where the
daemon ends in the middle, the next one ends what was begun, and this command
waits for that and tells how.

Of a fleet of many machines all hosts that are to run the app deploy the same commit:
each makes its release, stages before the rollout run once for all of them (unless
their each_host says otherwise), then one host after another begins to serve it. The
first that fails ends it. With --source it is ordered from a machine that is no host.

Exit code: 0 deployed, 1 not.`,
		Args:              outputArgs(&output, func(_ *cobra.Command, args []string) error { return oneApp("deploy", args) }, "text", "json"),
		ValidArgsFunction: c.completeApps,
	}
	outputFlag(cmd, &output, "text", "json")
	cmd.Flags().StringVar(&o.Ref, "commit", "", "deploy this `tag or commit` (the first digits of its id are enough) instead of what the spec says")
	cmd.Flags().BoolVar(&o.Wait, "wait", false, "wait until another deploy of the app, or an upgrade of the daemon, has ended")
	f.add(cmd, "deploy on the hosts of this fleet of many machines")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.source != "" {
			return c.deployByEtcd(cmd.Context(), f, o, args, output)
		}
		return c.deploy(cmd.Context(), o, args, output)
	}
	return cmd
}

func (c *cli) rollbackCommand() *cobra.Command {
	o := fleet.DeployOrder{Back: true}
	var output string
	var f sourceFlags
	cmd := &cobra.Command{
		Use:   "rollback APP [ENVIRONMENT] [ID]",
		Short: "Go back to an earlier release of an app",
		Long: `Go back to the release before the one that serves, or to that of the deploy ID:
new workers with its code are ready before those of today leave. No stage of the
deploy block runs: what later releases did to the database stays.

Exit code: 0 done, 1 not.`,
		Args: outputArgs(&output, func(_ *cobra.Command, args []string) error {
			if n := len(args); n > 0 && isDeployID(args[n-1]) {
				args = args[:n-1]
			}
			return oneApp("roll back", args)
		}, "text", "json"),
		ValidArgsFunction: c.completeApps,
	}
	outputFlag(cmd, &output, "text", "json")
	cmd.Flags().BoolVar(&o.Wait, "wait", false, "wait until another deploy of the app, or an upgrade of the daemon, has ended")
	f.add(cmd, "roll back on the hosts of this fleet of many machines")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if n := len(args); isDeployID(args[n-1]) {
			args, o.To = args[:n-1], args[n-1]
		}
		if f.source != "" {
			return c.deployByEtcd(cmd.Context(), f, o, args, output)
		}
		return c.deploy(cmd.Context(), o, args, output)
	}
	return cmd
}

// oneApp checks that arguments name one app, or an app and an environment of it.
func oneApp(verb string, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("cannot %s: name the app", verb)
	case 1, 2:
		return nil
	}
	return fmt.Errorf("cannot %s %s: one app at a time, or an app and its environment", verb, strings.Join(args, " "))
}

// isDeployID tells an id of the logbook from a name: "20261128-051203".
func isDeployID(s string) bool {
	day, rest, ok := strings.Cut(s, "-")
	return ok && len(day) == 8 && len(rest) >= 6 && strings.Trim(day+rest, "0123456789.") == ""
}

// deploy carries out an order and tells its stages as they go.
func (c *cli) deploy(ctx context.Context, o fleet.DeployOrder, words []string, output string) error {
	op, err := c.operator(ctx)
	if err != nil {
		return err
	}
	defer op.Close()
	verb := o.Verb()
	names, err := c.apps(ctx, op, verb, words)
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return usageError("cannot %s %s: one app at a time, or an app and its environment", verb, strings.Join(words, " "))
	}
	o.App = names[0]
	o.By = c.who()
	t := &stages{w: c.out, notes: c.err}
	if output == "json" {
		t.w = io.Discard
	}
	results, err := op.Deploy(ctx, o, t.event)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return fmt.Errorf("cannot wait for it: interrupted; %s: wsgid-fleet deploys %s", t.stopped(), o.App)
		}
		return err
	}
	if len(results) != 1 {
		return fmt.Errorf("cannot %s %s: no result was received", verb, o.App)
	}
	return c.writeDeployed(o, results[0], output)
}

// writeDeployed tells how a deploy has ended.
func (c *cli) writeDeployed(o fleet.DeployOrder, r fleet.Result, output string) error {
	verb := o.Verb()
	if output == "json" {
		if err := writeJSON(c.out, r); err != nil {
			return err
		}
		if !r.OK {
			return silent(exitFailed)
		}
		return nil
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(c.err, "warning: %s: %s\n", r.App, w)
	}
	if !r.OK {
		reason := cmp.Or(r.Reason, "it is "+r.State)
		return fmt.Errorf("cannot %s %s: %s\nwhat the stages printed: wsgid-fleet deploys show %s %s", verb, r.App, reason, r.App, r.Deploy.ID)
	}
	what := "deployed"
	if o.Back {
		what = "rolled back to " + r.Deploy.Release
	}
	on := ""
	if len(r.URLs) > 0 {
		on = " on " + strings.Join(r.URLs, ", ")
	}
	fmt.Fprintf(c.out, "%s is successfully %s%s\n", r.App, what, on)
	return nil
}

// who asks, for the logbook.
func (c *cli) who() string {
	if name := c.getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// whoWhere is who asks and on which host, for what other hosts read.
func (c *cli) whoWhere() string {
	who := cmp.Or(c.who(), "unknown")
	if host, err := os.Hostname(); err == nil {
		who += "@" + host
	}
	return who
}

// stages tells the stages of a deploy, a line as each begins and one as it ends.
type stages struct {
	w      io.Writer
	notes  io.Writer // what it waits for
	deploy string
	serves bool // it has begun to change what is being served
}

// stopped says what becomes of a deploy that nobody waits for any more.
func (s *stages) stopped() string {
	if s.serves {
		return "it goes on to its end, as it was changing what is being served"
	}
	return "it stops before it changes what is being served"
}

func (s *stages) event(e fleet.Event) {
	if e.Stage == nil {
		if e.State == fleet.EventWaits {
			fmt.Fprintf(s.notes, "wsgid-fleet: %s: %s\n", e.App, printable(e.Message))
		}
		return
	}
	if s.deploy != e.Deploy {
		s.deploy = e.Deploy
		fmt.Fprintf(s.w, "Deploy %s of %s\n", e.Deploy, e.App)
	}
	if e.Stage.Ended.IsZero() {
		s.serves = s.serves || e.Stage.Name == deploy.StageRollout
		fmt.Fprintf(s.w, "%s...\n", e.Message)
		return
	}
	fmt.Fprintf(s.w, "  %s\n", e.Message)
	if e.Stage.Result != deploy.ResultOK && e.Stage.Output != "" {
		writeOutput(s.w, words.LastLines(e.Stage.Output, 20))
	}
}

// writeOutput prints what a stage has printed, each line behind a bar.
func writeOutput(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			fmt.Fprintf(w, "  | %s\n", printable(line))
		}
	}
}
