package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func (c *cli) statusCommand() *cobra.Command {
	var output string
	var watch, whole, stack bool
	var source sourceFlags
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "status [APP]",
		Short: "Show actual and desired state",
		Long: `Show actual and desired state: a line an app, or one app with each
of its workers and the request it is at. With --watch the picture is redrawn in place until Ctrl-C, with
requests a second since the picture before.

With --stack it shows of one app where each request is that is at work: the Python
calls of the thread that serves it, of one that hangs too. The thread is asked by a
signal, which cuts short what it waits for in the kernel; Python goes on waiting by
itself, and so do nearly all libraries.

With -o uwsgi it is the JSON of a uWSGI stats server, for uwsgitop and the
exporters of people who come from there; a socket for them:
socat TCP-LISTEN:1717,bind=127.0.0.1,fork,reuseaddr EXEC:"wsgid-fleet status -o uwsgi"

` + twoWords + `

States of an app: ready (serving as specified), updating (serving, a change is
being carried out), starting, idle (min = 0, a request will start a worker),
degraded (serving, but not as specified), backoff (not serving; the reason says
why and when it retries), stopped (by an operator), disabled (by its spec),
invalid (no valid spec has been loaded yet), waiting (a new app, where edits wait for
apply). Edits that wait are told below the apps; they are no fault.

Exit code: 0 every app is ready, updating, idle, disabled or waiting, 3 something is not as
specified (a stopped app and a broken spec file too), 1 the fleet cannot be
asked.`,
		Args: outputArgs(&output, func(_ *cobra.Command, args []string) error {
			switch {
			case whole && (len(args) > 0 || watch || output == "uwsgi"):
				return errors.New("cannot show status: --fleet is of all apps, once, as text or json")
			case stack && (len(args) == 0 || whole || watch || output == "uwsgi"):
				return errors.New("cannot show stacks: --stack is of one app, once, as text or json: wsgid-fleet status APP --stack")
			case len(args) > 2:
				return fmt.Errorf("cannot show status: one app at a time, not %d", len(args))
			case watch && (output == "json" || output == "uwsgi"):
				return fmt.Errorf("cannot watch status: --watch is for people, -o %s is not", output)
			case interval < 100*time.Millisecond:
				return fmt.Errorf("cannot watch status: --interval %s is shorter than 100ms", interval)
			}
			return nil
		}, "text", "wide", "json", "uwsgi"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return c.complete(args, 1), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if whole {
				client, err := source.client(c, "show status of the fleet")
				if err != nil {
					return err
				}
				defer client.Close()
				return c.fleetStatus(ctx, client, output)
			}
			op, err := c.operator(ctx)
			if err != nil {
				return err
			}
			defer op.Close()
			if watch {
				return c.watchStatus(ctx, op, args, output == "wide", interval)
			}
			return c.showStatus(ctx, op, args, output, stack)
		},
	}
	outputFlag(cmd, &output, "text", "wide", "json", "uwsgi")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "redraw in place until Ctrl-C")
	cmd.Flags().BoolVar(&whole, "fleet", false, "all apps over all hosts of a fleet of many machines: where each is placed and\nwho serves it; exit code 3 where one is not served by all that should")
	cmd.Flags().BoolVar(&stack, "stack", false, "the Python calls of each request of one app that is at work")
	source.add(cmd, "with --fleet: "+fleetSource)
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between two updates of --watch")
	return cmd
}

// showStatus prints the status once.
func (c *cli) showStatus(ctx context.Context, op fleet.Operator, apps []string, output string, stack bool) error {
	status, err := op.Status(ctx)
	if err != nil {
		return err
	}
	if status, err = c.only(status, apps); err != nil {
		return err
	}
	if stack && len(status.Apps) == 0 {
		return errors.New("cannot show stacks of " + appspec.GateName + ": the gate runs no Python")
	}
	if stack {
		app := &status.Apps[0]
		if app.Stacks, err = op.Stacks(ctx, app.Name); err != nil {
			return err
		}
	}
	switch output {
	case "json":
		err = writeJSON(c.out, statusJSON(status))
	case "uwsgi":
		err = writeJSON(c.out, uwsgiStats(status))
	default:
		v := statusView{style: c.style(), now: c.now(), wide: output == "wide", one: len(apps) > 0, stack: stack}
		v.write(c.out, status)
	}
	if err != nil {
		return err
	}
	return silent(statusCode(status))
}

// only is the status of the app that is named, or all of it where none is.
func (c *cli) only(status *fleet.Status, words []string) (*fleet.Status, error) {
	if len(words) == 0 {
		return status, nil
	}
	names, bad := statusNames(status).resolve(words)
	switch {
	case bad >= 0:
		return nil, c.noApp("show status of", words, bad, status)
	case len(names) > 1:
		return nil, usageError("cannot show status: one app at a time, not %d", len(names))
	}
	app := names[0]
	out := *status
	out.Apps, out.Gate, out.Faults = nil, nil, faultsOf(status.Faults, []string{app})
	if app == appspec.GateName {
		out.Gate = status.Gate
		return &out, nil
	}
	for _, a := range status.Apps {
		if a.Name == app {
			out.Apps = []fleet.AppStatus{a}
			return &out, nil
		}
	}
	return nil, c.noApp("show status of", names, 0, status)
}

// asSpecified tells whether the state is what the spec asks for.
func asSpecified(state string) bool {
	switch state {
	case string(runner.StateReady), string(runner.StateUpdating), string(runner.StateIdle), fleet.StateDisabled, fleet.StateWaiting:
		return true
	}
	return false
}

func statusCode(status *fleet.Status) int {
	if len(status.Faults) > 0 {
		return exitDiffers
	}
	for _, app := range status.Apps {
		if !asSpecified(app.State) {
			return exitDiffers
		}
	}
	if status.Gate != nil && !asSpecified(status.Gate.State) {
		return exitDiffers
	}
	return exitOK
}

// statusJSON is the status with [] where a list is empty.
func statusJSON(status *fleet.Status) *fleet.Status {
	out := *status
	out.Apps = nonNil(append([]fleet.AppStatus(nil), status.Apps...))
	for i := range out.Apps {
		out.Apps[i].Sockets = nonNil(out.Apps[i].Sockets)
		out.Apps[i].Workers = nonNil(out.Apps[i].Workers)
	}
	return &out
}

// watchStatus redraws until ctx ends. A fleet that cannot be asked for a while
// (a daemon that restarts) is shown as such and asked again.
func (c *cli) watchStatus(ctx context.Context, op fleet.Operator, args []string, wide bool, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var before sample
	code := exitOK
	for drawn := 0; ; drawn++ {
		var b strings.Builder
		style := c.style()
		status, err := op.Status(ctx)
		if ctx.Err() != nil {
			return silent(code)
		}
		if err == nil {
			status, err = c.only(status, args)
		}
		if err != nil {
			if drawn == 0 {
				return err
			}
			fmt.Fprintf(&b, "%s\n", style.paint(red, oneLine(err.Error())))
		} else {
			code = statusCode(status)
			now := c.now()
			v := statusView{style: style, now: now, wide: wide, one: len(args) > 0, watch: true, before: before}
			v.write(&b, status)
			before = takeSample(now, status)
		}
		c.redraw(b.String(), style, drawn)
		select {
		case <-ctx.Done():
			return silent(code)
		case <-tick.C:
		}
	}
}

// redraw puts a picture in the place of the one before: from the top of the
// screen, each line cleared behind its end, so that nothing flickers. Elsewhere
// than on a terminal pictures follow each other after an empty line.
func (c *cli) redraw(picture string, s style, drawn int) {
	if s.width == 0 {
		if drawn > 0 {
			picture = "\n" + picture
		}
		_, _ = io.WriteString(c.out, picture)
		return
	}
	head := "\x1b[H"
	if drawn == 0 {
		head = "\x1b[2J\x1b[H"
	}
	lines := strings.Split(trimEnd(picture), "\n")
	if height := c.outHeight(); height > 1 && len(lines) > height-1 {
		more := len(lines) - (height - 2)
		lines = append(lines[:height-2:height-2], fmt.Sprintf("… %d more lines", more))
	}
	_, _ = io.WriteString(c.out, head+strings.Join(lines, "\x1b[K\n")+"\x1b[K\n\x1b[J")
}
