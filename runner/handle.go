package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/stem"
)

// Handle is a live master, proved to be the one of its record. Its methods
// speak to the master's control socket and fail with an error that names app
// and pid where it does not answer.
type Handle struct {
	control.Record
	// Stderr is what is handed over with a spec of log.target = "stderr". nil: there
	// is none, as in a command, which ends before the master; it keeps what it has.
	Stderr *os.File
	dir    string // <state>/apps/<app>

	foreground bool // whoever started it waits for how it ends
}

// StartOptions is what StartMaster needs.
type StartOptions struct {
	Spec       *appspec.Spec
	StateDir   string
	DataDir    string // holds ServedFile; empty: the state directory does
	Generation int
	// Listeners are open listening sockets by their listen string; those of the
	// spec that are missing here are opened by StartMaster. The files stay the
	// caller's.
	Listeners map[string]*os.File
	// Foreground keeps the master a child that logs to our standard error
	// instead of a daemon (wsgid --no-daemon).
	Foreground bool
	// Stderr is where log.target = "stderr" writes. nil: nowhere, as in a command: the
	// journal takes the log if one answers, else a file.
	Stderr *os.File
	// Standby makes the master take requests only when it is ready to serve them:
	// another master serves the same sockets until then.
	Standby bool
	// Zygote, if set, tells how a master is forked beside a process with Python that
	// its workers are forked from, or why it is executed, as it is without. The last is
	// the environment that all workers begin with.
	Zygote func(spec *appspec.Spec, user sandbox.User, hostDir string, env []string) *stem.Fork
}

// ask sends one request and reads its answer, with descriptors if any come.
func (h *Handle) ask(ctx context.Context, what string, req *control.Request) (control.Answer, []int, error) {
	var ans control.Answer
	fail := func(err error) (control.Answer, []int, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return ans, nil, fmt.Errorf("cannot %s master %d of %s: %w", what, h.PID, h.App, err)
	}
	c, err := control.Dial(control.SocketPath(h.dir, h.PID))
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	b, err := json.Marshal(req)
	if err != nil {
		return fail(err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(control.Timeout))
	var oob []byte
	if (req.Op == "stderr" || req.Spec != nil && req.Spec.Log.Target == "stderr") && h.Stderr != nil {
		oob = unix.UnixRights(int(h.Stderr.Fd())) // the master's own may lead nowhere
	}
	b = append(b, '\n')
	n, _, err := c.WriteMsgUnix(b, oob, nil)
	if err == nil && n < len(b) {
		_, err = c.Write(b[n:])
	}
	if err != nil {
		return fail(err)
	}
	if req.Since == 0 {
		_ = c.SetReadDeadline(time.Now().Add(control.Timeout))
	} else {
		_ = c.SetWriteDeadline(time.Time{}) // its timer would wake us while we wait
	}
	r := control.NewRightsReader(c)
	line, err := control.ReadLine(bufio.NewReader(r))
	fds := r.Take()
	if err == nil {
		err = appspec.JSONReason(json.Unmarshal(line, &ans))
	}
	if err == nil && ans.Error != "" {
		err = errors.New(ans.Error)
	}
	if err != nil {
		evloop.CloseAll(fds)
		return fail(err)
	}
	return ans, fds, nil
}

// Status asks for the state. With since > 0 it waits until Version is greater
// than since, or ctx ends.
func (h *Handle) Status(ctx context.Context, since uint64) (control.Status, error) {
	ans, fds, err := h.ask(ctx, "ask", &control.Request{Op: "status", Since: since})
	evloop.CloseAll(fds)
	if err != nil {
		return control.Status{}, err
	}
	if ans.Status == nil {
		return control.Status{}, fmt.Errorf("cannot ask master %d of %s: it sent no status", h.PID, h.App)
	}
	return *ans.Status, nil
}

// Ping asks for a sign of life, and for totals: nil, if they are not wanted, or of a
// release from before them. A master of a release from before Ping tells its state.
func (h *Handle) Ping(ctx context.Context, totals bool) (*control.Totals, error) {
	ans, fds, err := h.ask(ctx, "ask", &control.Request{Op: "ping", Totals: totals})
	evloop.CloseAll(fds)
	if ans.Error == control.NoSuchOperation("ping") {
		_, err = h.Status(ctx, 0)
	}
	return ans.Totals, err
}

// do asks for something that has no answer but success.
func (h *Handle) do(ctx context.Context, what string, req *control.Request) error {
	_, fds, err := h.ask(ctx, what, req)
	evloop.CloseAll(fds)
	return err
}

// Update hands over a new spec whose changes are at most Rolling. With rolling
// the workers are replaced, new ones first. It returns when the master has
// taken the spec over, not when the rollout is done.
func (h *Handle) Update(ctx context.Context, spec *appspec.Spec, generation int, rolling bool) error {
	return h.do(ctx, "update", &control.Request{Op: "update", Spec: spec, Generation: generation, Rolling: rolling})
}

// HandStderr hands over Stderr, as Update does, to a master whose spec wants it.
func (h *Handle) HandStderr(ctx context.Context) error {
	return h.do(ctx, "hand standard error to", &control.Request{Op: "stderr"})
}

// Reload replaces all workers, new ones first.
func (h *Handle) Reload(ctx context.Context) error {
	return h.do(ctx, "reload", &control.Request{Op: "reload"})
}

// Scale sets the numbers of workers until the next Update.
func (h *Handle) Scale(ctx context.Context, minimum, maximum int) error {
	return h.do(ctx, "scale", &control.Request{Op: "scale", Min: minimum, Max: maximum})
}

// Retry makes a worker that waits for its back-off start at once.
func (h *Handle) Retry(ctx context.Context) error {
	return h.do(ctx, "retry", &control.Request{Op: "retry"})
}

// Trigger has a schedule run now, once whoever is asked how often with the same order.
// It returns when the run has begun, or is refused.
func (h *Handle) Trigger(ctx context.Context, schedule, order string) (control.Triggered, error) {
	ans, fds, err := h.ask(ctx, "trigger a schedule of", &control.Request{Op: "trigger", Schedule: schedule, Order: order})
	evloop.CloseAll(fds)
	if ans.Error == control.NoSuchOperation("trigger") {
		return control.Triggered{Refused: fmt.Sprintf("master %d of %s is of a release from before trigger: run wsgid-fleet restart %s, and then this again", h.PID, h.App, h.App)}, nil
	}
	if err == nil && ans.Triggered == nil {
		err = fmt.Errorf("cannot trigger a schedule of master %d of %s: it did not report the result", h.PID, h.App)
	}
	if err != nil {
		return control.Triggered{}, err
	}
	return *ans.Triggered, nil
}

// Stacks asks where the threads are that are at requests.
func (h *Handle) Stacks(ctx context.Context) ([]control.ThreadStack, error) {
	ans, fds, err := h.ask(ctx, "get stacks of", &control.Request{Op: "stacks"})
	evloop.CloseAll(fds)
	if ans.Error == control.NoSuchOperation("stacks") {
		return nil, fmt.Errorf("cannot get stacks of master %d of %s: it is of a release from before that: run wsgid-fleet restart %s, and then this again", h.PID, h.App, h.App)
	}
	return ans.Stacks, err
}

// Challenge has a gate answer a certificate authority by c, and by nothing else, from
// its return on; nil: there is nothing to be answered.
func (h *Handle) Challenge(ctx context.Context, c *gate.Challenges) error {
	return h.do(ctx, "tell challenges to", &control.Request{Op: "challenges", Challenges: c})
}

// Drain makes the master stop accepting, finish what it has accepted and end.
// With a successor it hands its idle connections to that master. Drain returns
// at once; Wait tells the end.
func (h *Handle) Drain(ctx context.Context, successor *Handle) error {
	req := &control.Request{Op: "drain"}
	if successor != nil {
		req.Successor = control.SocketPath(successor.dir, successor.PID)
	}
	err := h.do(ctx, "drain", req)
	if err != nil && errors.Is(err, fs.ErrNotExist) && h.Alive() {
		return h.signal(unix.SIGTERM) // its socket was swept away
	}
	return err
}

// Listeners fetches duplicates of the master's listening sockets by their
// listen string. The caller closes them.
func (h *Handle) Listeners(ctx context.Context) (map[string]*os.File, error) {
	ans, fds, err := h.ask(ctx, "get sockets of", &control.Request{Op: "listeners"})
	if err != nil {
		return nil, err
	}
	if len(fds) != len(ans.Listeners) {
		evloop.CloseAll(fds)
		return nil, fmt.Errorf("cannot get sockets of master %d of %s: received %d, expected %d", h.PID, h.App, len(fds), len(ans.Listeners))
	}
	files := map[string]*os.File{}
	for i, name := range ans.Listeners {
		files[name] = listen.File(fds[i], name)
	}
	return files, nil
}

// pidfd opens the process, proved to be the one of the record.
func (h *Handle) pidfd() (int, error) {
	fd, err := unix.PidfdOpen(h.PID, 0)
	if err != nil {
		return -1, err
	}
	if !h.Alive() {
		_ = unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

// Wait blocks until the process is gone or ctx ends.
func (h *Handle) Wait(ctx context.Context) error {
	fd, err := h.pidfd()
	for wait := 10 * time.Millisecond; appdir.Exhausted(err); fd, err = h.pidfd() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		}
	}
	if err != nil { // it is gone; one that is not root any more leaves its record to us
		h.Remove(h.dir)
		return nil
	}
	if err := h.awaitEnd(ctx, fd); err != nil {
		return err
	}
	h.Remove(h.dir)
	return nil
}

// reap lets the number of a child go when it has ended, whoever waits for it or does not.
func (h *Handle) reap() {
	fd, err := unix.PidfdOpen(h.PID, 0)
	if err != nil {
		evloop.Reap(h.PID)
		return
	}
	_ = h.awaitEnd(context.Background(), fd)
}

// awaitEnd blocks until the process of a pidfd has ended or ctx ends, and closes the pidfd.
// It waits in the runtime's poller: a system call that waits holds a thread for each master,
// which was a third of the memory that a daemon needs for an app.
func (h *Handle) awaitEnd(ctx context.Context, pidfd int) error {
	_ = unix.SetNonblock(pidfd, true)
	f := os.NewFile(uintptr(pidfd), "pidfd")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot wait for master %d of %s: %w", h.PID, h.App, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = raw.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		if err != nil || n == 0 {
			return false
		}
		if !h.foreground {
			// Ours it may be also where this program was executed anew since it started it:
			// then nobody else waits for it.
			_ = unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED|unix.WNOHANG, nil)
		}
		return true
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("cannot wait for master %d of %s: %w", h.PID, h.App, err)
	}
	return nil
}

// Kill ends the master and its workers at once (SIGKILL through a pidfd).
func (h *Handle) Kill() error {
	fd, err := h.pidfd()
	if appdir.Exhausted(err) {
		return fmt.Errorf("cannot kill master %d of %s: %w", h.PID, h.App, err)
	}
	if err != nil {
		return nil // it is gone
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fmt.Errorf("cannot kill master %d of %s: %w", h.PID, h.App, err)
	}
	return nil
}
