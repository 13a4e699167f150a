package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) consoleCommand() *cobra.Command {
	var viewer bool
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Print a URL that opens the console in a browser, once",
		Long: `Print a URL that opens the daemon's console in a browser: the fleet, each app with
charts, the plan, logs, deploys, hosts and certificates. The daemon serves it where
it was started with --console; else this says so.

The URL logs in once, within five minutes; the session lasts twelve hours. With
--viewer it is one that changes nothing. A console on a loopback address of another
machine is reached by ssh -L with the same port on both sides, one on a unix socket
by ssh -L 9191:PATH HOST and http://localhost:9191/, with no URL to log in: there
the rights of the socket's file decide who is let in.

Exit code: 0 done, 1 not.`,
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			op, err := c.operator(cmd.Context())
			if err != nil {
				return err
			}
			defer op.Close()
			client, ok := op.(*fleet.Client)
			if !ok {
				return errors.New("cannot open the console: no daemon runs; start it by: wsgid-fleet run --console 127.0.0.1:9191")
			}
			l, err := client.ConsoleLogin(cmd.Context(), viewer, c.who())
			switch {
			case err != nil:
				return err
			case l.Problem != "":
				return fmt.Errorf("cannot open the console: it is not available now: %s", l.Problem)
			case l.Socket != "":
				fmt.Fprintf(c.out, "the console is served on %s\n", l.Socket)
				fmt.Fprintf(c.err, "from another machine: ssh -L 9191:%s HOST, then http://localhost:9191/\n", l.Socket)
			default:
				fmt.Fprintln(c.out, l.URL)
				fmt.Fprintf(c.err, "it logs in once, until %s\n", l.Expires.Local().Format("15:04:05"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&viewer, "viewer", false, "for a viewer, who cannot change anything")
	return cmd
}
