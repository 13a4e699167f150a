package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) execCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec APP [ENVIRONMENT] [--] COMMAND [ARGUMENT]...",
		Short: "Run a command here as the workers of an app run",
		Long: `Run a command in this terminal as the workers of an app run: with their user, umask,
environment, virtualenv and release, in the folder with the code, and with the settings
of django.json, as in wsgid-fleet exec shop python manage.py createsuperuser. python is
the interpreter of the app, another program is looked for in its virtualenv first.
It is no worker: limits do not hold for it, nothing watches it, and what it prints is not
in the log. What is to run at times, or on, is a schedule or a process of the app.

The fleet's user alone may give it, root for a fleet of the machine: the environment has
the secrets of the app. With chroot = true there is no such command.

` + twoWords + `

Exit code: that of the command; 1 it could not be run, 128 and the number of the signal
that ended it.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("cannot exec: name an app, and a command to be run for it")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return c.complete(args, 1), cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.exec(cmd.Context(), args) },
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// exec runs a command for an app.
func (c *cli) exec(ctx context.Context, words []string) error {
	op, err := c.operator(ctx)
	if err != nil {
		return err
	}
	defer op.Close()
	status, err := op.Status(ctx)
	if err != nil {
		return err
	}
	app, used := statusNames(status).first(words)
	command := words[used:]
	switch {
	case used == 0 || app == appspec.GateName:
		return c.noApp("exec in", words, 0, status)
	case len(command) > 0 && command[0] == "--":
		command = command[1:]
	}
	if len(command) == 0 {
		return usageError("cannot exec in %s: name a command to be run for it", app)
	}
	o := c.options()
	if status.Daemon != nil {
		o.Dir = status.Daemon.Dir
	}
	cmd, err := fleet.Exec(ctx, op, o, app, command)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("cannot exec in %s: %w; it is for the user of the fleet: %s", app, err, asUser("root", programName+" exec", c.args))
	}
	if err != nil {
		return fmt.Errorf("cannot exec in %s: %w", app, err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := waitForExec(cmd); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return silent(exitOf(exit))
		}
		return fmt.Errorf("cannot exec in %s: %s: %w", app, strings.Join(command, " "), err)
	}
	return nil
}

// waitForExec runs the process to its end. What the terminal tells us is told to it, as it
// is in a session of its own.
func waitForExec(cmd *exec.Cmd) error {
	told := make(chan os.Signal, 8)
	signal.Notify(told, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(told)
	if err := cmd.Start(); err != nil {
		return err
	}
	// What is left of it would keep the terminal.
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-told:
				_ = syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal))
			case <-ended:
				return
			}
		}
	}()
	return cmd.Wait()
}

// exitOf is the exit code of a process as a shell tells it.
func exitOf(exit *exec.ExitError) int {
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return exit.ExitCode()
}
