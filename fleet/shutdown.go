package fleet

import (
	"context"
	"time"
)

// shutPatience is how long passes under way may take to come to an end before the apps
// are drained.
const shutPatience = 2 * time.Second

// deployPatience is how long deploys that were ended in the middle may take to say so,
// to who waits for them and in the logbook. What comes too late the next daemon writes.
const deployPatience = 5 * time.Second

// shutdown drains and stops every app. A further TERM or INT ends them at once.
func (d *Daemon) shutdown() {
	d.ending.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// An app that is held up, as by a disk, keeps its lock, and its own end alone
		// waits for it.
		d.rec.Shut()
		ctx, cancel := context.WithTimeout(context.Background(), shutPatience)
		d.rec.Quiet(ctx)
		cancel()
		all := d.e.names()
		parallel(len(all), 64, func(i int) { d.drain(all[i]) })
		d.rec.Close()
	}()
	for {
		select {
		case <-done:
			return
		case sig := <-d.signals.end:
			select {
			case <-d.killed:
			default:
				d.e.log.Warn("killing all apps", "signal", sig.String())
				close(d.killed)
			}
		case <-d.events: // somebody still waits for a reread
		case <-time.After(5 * time.Second):
			d.Hooks.extendTimeout(30 * time.Second)
		}
	}
}

// drain stops one app because the daemon ends: the next daemon starts it again.
func (d *Daemon) drain(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	unlock, err := d.e.store.LockApp(ctx, name)
	if err != nil {
		d.e.log.Error("cannot stop app", "app", name, "err", err)
		return
	}
	defer unlock()
	o := d.e.Observe(ctx, name, nil)
	if len(o.Masters) == 0 && o.FindErr == nil {
		return
	}
	if err := d.e.applier(name, func(f func()) { f() }).Stop(ctx, o); err != nil {
		d.e.log.Error("cannot stop app", "app", name, "err", err)
	}
}
