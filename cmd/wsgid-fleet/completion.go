package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a completion script for the shell",
		Long: `Print a completion script for the shell. It completes commands, flags and the
names of apps.

  bash   wsgid-fleet completion bash > /etc/bash_completion.d/wsgid-fleet
  zsh    wsgid-fleet completion zsh > "${fpath[1]}/_wsgid-fleet"
  fish   wsgid-fleet completion fish > ~/.config/fish/completions/wsgid-fleet.fish`,
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("cannot print completion: name one shell of %s", strings.Join(shells, ", "))
			}
			if slices.Contains(shells, args[0]) {
				return nil
			}
			return fmt.Errorf("cannot print completion for %q: known are %s%s", args[0], strings.Join(shells, ", "), didYouMean(args[0], shells))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(c.out, true)
			case "zsh":
				return root.GenZshCompletion(c.out)
			default:
				return root.GenFishCompletion(c.out, true)
			}
		},
	}
}
