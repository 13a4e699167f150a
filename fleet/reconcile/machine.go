package reconcile

import (
	"context"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/zygote"
)

// Machine starts masters and finds them. It exists apart from package runner
// so that what happens to a thousand masters can be tested without them.
type Machine interface {
	Start(ctx context.Context, o runner.StartOptions) (Handle, error)
	Find(stateDir, app string) ([]Handle, error)
	// Restore has the masters that the state directory has lost noted there anew. Those
	// that cannot are returned apart. An error tells that there may be more.
	Restore(ctx context.Context, stateDir string) (apps []string, mute []Handle, err error)
}

// Handle is one live master: runner.Handle, whose documentation holds.
type Handle interface {
	Recorded() runner.Record
	Status(ctx context.Context, since uint64) (runner.Status, error)
	Ping(ctx context.Context, totals bool) (*runner.Totals, error)
	Update(ctx context.Context, spec *appspec.Spec, generation int, rolling bool) error
	Reload(ctx context.Context) error
	Scale(ctx context.Context, minimum, maximum int) error
	Retry(ctx context.Context) error
	Trigger(ctx context.Context, schedule, order string) (runner.Triggered, error)
	Stacks(ctx context.Context) ([]runner.ThreadStack, error)
	DrainTo(ctx context.Context, successor Handle) error
	Listeners(ctx context.Context) (map[string]*os.File, error)
	Adopt(ctx context.Context, listen string, conns []*os.File) error
	Wait(ctx context.Context) error
	Kill() error
	Alive() bool
}

// Processes is the machine. stderr is where apps of log.target = "stderr" log;
// nil: nowhere, as we do not stay. Then there are no zygotes, either.
type Processes struct {
	Stderr  *os.File
	Zygotes *zygote.Set
}

// Start implements Machine.
func (r Processes) Start(ctx context.Context, o runner.StartOptions) (Handle, error) {
	o.Stderr = r.Stderr
	if r.Zygotes != nil {
		o.Zygote = r.Zygotes.Prepare
	}
	h, err := runner.StartMaster(ctx, o)
	if err != nil {
		return nil, err
	}
	return Process{h}, nil
}

// Find implements Machine.
func (r Processes) Find(stateDir, app string) ([]Handle, error) {
	hs, err := runner.FindMasters(stateDir, app)
	if err != nil {
		return nil, err
	}
	ms := make([]Handle, len(hs))
	for i, h := range hs {
		h.Stderr = r.Stderr
		ms[i] = Process{h}
	}
	return ms, nil
}

// restoreLimit is how long masters may take to note themselves anew.
const restoreLimit = 2 * time.Second

// Restore implements Machine.
func (r Processes) Restore(ctx context.Context, stateDir string) (apps []string, mute []Handle, err error) {
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	lost, err := runner.FindSwept(stateDir)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range lost {
		rerr := h.Restore()
		if err := exhaustion(rerr); err != nil {
			return apps, nil, err
		}
		if rerr == nil {
			apps = append(apps, h.App)
		}
	}
	for _, h := range lost {
		for h.Swept() && h.Alive() && ctx.Err() == nil {
			Pause(ctx, 5*time.Millisecond)
		}
		if h.Swept() && h.Alive() {
			h.Stderr = r.Stderr
			mute = append(mute, Process{h})
		}
	}
	return apps, mute, nil
}

// Process is a real master.
type Process struct{ *runner.Handle }

// Recorded implements Handle.
func (m Process) Recorded() runner.Record { return m.Record }

// DrainTo implements Handle.
func (m Process) DrainTo(ctx context.Context, successor Handle) error {
	var s *runner.Handle
	if r, ok := successor.(Process); ok {
		s = r.Handle
	}
	return m.Drain(ctx, s)
}

// damaged tells that a master was found though its record is damaged, or it cannot be
// asked.
func damaged(m Handle) bool {
	r, ok := m.(Process)
	return ok && r.Swept() && r.Alive()
}

// HandStderr gives a master that was started by a command, or by an earlier daemon,
// our standard error to log to, if its spec wants that.
func HandStderr(ctx context.Context, spec *appspec.Spec, m Handle) error {
	r, ok := m.(Process)
	if !ok || spec.Log.Target != "stderr" {
		return nil
	}
	return r.HandStderr(ctx)
}
