package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// checkApps refuses names that are no apps, with the nearest one that is. An app
// is what the spec directory has, broken or not, and what still runs although
// its spec is gone.
func (c *cli) checkApps(ctx context.Context, op fleet.Operator, verb string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	status, err := op.Status(ctx)
	if err != nil {
		return err
	}
	known := statusNames(status)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return c.noApp(verb, name, status)
		}
	}
	return nil
}

func (c *cli) noApp(verb, name string, status *fleet.Status) error {
	dir := c.specDir()
	if status.Daemon != nil && status.Daemon.Dir != "" {
		dir = status.Daemon.Dir
	}
	return fmt.Errorf("cannot %s %s: no app %q in %s%s", verb, name, name, dir, didYouMean(name, statusNames(status)))
}

func statusNames(status *fleet.Status) []string {
	var names []string
	for _, app := range status.Apps {
		names = append(names, app.Name)
	}
	for _, fault := range status.Faults {
		names = append(names, fault.Apps...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesOf are the apps that a set of specs speaks of.
func namesOf(set *hclspec.Set) []string {
	var names []string
	for name := range set.Specs {
		names = append(names, name)
	}
	for _, fault := range set.Faults {
		if fault.App != "" {
			names = append(names, fault.App)
		}
		names = append(names, fault.Apps...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// completeApps offers the names of the spec directory to the shell.
func (c *cli) completeApps(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	set, err := c.load(c.specDir())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := slices.DeleteFunc(namesOf(set), func(name string) bool { return slices.Contains(args, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}
