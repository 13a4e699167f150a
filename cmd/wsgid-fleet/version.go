package main

import (
	"fmt"

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

func (c *cli) printVersion() { fmt.Fprintf(c.out, "%s %s\n", programName, runner.Build()) }
