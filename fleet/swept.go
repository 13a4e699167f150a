package fleet

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// The state directory may be swept away under a running daemon. What holds is what
// runs: the daemon makes its lock and its socket anew, has its masters note
// themselves anew, and never takes an app for one without a master while it follows
// one.

// sweptPatience is how long after a sight of it the state directory is made anew:
// who sweeps it comes to his end first.
const sweptPatience = time.Second

// swept tells that something of the daemon's own is gone from the state directory.
func (d *Daemon) swept() bool {
	if !state.SameFile(d.lock, d.core.Store.LockPath()) {
		return true
	}
	for _, path := range []string{d.core.Store.SocketPath(), d.core.Store.AppsDir(), d.core.Store.Data} {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return d.loop.Supervisor.Swept() || d.core.Holder.Swept()
}

// heal makes the state directory anew. It runs in the loop.
func (d *Daemon) heal(ctx context.Context) {
	d.healing = false
	if !d.swept() || d.loop.Ending() {
		return
	}
	s := d.core.Store
	d.core.Log.Warn("files of the state directory were removed or damaged; recreating them", "dir", s.Dir)
	fail := func(err error) {
		d.core.Log.Error("cannot recreate the state directory", "dir", s.Dir, "err", err, "next", "retrying")
	}
	if err := s.MakeDirs(); err != nil {
		fail(err)
		return
	}
	if !state.SameFile(d.lock, s.LockPath()) {
		lock, err := s.LockDaemon()
		if err != nil {
			fail(err)
			return
		}
		_ = d.lock.Close()
		d.lock = lock
	}
	if _, err := os.Lstat(s.SocketPath()); err != nil {
		ln, err := listenControl(s.SocketPath())
		if err != nil {
			fail(err)
			return
		}
		go d.serve(ctx, ln)
	}
	d.core.Holder.Restore()
	_ = putNotice(s, d.core.opts.Dir)
	go func() {
		apps, err := d.core.Restore(ctx)
		if len(apps) > 0 {
			d.core.Log.Warn("masters write their records again", "apps", apps)
		}
		if err != nil {
			fail(err)
		}
		d.loop.Post(ctx, d.loop.Adopt)
	}()
}

// lookForSweep has the state directory made anew in a moment, if that is needed.
// It runs in the loop.
func (d *Daemon) lookForSweep() {
	if d.healing || !d.swept() {
		return
	}
	d.healing = true
	ctx := d.loop.Life()
	time.AfterFunc(sweptPatience, func() { d.loop.Post(ctx, func() { d.heal(ctx) }) })
}
