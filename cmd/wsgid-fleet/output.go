package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// outputFlag adds -o with its known values.
func outputFlag(cmd *cobra.Command, value *string, known ...string) {
	cmd.Flags().StringVarP(value, "output", "o", known[0], "form of the output: "+strings.Join(known, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp))
}

// outputArgs is a check of arguments that refuses an unknown -o too, and then
// asks next, if there is one.
func outputArgs(value *string, next cobra.PositionalArgs, known ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(known, *value) {
			return fmt.Errorf("cannot %s: no output form %q; known are %s%s", doing(cmd.Name()), *value, strings.Join(known, ", "), didYouMean(*value, known))
		}
		if next != nil {
			return next(cmd, args)
		}
		return nil
	}
}
