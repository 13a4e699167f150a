package fleet

import (
	"context"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/zygote"
)

// machine starts masters and finds them. It exists apart from package runner
// so that what happens to a thousand masters can be tested without them.
type machine interface {
	start(ctx context.Context, o runner.StartOptions) (master, error)
	find(stateDir, app string) ([]master, error)
	// restore has the masters that the state directory has lost noted there anew. Those
	// that cannot are returned apart. An error tells that there may be more.
	restore(ctx context.Context, stateDir string) (apps []string, mute []master, err error)
}

// master is one live master: runner.Handle, whose documentation holds.
type master interface {
	record() runner.Record
	Status(ctx context.Context, since uint64) (runner.Status, error)
	Update(ctx context.Context, spec *appspec.Spec, generation int, rolling bool) error
	Reload(ctx context.Context) error
	Scale(ctx context.Context, minimum, maximum int) error
	Retry(ctx context.Context) error
	Trigger(ctx context.Context, schedule, order string) (runner.Triggered, error)
	drain(ctx context.Context, successor master) error
	Listeners(ctx context.Context) (map[string]*os.File, error)
	Adopt(ctx context.Context, listen string, conns []*os.File) error
	Wait(ctx context.Context) error
	Kill() error
	Alive() bool
}

// realMachine is the machine. stderr is where apps of log.target = "stderr" log;
// nil: nowhere, as we do not stay. Then there are no zygotes, either.
type realMachine struct {
	stderr  *os.File
	zygotes *zygote.Set
}

func (r realMachine) start(ctx context.Context, o runner.StartOptions) (master, error) {
	o.Stderr = r.stderr
	if r.zygotes != nil {
		o.Zygote = r.zygotes.Prepare
	}
	h, err := runner.StartMaster(ctx, o)
	if err != nil {
		return nil, err
	}
	return realMaster{h}, nil
}

func (r realMachine) find(stateDir, app string) ([]master, error) {
	hs, err := runner.FindMasters(stateDir, app)
	if err != nil {
		return nil, err
	}
	ms := make([]master, len(hs))
	for i, h := range hs {
		h.Stderr = r.stderr
		ms[i] = realMaster{h}
	}
	return ms, nil
}

// restoreLimit is how long masters may take to note themselves anew.
const restoreLimit = 2 * time.Second

func (r realMachine) restore(ctx context.Context, stateDir string) (apps []string, mute []master, err error) {
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
			pause(ctx, 5*time.Millisecond)
		}
		if h.Swept() && h.Alive() {
			h.Stderr = r.stderr
			mute = append(mute, realMaster{h})
		}
	}
	return apps, mute, nil
}

type realMaster struct{ *runner.Handle }

func (m realMaster) record() runner.Record { return m.Record }

func (m realMaster) drain(ctx context.Context, successor master) error {
	var s *runner.Handle
	if r, ok := successor.(realMaster); ok {
		s = r.Handle
	}
	return m.Drain(ctx, s)
}

// handStderr gives a master that was started by a command, or by an earlier daemon,
// our standard error to log to, if its spec wants that.
func (d *Daemon) handStderr(ctx context.Context, spec *appspec.Spec, m master) {
	r, ok := m.(realMaster)
	if !ok || spec.Log.Target != "stderr" {
		return
	}
	if err := r.HandStderr(ctx); err != nil {
		d.e.log.Warn("cannot take the log of a master", "app", spec.Name, "err", err)
	}
}
