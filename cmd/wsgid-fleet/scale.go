package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) scaleCommand() *cobra.Command {
	var counts map[string]int
	return &cobra.Command{
		Use:   "scale APP=N...",
		Short: "Set the number of workers of apps, until their spec changes next",
		Long: `Set the number of workers of apps in place, until the next change of the app's
spec: from 1 to 4096, as workers.count. Old workers stay, surplus ones drain first.

Exit code: 0 done, 1 not.`,
		Args: func(_ *cobra.Command, args []string) error {
			var err error
			counts, err = parseCounts(args)
			return err
		},
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			op, err := c.operator(ctx)
			if err != nil {
				return err
			}
			defer op.Close()
			var names []string
			for name := range counts {
				names = append(names, name)
			}
			slices.Sort(names)
			if err := c.checkApps(ctx, op, "scale", names); err != nil {
				return err
			}
			p := c.progress()
			results, err := op.Scale(ctx, counts, p.event)
			p.done()
			return c.ended(ctx, "scale", results, err)
		},
	}
}

// parseCounts reads APP=N arguments.
func parseCounts(args []string) (map[string]int, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("cannot scale: name at least one app as APP=N")
	}
	counts := map[string]int{}
	for _, arg := range args {
		name, number, found := strings.Cut(arg, "=")
		n, err := strconv.Atoi(number)
		switch {
		case !found || name == "":
			return nil, fmt.Errorf("cannot scale %s: write it as APP=N, such as blog=4", arg)
		case err != nil || n < 0:
			return nil, fmt.Errorf("cannot scale %s: %q is no number of workers", name, number)
		}
		if _, twice := counts[name]; twice {
			return nil, fmt.Errorf("cannot scale %s: named twice", name)
		}
		counts[name] = n
	}
	return counts, nil
}
