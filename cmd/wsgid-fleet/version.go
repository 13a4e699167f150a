package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			c.printVersion()
			return nil
		},
	}
}

func (c *cli) printVersion() { fmt.Fprintf(c.out, "%s %s\n", programName, version()) }

// version is the program's version with the commit it was built from, where the
// build knows one.
func version() string {
	v := runner.Version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = " (" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if revision == "" {
		return v
	}
	return v + revision + modified + ")"
}
