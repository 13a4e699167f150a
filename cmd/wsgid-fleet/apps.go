package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// apps makes names of apps of the words of a command line, and refuses what is
// none, with the nearest one that is.
func (c *cli) apps(ctx context.Context, op fleet.Operator, verb string, words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	status, err := op.Status(ctx)
	if err != nil {
		return nil, err
	}
	names, bad := statusNames(status).resolve(words)
	if bad >= 0 {
		return nil, c.noApp(verb, words, bad, status)
	}
	return names, nil
}

// noApp says that the word at i is no app.
func (c *cli) noApp(verb string, words []string, i int, status *fleet.Status) error {
	dir := c.specDir()
	if status.Daemon != nil && status.Daemon.Dir != "" {
		dir = status.Daemon.Dir
	}
	text := fmt.Sprintf("cannot %s %s: no app %q in %s", verb, words[i], words[i], dir)
	if instead := statusNames(status).instead(words, i); instead != "" {
		text += "; " + instead
	}
	return fmt.Errorf("%s", text)
}

// completeApps offers the names of the spec directory to the shell.
func (c *cli) completeApps(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return c.complete(args, 0), cobra.ShellCompDirectiveNoFileComp
}

// complete are the names that may follow the words of a command that takes as many
// apps, 0 for any number: behind an app with environments these, as words of their
// own, and elsewhere the apps and what else may begin two words.
func (c *cli) complete(words []string, most int) []string {
	set, err := c.load(c.specDir())
	if err != nil {
		return nil
	}
	known := setNames(set)
	named, bad := known.resolve(words)
	left := func(name string) bool { return !slices.Contains(named, name) }
	if bad >= 0 && bad == len(words)-1 && known.environments[words[bad]] != nil {
		return slices.DeleteFunc(known.environments[words[bad]], func(env string) bool {
			return !left(appspec.EnvironmentName(words[bad], env))
		})
	}
	if most > 0 && len(words) >= most {
		return nil
	}
	names := slices.DeleteFunc(known.apps, func(name string) bool { return !left(name) })
	for app, envs := range known.environments {
		if slices.ContainsFunc(envs, func(env string) bool { return left(appspec.EnvironmentName(app, env)) }) {
			names = append(names, app)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
