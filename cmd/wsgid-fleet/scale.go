package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

func (c *cli) scaleCommand() *cobra.Command {
	var orders []scaleOrder
	return &cobra.Command{
		Use:   "scale APP=N...",
		Short: "Set the number of workers of apps, until the next change of their spec",
		Long: `Set the number of workers of apps in place, until the next change of the app's
spec: from 1 to 4096, as workers.count. Old workers stay, surplus ones drain first.

` + twoWords + ` So: scale blog-dev=3, or scale blog dev=3.

Exit code: 0 done, 1 not.`,
		Args: func(_ *cobra.Command, args []string) error {
			var err error
			orders, err = parseCounts(args)
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
			counts, err := c.counts(ctx, op, orders)
			if err != nil {
				return err
			}
			p := c.progress()
			results, err := op.Scale(ctx, counts, p.event)
			p.done()
			return c.ended(ctx, "scale", results, err)
		},
	}
}

// scaleOrder is one APP=N of the command line, the name in one word or two.
type scaleOrder struct {
	words []string
	n     int
}

// parseCounts reads APP=N arguments.
func parseCounts(args []string) ([]scaleOrder, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("cannot scale: name at least one app as APP=N")
	}
	var orders []scaleOrder
	seen := map[string]bool{}
	for i := 0; i < len(args); i++ {
		arg, first := args[i], ""
		if !strings.Contains(arg, "=") && i+1 < len(args) { // an environment in two words
			first = arg
			i++
			arg = args[i]
		}
		name, number, found := strings.Cut(arg, "=")
		words := []string{name}
		if first != "" {
			words = []string{first, name}
		}
		n, err := strconv.Atoi(number)
		switch {
		case !found && first != "":
			return nil, fmt.Errorf("cannot scale %s: write it as APP=N, such as %s=4", first, first)
		case !found || name == "":
			return nil, fmt.Errorf("cannot scale %s: write it as APP=N, such as blog=4", arg)
		case err == nil && strings.ContainsAny(number, "+-"):
			return nil, fmt.Errorf("cannot scale %s by %s: write how many workers there are to be, such as %s", name, number, name+"="+strings.TrimLeft(number, "+-"))
		case err != nil:
			return nil, fmt.Errorf("cannot scale %s: %q is not a number of workers", name, number)
		}
		key := strings.Join(words, " ")
		if seen[key] {
			return nil, fmt.Errorf("cannot scale %s: named twice", key)
		}
		seen[key] = true
		orders = append(orders, scaleOrder{words, n})
	}
	return orders, nil
}

// counts are the numbers by app.
func (c *cli) counts(ctx context.Context, op fleet.Operator, orders []scaleOrder) (map[string]int, error) {
	status, err := op.Status(ctx)
	if err != nil {
		return nil, err
	}
	known := statusNames(status)
	counts := map[string]int{}
	for _, o := range orders {
		name, used := known.first(o.words)
		switch {
		case used == 0:
			return nil, c.noApp("scale", o.words, 0, status)
		case used < len(o.words): // the first word is an app
			return nil, usageError("cannot scale %s: write it as APP=N, such as %s=%d", name, name, o.n)
		}
		if _, twice := counts[name]; twice {
			return nil, usageError("cannot scale %s: named twice", name)
		}
		counts[name] = o.n
	}
	return counts, nil
}
