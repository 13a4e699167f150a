package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// launch is what a start needs.
type launch struct {
	spec       *appspec.Spec
	foreground bool
	stdout     bool
	python     string // the interpreter of the workers
	owner      appdir.Owner
}

// start starts the app of the folder: as a daemon, or in the foreground.
func (c *cli) start(ctx context.Context) (int, error) {
	fsys, err := c.openFolder("start")
	if err != nil {
		return 0, err
	}
	defer fsys.Close()
	l, err := c.prepare(fsys)
	if err != nil {
		return 0, err
	}
	stateDir, err := c.makeStateDir()
	if err != nil {
		return 0, err
	}
	in, err := claim(stateDir, c.path)
	if err != nil {
		return 0, err
	}
	l.spec.Name = in.name
	code, used, err := c.launch(ctx, stateDir, l)
	in.release(used)
	if err != nil {
		return 0, fmt.Errorf("cannot start %s: %w", c.path, err)
	}
	return code, nil
}

// prepare makes the spec of command line and wsgid.json, and mends the folder.
func (c *cli) prepare(fsys *appdir.RootFs) (*launch, error) {
	conf, err := appdir.LoadConfig(fsys)
	if err != nil {
		return nil, err
	}
	s := appspec.Default("app", c.path)
	c.opts.apply(s)
	if err := conf.Apply(s); err != nil {
		return nil, err
	}
	inherit(s, os.Environ())
	if !conf.Has("loader_dir") && len(c.opts.loaderDir) > 0 {
		if s.LoaderDirs, err = c.opts.loaders(c.path, s.Chroot); err != nil {
			return nil, err
		}
	}
	for _, line := range slices.Concat(conf.Unknown(), conf.Repeated(), c.opts.overruled(conf)) {
		c.warn("%s", line)
	}
	s.Name = filepath.Base(c.path) // for messages; the instance's own name is claimed later
	s.Enabled = true
	if err := c.checkSockets(s); err != nil {
		return nil, err
	}
	if err := c.chooseUser(s); err != nil {
		return nil, err
	}
	owner, err := appdir.ResolveOwner(s, os.Geteuid() == 0)
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", c.path, err)
	}
	if owner.UID == 0 {
		c.warn("%s belongs to root, so the app runs as root: an attacker who gets into it controls the machine; chown -R USER %s", c.path, c.path)
	}
	python, err := appdir.ResolvePython(s)
	if err != nil {
		return nil, err
	}
	if _, err := appdir.RepairFolders(fsys, s, owner, nil); err != nil {
		return nil, err
	}
	l := &launch{spec: s, foreground: c.opts.noDaemon, stdout: c.opts.stdout}
	if conf.Has("no_daemon") || conf.Has("nodaemon") {
		l.foreground = conf.NoDaemon
	}
	if conf.Has("stdout") {
		l.stdout = conf.Stdout
	}
	if l.stdout && !l.foreground {
		if c.opts.on("stdout") {
			return nil, usage("cannot start: --stdout needs --no-daemon: a daemon writes to %s", appdir.LogFile)
		}
		c.warn("%s: stdout has no effect without no_daemon: a daemon writes to %s", appdir.Join(c.path, appdir.ConfigFile), appdir.LogFile)
	}
	l.python, l.owner = python, owner
	return l, nil
}

// inherit hands on what the command's environment says of the application, as
// wsgid's workers had it all. The rest may be root's own, and stays there.
func inherit(s *appspec.Spec, environ []string) {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if _, said := s.Env[name]; said || name != "PYTHONPATH" && !strings.HasSuffix(name, "_SETTINGS_MODULE") {
			continue
		}
		if s.Env == nil {
			s.Env = map[string]string{}
		}
		s.Env[name] = value
	}
}

// checkSockets wants recv and send, as wsgid does, unless the fleet's part of
// wsgid.json names another socket.
func (c *cli) checkSockets(s *appspec.Spec) error {
	if len(s.Sockets.Mongrel2) == 0 && len(s.Sockets.HTTP) > 0 {
		return nil
	}
	var m appspec.Mongrel2Socket
	if len(s.Sockets.Mongrel2) > 0 {
		m = s.Sockets.Mongrel2[0]
	}
	for _, o := range []struct{ name, value, is string }{{"recv", m.Recv, "send_spec"}, {"send", m.Send, "recv_spec"}} {
		if o.value == "" {
			return usage("cannot start %s: %s is missing; give --%s=ENDPOINT, the %s of the mongrel2 handler, or keep it in wsgid.json: wsgid config --app-path=%s --%s=ENDPOINT",
				c.path, o.name, o.name, o.is, c.path, o.name)
		}
	}
	if m.Recv == m.Send {
		return usage("cannot start %s: recv and send are both %s; recv is the handler's send_spec and send its recv_spec, two endpoints", c.path, m.Recv)
	}
	return nil
}

// chooseUser makes root run the app as the owner of its folder, unless the
// fleet's part of wsgid.json names a user.
func (c *cli) chooseUser(s *appspec.Spec) error {
	if os.Geteuid() != 0 || s.User != "" {
		return nil
	}
	uid, err := c.folderUID()
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", c.path, err)
	}
	if uid != 0 {
		return nil // ResolveOwner's own rule
	}
	s.User = "root"
	return nil
}

// launch starts the master. used tells that a master has the instance's name
// now.
func (c *cli) launch(ctx context.Context, stateDir string, l *launch) (code int, used bool, err error) {
	if l.foreground && l.stdout {
		// The master inherits our standard error; there its log goes.
		if err := unix.Dup3(int(os.Stdout.Fd()), int(os.Stderr.Fd()), 0); err != nil {
			return 0, false, fmt.Errorf("cannot log to standard output: %w", err)
		}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGTTIN, unix.SIGTTOU)
	defer signal.Stop(signals)
	h, err := runner.StartMaster(ctx, runner.StartOptions{Spec: l.spec, StateDir: stateDir, DataDir: dataDir(stateDir), Generation: 1, Foreground: l.foreground})
	if err != nil {
		// The name of the instance says nothing to people who know the folder only.
		return 0, false, errors.New(strings.TrimPrefix(err.Error(), "cannot start master of "+l.spec.Name+": "))
	}
	if l.foreground {
		return c.attend(h, signals), false, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case s := <-signals:
			cancel(fmt.Errorf("interrupted by %s", unix.SignalName(s.(syscall.Signal))))
		case <-ctx.Done():
		}
	}()
	st, err := awaitReady(ctx, h, l.spec)
	if err != nil {
		end(h)
		if st.Traceback == "" && ctx.Err() == nil {
			// The worker did not say what failed. It may be no Python at all.
			if _, perr := appdir.PythonVersion(ctx, l.python, l.owner); perr != nil {
				err = perr
			}
		}
		return 0, false, err
	}
	fmt.Fprintf(c.out, "Started: master %d, %d worker(s), log %s.\n", h.PID, len(st.Workers), appdir.Join(c.path, appdir.LogFile))
	return exitOK, true, nil
}

// attend stays with a foreground master, passes it the signals we get, and
// returns how it ended.
func (c *cli) attend(h *runner.Handle, signals <-chan os.Signal) int {
	done := make(chan unix.WaitStatus, 1)
	go func() {
		var ws unix.WaitStatus
		for {
			if _, err := unix.Wait4(h.PID, &ws, 0, nil); !errors.Is(err, unix.EINTR) {
				done <- ws
				return
			}
		}
	}()
	for {
		select {
		case s := <-signals:
			// It is our child and not collected: the number is still its own.
			_ = unix.Kill(h.PID, s.(syscall.Signal))
		case ws := <-done:
			if ws.Signaled() {
				fmt.Fprintf(c.err, "wsgid: master %d was killed by %s\n", h.PID, unix.SignalName(ws.Signal()))
				return exitFailed
			}
			return ws.ExitStatus()
		}
	}
}

// awaitReady waits until the first workers serve, or says why they do not.
func awaitReady(ctx context.Context, h *runner.Handle, s *appspec.Spec) (runner.Status, error) {
	patience := s.Workers.StartTimeout.D() + 10*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no worker was ready after %s", patience))
	defer cancel()
	var since uint64
	var last runner.Status
	for {
		st, err := h.Status(ctx, since)
		switch {
		case err == nil:
			last, since = st, st.Version
		case ctx.Err() != nil:
			return st, notReady(context.Cause(ctx), last)
		case !h.Alive():
			return st, notReady(errors.New("it exited before a worker was ready"), last)
		default:
			return st, err
		}
		switch st.State {
		case runner.StateReady, runner.StateUpdating, runner.StateIdle, runner.StateDegraded:
			return st, nil
		case runner.StateBackoff, runner.StateStopping:
			reason := st.LastError
			if reason == "" {
				reason = st.Reason
			}
			return st, notReady(errors.New(runner.WithoutPlace(reason, st.Traceback)), st)
		case runner.StateStarting:
		}
	}
}

// notReady adds the Python traceback, which says more than we could.
func notReady(err error, st runner.Status) error {
	if st.Traceback == "" {
		return fmt.Errorf("%w; see %s", err, appdir.LogFile)
	}
	return fmt.Errorf("%w\n%s", err, strings.TrimRight(st.Traceback, "\n"))
}

// end stops a master that never served.
func end(h *runner.Handle) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// A master without workers may be gone before it has answered.
	_ = h.Drain(ctx, nil)
	if h.Wait(ctx) == nil {
		return
	}
	_ = h.Kill()
}

func list(pids []int, mark func(int) string) string {
	words := make([]string, len(pids))
	for i, pid := range pids {
		words[i] = strconv.Itoa(pid) + mark(pid)
	}
	return strings.Join(words, ", ")
}
