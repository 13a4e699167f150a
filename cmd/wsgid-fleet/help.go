package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// peersCommand is what our word is for a command of supervisorctl, systemctl,
// pm2, docker compose or kubectl.
var peersCommand = map[string]string{
	"update":  `; write: wsgid-fleet apply`,
	"reread":  `; write: wsgid-fleet plan`,
	"up":      `; write: wsgid-fleet apply`,
	"down":    `; write: wsgid-fleet stop --all`,
	"ps":      `; write: wsgid-fleet status`,
	"list":    `; write: wsgid-fleet status`,
	"ls":      `; write: wsgid-fleet status`,
	"top":     `; write: wsgid-fleet status --watch`,
	"diff":    `; write: wsgid-fleet plan`,
	"check":   `; write: wsgid-fleet validate`,
	"test":    `; write: wsgid-fleet validate`,
	"tail":    `; write: wsgid-fleet logs -f APP`,
	"log":     `; write: wsgid-fleet logs APP`,
	"delete":  `; take its file out of the spec directory, then: wsgid-fleet apply`,
	"remove":  `; take its file out of the spec directory, then: wsgid-fleet apply`,
	"rm":      `; take its file out of the spec directory, then: wsgid-fleet apply`,
	"enable":  `; write enabled = true into the app's spec, then: wsgid-fleet apply`,
	"disable": `; write enabled = false into the app's spec, then: wsgid-fleet apply`,
	"daemon":  `; write: wsgid-fleet run`,
	"serve":   `; write: wsgid-fleet run`,
	"init":    `; write the spec of a checkout: wsgid-fleet new NAME PATH; or take over an app folder: wsgid-fleet import --write PATH`,
	"create":  `; write: wsgid-fleet new NAME PATH`,
	"shell":   `; write: wsgid-fleet exec APP COMMAND`,
	"ssh":     `; write: wsgid-fleet exec APP COMMAND`,
	"add":     `; write: wsgid-fleet new NAME PATH`,
}

// helpCommand is "help [COMMAND]", as other tools have it.
func (c *cli) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		Long:  "Show the help of a command, as COMMAND --help does.",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, sub := range cmd.Root().Commands() {
				if len(args) == 0 && sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about := cmd.Root()
			if len(args) > 0 {
				var names []string
				about = nil
				for _, sub := range cmd.Root().Commands() {
					names = append(names, sub.Name())
					if sub.Name() == args[0] {
						about = sub
					}
				}
				if about == nil {
					return usageError("cannot help with %q: no such command%s", args[0], didYouMean(args[0], names))
				}
			}
			about.InitDefaultHelpFlag() // else its help would not name -h
			return about.Help()
		},
	}
}

// flagError says what is wrong with a flag, and which one was probably meant.
func (c *cli) flagError(cmd *cobra.Command, err error) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		given := "--" + unknown.GetSpecifiedName()
		shown := given
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			// A long flag with one dash, as Go's and Java's tools take it; what came
			// before the letter that is unknown was read as flags.
			for _, arg := range c.args {
				if !strings.HasPrefix(arg, "--") && strings.HasPrefix(arg, "-") && strings.HasSuffix(arg, short) {
					short = arg[1:]
					break
				}
			}
			name, _, _ := strings.Cut(short, "=")
			given, shown = "--"+name, "-"+name
			for _, n := range names {
				if n == given {
					return usageError("cannot read the command line: unknown flag %s; write: %s", shown, n)
				}
			}
		}
		return usageError("cannot read the command line: unknown flag %s%s", shown, flagMeant(given, names))
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		name := missing.GetSpecifiedName()
		if f := cmd.Flags().Lookup(name); f != nil {
			what, _ := pflag.UnquoteUsage(f)
			return usageError("cannot read the command line: --%s needs a value: --%s %s", name, name, strings.ToUpper(what))
		}
	}
	return usageError("cannot read the command line: %w", err)
}

// flagMeant is didYouMean for flags, whose beginning is often all that is given.
func flagMeant(given string, names []string) string {
	for _, n := range names {
		if len(given) > 3 && strings.HasPrefix(n, given) {
			return fmt.Sprintf("; did you mean %q?", n)
		}
	}
	return didYouMean(given, names)
}

// swallowed tells of a flag that was given the next flag for its value, as in --commit --dir
// /etc/blog.d: whatever that one was given is then taken for an app.
func (c *cli) swallowed(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		for i, arg := range c.args[:max(0, len(c.args)-1)] {
			next := c.args[i+1]
			short := f.Shorthand != "" && arg == "-"+f.Shorthand
			if arg != "--"+f.Name && !short || f.NoOptDefVal != "" || f.Value.String() != next {
				continue
			}
			name, isFlag := strings.CutPrefix(next, "--")
			name, _, _ = strings.Cut(name, "=")
			if isFlag && cmd.Flags().Lookup(name) != nil {
				what, _ := pflag.UnquoteUsage(f)
				err = usageError("cannot read the command line: %s needs a value: %s %s; it was given %s", arg, arg, strings.ToUpper(what), next)
			}
		}
	})
	return err
}
