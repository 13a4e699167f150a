package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// options is the command line. Every command takes every option, as wsgid's do.
type options struct {
	flags *pflag.FlagSet

	appPath   string
	stateDir  string
	wsgiApp   string
	loaderDir []string
	recv      string
	send      string
	m2chroot  string
	workers   int
	keepAlive bool
	chroot    bool
	django    bool
	noDaemon  bool
	stdout    bool
	debug     bool

	noDebug     bool
	noKeepAlive bool
	noChroot    bool

	signalName string
	signal     syscall.Signal

	help    bool
	version bool
}

// parse reads the options and returns what is left of the arguments.
func (o *options) parse(args []string) ([]string, error) {
	f := pflag.NewFlagSet("wsgid", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	o.flags = f
	f.StringVar(&o.appPath, "app-path", "", "")
	f.StringVar(&o.stateDir, "state-dir", "", "")
	f.StringVar(&o.wsgiApp, "wsgi-app", "", "")
	f.StringArrayVar(&o.loaderDir, "loader-dir", nil, "")
	f.StringVar(&o.recv, "recv", "", "")
	f.StringVar(&o.send, "send", "", "")
	f.StringVar(&o.m2chroot, "mongrel2-chroot", "", "")
	f.IntVar(&o.workers, "workers", 1, "")
	f.BoolVar(&o.keepAlive, "keep-alive", true, "")
	f.BoolVar(&o.chroot, "chroot", false, "")
	f.BoolVar(&o.django, "django", false, "")
	f.BoolVar(&o.noDaemon, "no-daemon", false, "")
	f.BoolVar(&o.stdout, "stdout", false, "")
	f.BoolVar(&o.debug, "debug", false, "")
	f.BoolVar(&o.noDebug, "no-debug", false, "")
	f.BoolVar(&o.noKeepAlive, "no-keep-alive", false, "")
	f.BoolVar(&o.noChroot, "no-chroot", false, "")
	f.StringVar(&o.signalName, "send-signal", "TERM", "")
	f.BoolVarP(&o.help, "help", "h", false, "")
	f.BoolVarP(&o.version, "version", "v", false, "")
	if err := f.Parse(args); err != nil {
		return nil, o.explain(err)
	}
	return f.Args(), nil
}

// explain says what pflag found in wsgid's own words.
func (o *options) explain(err error) error {
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	var required *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return usage("cannot read the command line: no such option: -%s", unknown.GetSpecifiedShortnames())
		}
		return usage("cannot read the command line: no such option: --%s%s", name,
			strings.Replace(didYouMean(name, flagNames(o.flags)), `mean "`, `mean "--`, 1))
	case errors.As(err, &required):
		return usage("cannot read the command line: --%s needs a value", required.GetFlag().Name)
	case errors.As(err, &value):
		want := "true or false"
		if value.GetFlag().Name == "workers" {
			want = "a number from 1"
		}
		return usage("cannot read the command line: --%s=%s, want %s", value.GetFlag().Name, value.GetValue(), want)
	default:
		return usage("cannot read the command line: %v", err)
	}
}

// check finds what cannot be meant, whatever wsgid.json says.
func (o *options) check(command string) error {
	for _, pair := range [][2]string{{"debug", "no-debug"}, {"keep-alive", "no-keep-alive"}, {"chroot", "no-chroot"}} {
		if o.on(pair[0]) && o.on(pair[1]) {
			return usage("cannot %s: --%s and --%s exclude each other", command, pair[0], pair[1])
		}
	}
	if o.workers < 1 {
		return usage("cannot %s: --workers=%d, want a number from 1", command, o.workers)
	}
	for _, e := range []struct{ name, value string }{{"recv", o.recv}, {"send", o.send}} {
		if o.given(e.name) {
			if err := appdir.CheckEndpoint("--"+e.name, e.value); err != nil {
				return usage("cannot %s: %v", command, err)
			}
		}
	}
	if o.given("send-signal") && command != "stop" && command != "restart" {
		return usage("cannot %s: --send-signal is only for stop and restart", command)
	}
	var err error
	o.signal, err = signalOf(o.signalName)
	return err
}

func (o *options) given(name string) bool { return o.flags.Changed(name) }

// on tells that a switch was given and not as --switch=false.
func (o *options) on(name string) bool {
	on, err := o.flags.GetBool(name)
	return err == nil && on && o.given(name)
}

// signalOf reads a signal: TERM, SIGTERM or 15.
func signalOf(name string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil {
		if n >= 1 && n <= 64 {
			return syscall.Signal(n), nil
		}
		return 0, usage("cannot read the command line: no such signal: %s", name)
	}
	upper := strings.ToUpper(name)
	if !strings.HasPrefix(upper, "SIG") {
		upper = "SIG" + upper
	}
	if s := unix.SignalNum(upper); s != 0 {
		return s, nil
	}
	return 0, usage("cannot read the command line: no such signal: %s", name)
}

// apply lays the options over a spec.
func (o *options) apply(s *appspec.Spec) {
	if o.given("wsgi-app") {
		s.WSGIApp = o.wsgiApp
	}
	if o.recv != "" || o.send != "" || o.m2chroot != "" {
		s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: o.recv, Send: o.send, Chroot: o.m2chroot}}
	}
	if o.given("workers") {
		s.Workers.Min, s.Workers.Max = o.workers, o.workers
	}
	s.Workers.KeepAlive = o.keepAlive && !o.noKeepAlive
	s.Chroot = o.chroot && !o.noChroot
	s.Debug = o.debug && !o.noDebug
	if o.django {
		s.Loader = "django"
	}
}

// loaders are the --loader-dir options. They are relative to the working
// directory, or, under chroot, to the app folder, as in wsgid; a spec's are
// relative to the app folder always.
func (o *options) loaders(path string, chroot bool) ([]string, error) {
	var dirs []string
	for _, dir := range o.loaderDir {
		if !chroot {
			abs, err := filepath.Abs(dir)
			if err != nil {
				return nil, fmt.Errorf("cannot find --loader-dir=%s: %w", dir, err)
			}
			fi, err := os.Stat(abs)
			if err != nil || !fi.IsDir() {
				return nil, fmt.Errorf("cannot use --loader-dir=%s: there is no such folder", dir)
			}
			if rel, err := filepath.Rel(path, abs); err == nil && filepath.IsLocal(rel) {
				abs = rel
			}
			dir = abs
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// overruled lists the options that have no effect, because wsgid.json says
// something else: in wsgid, the file wins.
func (o *options) overruled(c *appdir.Config) []string {
	var out []string
	o.flags.Visit(func(f *pflag.Flag) {
		key := strings.ReplaceAll(strings.TrimPrefix(f.Name, "no-"), "-", "_")
		if f.Name == "no-daemon" {
			key = "no_daemon"
		}
		said, ok := c.Text(key)
		if !ok || said == "" && f.Name != "debug" {
			return
		}
		given := f.Value.String()
		switch f.Name {
		case "no-debug", "no-keep-alive", "no-chroot":
			given = strconv.FormatBool(given != "true")
		case "loader-dir":
			return // a list has too many forms to compare
		}
		if !strings.EqualFold(given, said) {
			out = append(out, fmt.Sprintf("--%s has no effect: wsgid.json says %s = %s, and the file wins", f.Name, key, said))
		}
	})
	return out
}
