package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Exit codes, as helpText tells them.
const (
	exitOK      = 0
	exitFailed  = 1
	exitStopped = 3  // status: nothing runs
	exitUsage   = 64 // sysexits(3), EX_USAGE
)

// cli is one run of the program. Tests put their own streams in.
type cli struct {
	out io.Writer
	err io.Writer

	opts options
	path string // the app folder, absolute
}

func newCLI() *cli { return &cli{out: os.Stdout, err: os.Stderr} }

// usageError is a wrong command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// commands are wsgid's, the first is what is done when none is named.
var commands = []string{"start", "init", "config", "stop", "restart", "status"}

// execute runs one command line and returns the exit code.
func (c *cli) execute(ctx context.Context, args []string) int {
	code, err := c.run(ctx, args)
	if err == nil {
		return code
	}
	fmt.Fprintf(c.err, "wsgid: %s\n", strings.TrimRight(printable(err.Error()), "\n"))
	if _, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintln(c.err, `Try "wsgid --help".`)
		return exitUsage
	}
	return exitFailed
}

func (c *cli) run(ctx context.Context, args []string) (int, error) {
	rest, err := c.opts.parse(args)
	if err != nil {
		return 0, err
	}
	switch {
	case c.opts.help || len(rest) == 1 && rest[0] == "help":
		_, err := io.WriteString(c.out, helpText)
		return exitOK, err
	case c.opts.version:
		_, err := fmt.Fprintln(c.out, "wsgid", runner.Version)
		return exitOK, err
	}
	command := commands[0]
	if len(rest) > 0 {
		command = rest[0]
	}
	if !slices.Contains(commands, command) {
		return 0, usage("cannot run %q: no such command%s", command, didYouMean(command, commands))
	}
	if len(rest) > 1 {
		return 0, usage("cannot run %s: unexpected argument %q", command, rest[1])
	}
	if err := c.opts.check(command); err != nil {
		return 0, err
	}
	if c.path, err = folder(c.opts.appPath); err != nil {
		return 0, err
	}
	switch command {
	case "init":
		return c.init()
	case "config":
		return c.config()
	case "stop":
		return c.stop(ctx)
	case "restart":
		return c.restart(ctx)
	case "status":
		return c.status(ctx)
	default:
		return c.start(ctx)
	}
}

// folder is the app folder as an absolute path: the working directory where
// none is named (since wsgid 0.6).
func folder(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") { // a shell leaves it alone in --app-path=~/x
		if home, err := os.UserHomeDir(); err == nil {
			path = home + path[1:]
		}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("cannot find app folder %q: %w", path, err)
	}
	return abs, nil
}

// warn tells what keeps nothing from running.
func (c *cli) warn(format string, args ...any) {
	fmt.Fprintf(c.err, "wsgid: warning: "+format+"\n", args...)
}

// didYouMean suggests the nearest of the names, if one is near.
func didYouMean(word string, names []string) string {
	best := appspec.Nearest(word, names)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// flagNames lists the options for suggestions.
func flagNames(f *pflag.FlagSet) []string {
	var names []string
	f.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// printable makes text safe for a terminal: what an app wrote (a traceback, a
// reason) must not move the cursor, paint the screen or turn letters around. Line
// ends and tabs stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
