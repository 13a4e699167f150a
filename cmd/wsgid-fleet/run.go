package main

import (
	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) runCommand() *cobra.Command {
	var metrics string
	var hold bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground: converge, then watch the spec directory",
		Long: `Run the daemon in the foreground. It makes what runs equal to the specs, then
follows every edit of the spec directory.

Masters that run already are taken over without a restart, and they outlive a
daemon that is killed. TERM and INT drain and stop everything, HUP reconciles
now, USR2 executes the program file anew in place, with all apps untouched, once the
deploys under way have ended.

With --hold, or apply = "manual" in defaults, edits are not followed: they wait for
wsgid-fleet apply. plan shows what it would do, status what waits; a new app waits
too, and one whose spec is gone runs on. What was applied last is kept over restarts
and reboots.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if metrics != "" {
				if err := fleet.CheckMetricsAddress(metrics); err != nil {
					return usageError("cannot run: --metrics %w", err)
				}
			}
			o := c.options()
			o.Hold = hold
			return runDaemon(cmd.Context(), o, metrics)
		},
	}
	cmd.Flags().StringVar(&metrics, "metrics", "", "serve metrics for Prometheus at http://`host:port`/metrics too, not only on the\ncontrol socket")
	cmd.Flags().BoolVar(&hold, "hold", false, "edits of the spec directory wait for wsgid-fleet apply")
	return cmd
}
