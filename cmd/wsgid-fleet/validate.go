package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/runner/bridge"
)

func (c *cli) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check specs and print what is wrong, with source lines",
		Long: `Check the specs of the spec directory, or the named files alone (with the
defaults of their own directory), and print each fault with its source line. The
certificates that they name are looked at too.

Exit code: 0 all good (warnings allowed), 1 not.`,
		RunE: func(_ *cobra.Command, args []string) error {
			keepGarbage()
			var set *hclspec.Set
			if len(args) > 0 {
				set = loadFiles(args)
			} else {
				var err error
				if set, err = c.load(c.specDir()); err != nil {
					return err
				}
			}
			set.CheckCertificates(func(cert, key string) (what, instead string, warns bool) {
				_, trouble := bridge.CheckCertificate(cert, key, c.now())
				if trouble == nil {
					return "", "", false
				}
				return trouble.What, trouble.Next, trouble.Soon || trouble.Unread
			})
			set.CheckAuthority(certs.CheckRoots)
			if err := set.WriteDiagnostics(c.err, c.errStyle().colour); err != nil {
				return err
			}
			if len(set.Faults) > 0 {
				return silent(exitFailed)
			}
			where := c.specDir()
			if len(args) > 0 {
				where = count(len(args), "file")
			}
			fmt.Fprintf(c.out, "%s: %s, no fault\n", where, count(appsOf(set), "app"))
			return nil
		},
	}
}

// printFaults writes each broken file as its diagnostics.
func (c *cli) printFaults(faults []hclspec.Fault) {
	for _, f := range faults {
		fmt.Fprintln(c.err, trimEnd(f.Text))
		fmt.Fprintln(c.err)
	}
}

// appsOf counts the good apps of a set, in which the gate stands too.
func appsOf(set *hclspec.Set) int {
	n := len(set.Specs)
	if set.Specs[appspec.GateName] != nil {
		n--
	}
	return n
}
