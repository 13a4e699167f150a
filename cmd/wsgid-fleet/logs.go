package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/logfile"
)

// followTick is how often a followed log is looked at where no event comes, as
// on file systems that have none.
const followTick = time.Second

func (c *cli) logsCommand() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "logs [-f] [-n N] [--since TIME] [--until TIME] [--level LEVEL] APP...|--all",
		Short: "Show the logs of apps, merged by time",
		Long: `Show the end of the logs of apps, from logs/wsgid.log of each app folder and
the files that rotation made of it. Several apps are merged by time, each line
with the name of its app. With -f it goes on until Ctrl-C, over rotations too.

--since and --until take how long ago (90s, 15m, 2h), a time of today (07:30), or a
day and time (2026-11-28 07:30), of the local clock. With --since, all lines from
then on are shown where -n does not say how many. --level shows lines of that level
and above; what an app prints has no level and counts as info.

Of an app folder on a read-only disk it is logs/APP.log of the data directory.

Where log.target is "journal", read it with journalctl WSGID_APP=APP; the fields
WSGID_WORKER (a pid), WSGID_SOURCE (app, wsgid or access) and PRIORITY choose
further.

` + twoWords + `

Exit code: 0 done, 1 not.`,
		Args:              func(_ *cobra.Command, args []string) error { return f.check(args, c.now()) },
		ValidArgsFunction: c.completeApps,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.logs(cmd.Context(), args, &f) },
	}
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "follow output: print new lines as they are written")
	cmd.Flags().StringVarP(&f.lines, "lines", "n", "", "number of `lines` of each app to begin with, or all (default 100; with --since all)")
	cmd.Flags().StringVar(&f.since, "since", "", "lines from that `time` on")
	cmd.Flags().StringVar(&f.until, "until", "", "lines before that `time`")
	cmd.Flags().StringVar(&f.level, "level", "", "lines of that `level` and above: "+strings.Join(logfile.Levels, ", "))
	cmd.Flags().BoolVar(&f.all, "all", false, "of every app")
	return cmd
}

// logs shows the logs of the named apps, or follows them.
func (c *cli) logs(ctx context.Context, apps []string, f *logFlags) error {
	sources, err := c.openLogs(ctx, apps, f.n, f.only)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range sources {
			s.Close()
		}
	}()
	for _, s := range sources {
		if s.elsewhere != "" && (f.follow || !s.None()) {
			fmt.Fprintf(c.err, "%s: logs of %s: this is the file; its %s\n", programName, s.App, s.elsewhere)
		}
	}
	p := c.newLogPrinter(sources)
	if f.follow {
		return followLogs(ctx, sources, p)
	}
	for _, s := range sources {
		if s.None() && (!f.all || s.elsewhere != "") {
			c.report(noLog(s), programName+" logs")
			err = silent(exitFailed)
		} else if s.state != "" && s.Empty() {
			fmt.Fprintf(c.err, "%s: the log of %s is empty%s\n", programName, s.App, s.state)
		}
	}
	if merr := mergeLogs(sources, true, p); merr != nil {
		return merr
	}
	return err
}

// logSource is the log of an app that was asked for.
type logSource struct {
	*logfile.File
	// elsewhere says where the log goes by its spec; empty: into the file.
	elsewhere string
	state     string // of the app, with its reason
}

// openLogs opens the logs of the named apps, each once; no names: of all that have
// a folder.
func (c *cli) openLogs(ctx context.Context, apps []string, n int, only logfile.Filter) (sources []*logSource, err error) {
	op, err := c.operator(ctx)
	if err != nil {
		return nil, err
	}
	defer op.Close()
	status, err := op.Status(ctx)
	if err != nil {
		return nil, err
	}
	dir := c.specDir()
	if status.Daemon != nil {
		dir = status.Daemon.Dir
	}
	set, _ := c.load(dir) // only to tell where logs go; nil: nobody knows
	folders, states := map[string]string{}, map[string]string{}
	for _, app := range status.Apps {
		folders[app.Name] = app.Path
		if app.Reason != "" {
			states[app.Name] = "; the app's state is " + app.State + ": " + oneLine(app.Reason)
		}
	}
	defer func() {
		if err != nil {
			for _, s := range sources {
				s.Close()
			}
			sources = nil
		}
	}()
	names, bad := statusNames(status).resolve(apps)
	if len(apps) == 0 {
		names, bad = slices.Sorted(maps.Keys(folders)), -1
		names = slices.DeleteFunc(names, func(app string) bool { return folders[app] == "" })
	}
	if bad >= 0 {
		return nil, c.noApp("show logs of", apps, bad, status)
	}
	for _, app := range names {
		folder := folders[app]
		if app == appspec.GateName && status.Gate != nil { // not of --all: its folder is root's alone
			folder = status.Gate.Path
		}
		if folder == "" {
			return sources, fmt.Errorf("cannot show logs of %s: no valid spec has been loaded yet, so its app folder is not known%s", app, states[app])
		}
		l, err := logfile.Open(app, folder, n, only, c.options().DataDirs()...)
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; it is for the user of the app and for root: sudo wsgid-fleet logs %s", err, app)
		}
		if err != nil {
			return sources, fmt.Errorf("%w%s", err, states[app])
		}
		sources = append(sources, &logSource{File: l, elsewhere: elsewhere(set, app), state: states[app]})
	}
	return sources, nil
}

// noLog says why there is no log file, as far as the spec tells.
func noLog(s *logSource) error {
	if s.elsewhere != "" {
		return fmt.Errorf("cannot show logs of %s: its %s", s.App, s.elsewhere)
	}
	return fmt.Errorf("cannot show logs of %s: no file %s%s", s.App, filepath.Join(s.Folder, s.Name), s.state)
}

// elsewhere says where an app's log goes if that is not its file, as far as the
// spec tells.
func elsewhere(set *hclspec.Set, app string) string {
	if set == nil || set.Specs[app] == nil {
		return ""
	}
	return logfile.Elsewhere(set.Specs[app].Log.Target, app)
}

// followLogs prints what there is and then what comes, until ctx ends.
func followLogs(ctx context.Context, sources []*logSource, p *logPrinter) error {
	events := make(<-chan fsnotify.Event)
	if w, err := fsnotify.NewWatcher(); err == nil {
		defer w.Close()
		for _, s := range sources {
			// What cannot be watched is looked at with every tick.
			_ = w.Add(filepath.Join(s.Folder, filepath.Dir(s.Name)))
		}
		events = w.Events
	}
	tick := time.NewTicker(followTick)
	defer tick.Stop()
	for {
		if err := mergeLogs(sources, false, p); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-events:
		case <-tick.C:
		}
		for _, s := range sources {
			if err := s.Refresh(); err != nil {
				return err
			}
		}
	}
}

// mergeLogs prints all lines that are there, the earliest first, each app's in
// its own order. With last a begun line at the end is printed too.
func mergeLogs(sources []*logSource, last bool, p *logPrinter) error {
	heads := make([]*logfile.Line, len(sources))
	advance := func(i int) error {
		heads[i] = nil
		line, ok, err := sources[i].Next()
		if err != nil {
			return err
		}
		if !ok && last {
			line, ok = sources[i].Rest()
		}
		if ok {
			heads[i] = &line
		}
		return nil
	}
	for i := range sources {
		if err := advance(i); err != nil {
			return err
		}
	}
	for {
		first := -1
		for i, head := range heads {
			if head != nil && (first < 0 || head.At.Before(heads[first].At)) {
				first = i
			}
		}
		if first < 0 {
			return p.out.Flush()
		}
		if err := p.print(*heads[first]); err != nil {
			return err
		}
		if err := advance(first); err != nil {
			return err
		}
	}
}

// logPrinter prints lines, with the app's name in front where there are several.
type logPrinter struct {
	out      *bufio.Writer
	prefix   map[string]string
	terminal bool
}

func (c *cli) newLogPrinter(sources []*logSource) *logPrinter {
	s := c.style()
	p := &logPrinter{out: bufio.NewWriter(c.out), prefix: map[string]string{}, terminal: s.width > 0}
	if len(sources) < 2 {
		return p
	}
	width := 0
	for _, l := range sources {
		width = max(width, columns(l.App))
	}
	colours := []paint{cyan, green, yellow, "35", "34", "36"}
	for i, l := range sources {
		p.prefix[l.App] = s.paint(colours[i%len(colours)], l.App+spaces(width-columns(l.App))+" |") + " "
	}
	return p
}

func (p *logPrinter) print(line logfile.Line) error {
	text := line.Text
	if p.terminal {
		text = printable(text)
	}
	// A bufio.Writer keeps its first error for the last call.
	_, _ = p.out.WriteString(p.prefix[line.App])
	_, _ = p.out.WriteString(text)
	return p.out.WriteByte('\n')
}
