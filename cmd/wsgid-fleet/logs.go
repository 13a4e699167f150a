package main

import "github.com/spf13/cobra"

func (c *cli) logsCommand() *cobra.Command { return &cobra.Command{Use: "logs"} }
