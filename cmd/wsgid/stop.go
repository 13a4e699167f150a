package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// patience is how long stop and restart wait beyond what the app's own limits
// allow.
const patience = 70 * time.Second

// stop sends a signal to every master of the folder, and waits for their end
// where the signal ends them.
func (c *cli) stop(ctx context.Context) (int, error) {
	masters, err := c.openTargets("stop")
	if err != nil {
		return 0, err
	}
	for _, m := range masters {
		defer m.close()
		if m.handle != nil && ofFleet(m.handle) {
			c.warn("master %d belongs to the fleet, which may start it again; wsgid-fleet stop %s stops it for good", m.pid, m.handle.App)
		}
		if err := m.signal(c.opts.signal); err != nil {
			return 0, fmt.Errorf("cannot stop %s: %w", c.path, err)
		}
	}
	switch c.opts.signal {
	case unix.SIGTERM, unix.SIGINT, unix.SIGKILL:
	default:
		return exitOK, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, m := range masters {
		if err := m.wait(ctx); err != nil {
			return 0, fmt.Errorf("cannot stop %s: master %d is still finishing requests after %s; wait, or: wsgid stop --send-signal=KILL --app-path=%s",
				c.path, m.pid, patience, c.path)
		}
	}
	if c.opts.signal == unix.SIGKILL {
		c.removePIDs(masters)
	}
	for _, m := range masters {
		c.forget(m)
	}
	return exitOK, nil
}

// forget removes what is left of an instance that has ended.
func (c *cli) forget(m *process) {
	if m.handle == nil || ofFleet(m.handle) {
		return
	}
	in := &instance{name: m.handle.App, dir: filepath.Join(c.stateDir(), "apps", m.handle.App)}
	if free, err := in.take(c.stateDir()); err == nil && free {
		in.release(false)
	}
}

// openTargets finds the masters, and tells where there are none.
func (c *cli) openTargets(verb string) ([]*process, error) {
	fsys, err := c.openFolder(verb)
	if err != nil {
		return nil, err
	}
	_ = fsys.Close()
	masters, err := c.targets()
	if err == nil && len(masters) == 0 {
		fmt.Fprintf(c.out, "Nothing runs on %s.\n", c.path)
	}
	return masters, err
}

// wait waits for the end of the process.
func (p *process) wait(ctx context.Context) error {
	for p.alive() {
		deadline, _ := ctx.Deadline()
		left := time.Until(deadline)
		if left <= 0 || ctx.Err() != nil {
			return context.DeadlineExceeded
		}
		fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(min(left, time.Second).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	return nil
}

// removePIDs removes the pid files that killed masters could not.
func (c *cli) removePIDs(masters []*process) {
	fsys, err := appdir.Open(c.path)
	if err != nil {
		return
	}
	defer fsys.Close()
	for _, m := range masters {
		_ = appdir.RemovePID(fsys, appdir.Master, m.pid)
	}
	for _, pid := range c.pids(appdir.Worker) {
		if !appdir.ProcAlive(pid, 0) {
			_ = appdir.RemovePID(fsys, appdir.Worker, pid)
		}
	}
}

// restart replaces the workers of every master, new ones first; with
// --send-signal it sends that signal to every worker instead, as wsgid did.
// wsgid's own signal, TERM, asks a worker to finish and be replaced: that is what
// a replacement does.
func (c *cli) restart(ctx context.Context) (int, error) {
	masters, err := c.openTargets("restart")
	if err != nil {
		return 0, err
	}
	var failed []string
	for _, m := range masters {
		defer m.close()
		err := c.restartMaster(ctx, m)
		if err != nil {
			failed = append(failed, err.Error())
		}
	}
	if len(failed) > 0 {
		return 0, fmt.Errorf("cannot restart %s: %s", c.path, strings.Join(failed, "; "))
	}
	return exitOK, nil
}

func (c *cli) restartMaster(ctx context.Context, m *process) error {
	bySignal := c.opts.given("send-signal") && c.opts.signal != unix.SIGTERM
	if m.handle == nil {
		// Started from another state directory: its control socket is not ours to
		// use, but its signal does the same.
		if bySignal {
			return fmt.Errorf("the workers of master %d are known only to the user who started it", m.pid)
		}
		return m.signal(unix.SIGHUP)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if bySignal {
		return signalWorkers(ctx, m.handle, c.opts.signal)
	}
	if err := m.handle.Reload(ctx); err != nil {
		return err
	}
	return awaitRollout(ctx, m.handle)
}

// signalWorkers sends a signal to each worker of a master. The master says
// which they are, and each is its child: that proves them.
func signalWorkers(ctx context.Context, h *runner.Handle, s syscall.Signal) error {
	st, err := h.Status(ctx, 0)
	if err != nil {
		return err
	}
	for _, w := range st.Workers {
		fd, err := unix.PidfdOpen(w.PID, 0)
		if err != nil {
			continue // gone
		}
		if parent(w.PID) == h.PID {
			err = unix.PidfdSendSignal(fd, s, nil, 0)
		}
		_ = unix.Close(fd)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("cannot send %s to worker %d: %w", unix.SignalName(s), w.PID, err)
		}
	}
	return nil
}

// awaitRollout waits until the new workers serve, or have failed and the old
// ones stay.
func awaitRollout(ctx context.Context, h *runner.Handle) error {
	var since uint64
	for {
		st, err := h.Status(ctx, since)
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("the new workers of master %d were not ready after %s", h.PID, patience)
			}
			return err
		}
		since = st.Version
		if st.Rollout != 0 || st.State == runner.StateStarting {
			continue
		}
		if st.RolloutError != "" {
			return notReady(fmt.Errorf("the old workers of master %d keep serving: %s", h.PID, runner.WithoutPlace(st.RolloutError, st.Traceback)), st)
		}
		if st.State == runner.StateBackoff {
			return notReady(errors.New(runner.WithoutPlace(st.Reason, st.Traceback)), st)
		}
		return nil
	}
}
