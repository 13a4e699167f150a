package reconcile

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// shutPatience is how long passes under way may take to come to an end before the apps
// are drained.
const shutPatience = 2 * time.Second

// drainWidth is how many apps are drained at a time.
const drainWidth = 64

// Shutdown drains and stops every app. A further TERM or INT ends them at once.
func (l *Loop) Shutdown() {
	l.ending.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// An app that is held up, as by a disk, keeps its lock, and its own end alone
		// waits for it.
		l.Reconciler.Shut()
		ctx, cancel := context.WithTimeout(context.Background(), shutPatience)
		l.Reconciler.Quiet(ctx)
		cancel()
		all := l.Core.Dir.Names()
		var drains errgroup.Group
		drains.SetLimit(drainWidth)
		for _, n := range all {
			drains.Go(func() error { l.drain(n); return nil })
		}
		_ = drains.Wait()
		l.Reconciler.Close()
	}()
	for {
		select {
		case <-done:
			return
		case sig := <-l.Signals.End:
			select {
			case <-l.killed:
			default:
				l.Core.Log.Warn("killing all apps", "signal", sig.String())
				close(l.killed)
			}
		case <-l.events: // somebody still waits for a reread
		case <-time.After(5 * time.Second):
			l.ExtendTimeout(30 * time.Second)
		}
	}
}

// exhaustedPatience is how long an app that cannot be stopped for want of descriptors or memory
// is tried again: the others that are being stopped give some back.
const exhaustedPatience = time.Minute

// drain stops one app because the daemon ends: the next daemon starts it again.
func (l *Loop) drain(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	err := l.stop(ctx, name)
	for wait := soon; appdir.Exhausted(err) && time.Since(began) < exhaustedPatience; wait = min(2*wait, time.Second) {
		time.Sleep(wait)
		err = l.stop(ctx, name)
	}
	if err != nil {
		l.Core.Log.Error("cannot stop app", "app", name, "err", err)
	}
}

func (l *Loop) stop(ctx context.Context, name string) error {
	unlock, err := l.Core.Store.LockApp(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	o := l.Core.Observe(ctx, name, l.Core.Store.Load(name), nil)
	switch {
	case appdir.Exhausted(o.Unknown): // nobody knows what there is
		return o.Unknown
	case len(o.Masters) == 0 && o.FindErr == nil:
		return nil
	}
	return l.Core.Applier(name, func(f func()) { f() }).Stop(ctx, o)
}
