package main

import (
	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/metrics"
)

func (c *cli) runCommand() *cobra.Command {
	var so served
	var hold bool
	var host hostFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground: converge, then watch the spec directory",
		Long: `Run the daemon in the foreground. It makes what runs equal to the specs, then
follows every edit of the spec directory.

Masters that run already are taken over without a restart, and they outlive a
daemon that is killed. TERM and INT drain and stop everything, HUP reconciles
now, USR2 executes the program file anew in place, with all apps untouched, once the
deploys under way have ended.

With --console the daemon serves a page to look at, for browsers: on a loopback
address, or on a unix socket that the fleet's owner and the group wsgid-admin may
use. wsgid-fleet console opens it. Other addresses are refused, as it has no TLS.
With --console-viewer it is served on one more unix socket, which the group of the
folder that it lies in may use: whoever comes by it looks, and changes nothing.

With --hold, or apply = "manual" in defaults, edits are not followed: they wait for
wsgid-fleet apply. plan shows what it would do, status what waits; a new app waits
too, and one whose spec is gone runs on. What was applied last is kept over restarts
and reboots.

With --source etcd://… the host is one of a fleet of many machines: it follows the
specs that push has written to etcd, and runs those of the apps that are placed here.
While etcd is away, or holds nothing, everything goes on as it is.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if so.metrics != "" {
				if err := metrics.CheckAddress(so.metrics); err != nil {
					return usageError("cannot run: --metrics %w", err)
				}
			}
			if err := so.check(); err != nil {
				return usageError("cannot run: %w", err)
			}
			o := c.options()
			o.Hold = hold
			return runDaemon(cmd.Context(), o, so, func(o *fleet.Options) error {
				if host.source == "" {
					return nil
				}
				return host.member(cmd.Context(), c, o)
			})
		},
	}
	cmd.Flags().StringVar(&so.metrics, "metrics", "", "serve metrics for Prometheus at http://`host:port`/metrics too, not only on the\ncontrol socket")
	cmd.Flags().StringVar(&so.console, "console", "", "serve the console at unix:PATH or 127.0.0.1:PORT (`address`)")
	cmd.Flags().StringSliceVar(&so.consoleHosts, "console-host", nil, "a host `name` under which a proxy asks for the console; may be repeated")
	cmd.Flags().StringVar(&so.consoleProxy, "console-proxy", "", "a `file` with the secret of a proxy before --console unix:PATH, which says who asks\nas X-Forwarded-User, and with lines operator NAME… and viewer NAME…")
	cmd.Flags().StringVar(&so.consoleViewer, "console-viewer", "", "serve the console at unix:PATH too, for the group of PATH's folder, who can change\nnothing by it (`address`)")
	cmd.Flags().BoolVar(&hold, "hold", false, "edits of the spec directory wait for wsgid-fleet apply")
	host.add(cmd)
	return cmd
}
