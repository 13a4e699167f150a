package fleet

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
)

// Local is an Operator that does everything in this process. The masters that
// it starts outlive it; nobody retries what fails.
type Local struct{ operations }

// OpenLocal opens the state directory. It does not look whether a daemon runs:
// Connect does. Without a Log in the options what happens is told by events and
// results alone.
func OpenLocal(o Options) (*Local, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e, err := newCore(o)
	if err != nil {
		return nil, err
	}
	e.Store.TakeOver(e.Log)
	if _, err := e.Restore(context.Background()); err != nil {
		e.Log.Warn("cannot look for masters missing from the state directory", "err", err)
	}
	// Of a daemon that was killed: the apps that it was waiting for on our behalf.
	if c, err := sockets.DialHolder(e.Store.Dir); err == nil {
		_ = c.Close()
		e.Sockets = sockets.NewStore(func(string, map[string]*os.File) {})
	}
	slots := reconcile.NewSlots()
	l := &Local{}
	l.operations = operations{
		core:   e,
		reread: func(context.Context) (*hclspec.Set, error) { return e.Dir.Load() },
		daemon: func() *DaemonStatus { return nil },
		life:   context.Background(),

		sweeping: &sync.WaitGroup{},
		pass: func(ctx context.Context, name string, ord reconcile.Intent) reconcile.Outcome {
			slots.Take()
			defer slots.Give()
			if e.Sockets != nil {
				// A daemon that runs since has the holder for itself: it would not answer us.
				if !e.Store.DaemonHolds() {
					if files := sockets.TakeHeld(e.Store.Dir, name); files != nil {
						e.Sockets.Keep(name, files)
					}
				}
				defer e.Sockets.Drop(name)
			}
			return e.Pass(ctx, name, ord, slots.Idle)
		},
	}
	return l, nil
}

// Close waits until what deploys have put aside is removed. A Local holds nothing
// else between its calls.
func (l *Local) Close() error {
	l.sweeping.Wait()
	return nil
}
