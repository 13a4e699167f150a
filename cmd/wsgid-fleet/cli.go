package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/hold"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

const programName = "wsgid-fleet"

// cli is what every command has: its streams, the two directories, and the way
// to a fleet. Tests put their own things in.
type cli struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	getenv func(string) string
	now    func() time.Time

	// outWidth and errWidth are the columns of the terminal behind out and err;
	// 0: no terminal.
	outWidth  func() int
	outHeight func() int // lines
	errWidth  func() int

	// connect reaches the daemon, or makes an operator of this process.
	connect func(context.Context, fleet.Options) (fleet.Operator, error)
	// load reads the specs of the spec directory.
	load func(dir string) (*hclspec.Set, error)

	dir      string   // as given; empty: see specDir
	stateDir string   // as given; empty: runner.DefaultStateDir
	dataDir  string   // as given; empty: the one that goes with the state directory
	args     []string // of the command line
	began    bool     // a command took over from the parser of arguments
}

func newCLI() *cli {
	return &cli{
		in:        os.Stdin,
		out:       os.Stdout,
		err:       os.Stderr,
		getenv:    os.Getenv,
		now:       time.Now,
		outWidth:  func() int { w, _ := terminalSize(os.Stdout); return w },
		outHeight: func() int { _, h := terminalSize(os.Stdout); return h },
		errWidth:  func() int { w, _ := terminalSize(os.Stderr); return w },
		connect:   fleet.Connect,
		load:      load,
	}
}

// execute runs one command line and returns the exit code.
func (c *cli) execute(ctx context.Context, args []string) int {
	c.args = args
	out := &stdout{to: c.out}
	c.out = out
	root := c.root()
	root.SetArgs(singleDashCheck(args))
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	cmd, err := root.ExecuteContextC(ctx)
	if _, said := errors.AsType[*exitError](err); err != nil && !c.began && !said {
		// Arguments or flags that cobra or an Args function refused.
		err = &exitError{code: exitUsage, err: err}
	}
	code := c.report(err, cmd.CommandPath())
	if out.err != nil && code != exitFailed {
		return c.report(fmt.Errorf("cannot write to standard output: %w", out.err), cmd.CommandPath())
	}
	return code
}

// root builds the tree of commands.
func (c *cli) root() *cobra.Command {
	var wantVersion bool
	root := &cobra.Command{
		Use:   programName,
		Short: "Run a directory of WSGI applications",
		Long: `Each *.hcl file of the spec directory describes WSGI applications; wsgid-fleet
makes what runs equal to what the files say, and keeps it so.`,
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantVersion {
				c.printVersion()
				return nil
			}
			if len(args) == 0 {
				cmd.SetOut(c.err)
				if err := cmd.Help(); err != nil {
					return err
				}
				return silent(exitUsage)
			}
			var names []string
			for _, sub := range cmd.Commands() {
				names = append(names, sub.Name())
			}
			return usageError("cannot run %q: no such command%s", args[0], cmp.Or(peersCommand[args[0]], didYouMean(args[0], names)))
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	// Not by Command.Version, whose words are not those of the command version.
	root.Flags().BoolVarP(&wantVersion, "version", "v", false, "version for "+programName)
	flags := root.PersistentFlags()
	flags.StringVar(&c.dir, "dir", "", "`directory` of the specs (default: the running daemon's, else "+fleet.DefaultDir+")")
	flags.StringVar(&c.stateDir, "state-dir", "", "`directory` of locks, sockets and records (default /run/wsgid; when not root\n$XDG_RUNTIME_DIR/wsgid, else wsgid-UID in the temporary directory)")
	flags.StringVar(&c.dataDir, "data-dir", "", "`directory` of what must survive a reboot (default /var/lib/wsgid; when not root\n$XDG_STATE_HOME/wsgid; with another --state-dir: data inside that)")
	_ = root.MarkPersistentFlagDirname("data-dir")
	_ = root.MarkPersistentFlagDirname("dir")
	_ = root.MarkPersistentFlagDirname("state-dir")
	root.AddCommand(
		c.runCommand(),
		c.validateCommand(),
		c.planCommand(),
		c.applyCommand(),
		c.deployCommand(),
		c.deploysCommand(),
		c.rollbackCommand(),
		c.statusCommand(),
		c.startCommand(),
		c.stopCommand(),
		c.restartCommand(),
		c.reloadCommand(),
		c.scaleCommand(),
		c.triggerCommand(),
		c.execCommand(),
		c.logsCommand(),
		c.consoleCommand(),
		c.pushCommand(),
		c.pullCommand(),
		c.hostsCommand(),
		c.cordonCommand(),
		c.uncordonCommand(),
		c.thawCommand(),
		c.endpointsCommand(),
		c.fmtCommand(),
		c.doctorCommand(),
		c.newCommand(),
		c.importCommand(),
		c.completionCommand(),
		c.versionCommand(),
	)
	root.SetHelpCommand(c.helpCommand())
	root.SetFlagErrorFunc(c.flagError)
	for _, sub := range root.Commands() {
		c.marked(sub)
		for _, inner := range sub.Commands() {
			c.marked(inner)
		}
	}
	return root
}

// marked makes a command note that it began, so that an error before that is
// known to be one of usage.
func (c *cli) marked(cmd *cobra.Command) {
	inner, args := cmd.RunE, cmd.Args
	if inner == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, words []string) error {
		if err := c.swallowed(cmd); err != nil || args == nil {
			return err
		}
		return args(cmd, words)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.began = true
		if cmd.Name() != "run" {
			hold.Listening() // it may only speak of something that is called run
		}
		return inner(cmd, args)
	}
}

// operator reaches the fleet.
func (c *cli) operator(ctx context.Context) (fleet.Operator, error) {
	return c.connect(ctx, c.options())
}

// options name the fleet. Empty directories are for the fleet to choose: those
// of the running daemon, or the defaults.
func (c *cli) options() fleet.Options {
	return fleet.Options{Dir: c.dir, StateDir: c.stateDir, DataDir: c.dataDir, Version: runner.Build()}
}

// specDir is the directory to read specs from without asking a daemon.
func (c *cli) specDir() string {
	if c.dir == "" {
		return fleet.DefaultDir
	}
	return c.dir
}

// style is how to paint what goes to standard output.
func (c *cli) style() style { return c.styleFor(c.outWidth()) }

// errStyle is how to paint what goes to standard error.
func (c *cli) errStyle() style { return c.styleFor(c.errWidth()) }

func (c *cli) styleFor(width int) style {
	colour := width > 0 && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
	return style{colour: colour, width: width}
}

// terminalSize is the size of the terminal that f is; 0, 0: it is none.
func terminalSize(f *os.File) (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	if ws.Col == 0 || ws.Row == 0 {
		return 80, 24 // a terminal that does not tell, such as a serial console
	}
	return int(ws.Col), int(ws.Row)
}

// singleDashCheck accepts fmt's -check, which gofmt and terraform write with one
// dash and pflag would read as five flags.
func singleDashCheck(args []string) []string {
	isFmt := false
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		if a == "fmt" {
			isFmt = true
		}
		if isFmt && (a == "-check" || strings.HasPrefix(a, "-check=")) {
			a = "-" + a
		}
		out = append(out, a)
	}
	return out
}

// noArgs refuses any argument with words of our own.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("cannot %s: unexpected argument %q", doing(cmd.Name()), args[0])
	}
	return nil
}
