package fleet

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
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
	if !state.SameFile(d.lock, d.e.store.LockPath()) {
		return true
	}
	for _, path := range []string{d.e.store.SocketPath(), d.e.store.AppsDir(), d.e.store.Data} {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return d.sup.Swept() || d.e.holder.Swept()
}

// heal makes the state directory anew. It runs in the loop.
func (d *Daemon) heal(ctx context.Context) {
	d.healing = false
	if !d.swept() || d.ending.Load() {
		return
	}
	s := d.e.store
	d.e.log.Warn("files of the state directory were removed or damaged; recreating them", "dir", s.Dir)
	fail := func(err error) {
		d.e.log.Error("cannot recreate the state directory", "dir", s.Dir, "err", err, "next", "retrying")
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
	d.e.holder.Restore()
	_ = putNotice(s, d.e.opts.Dir)
	go func() {
		apps, err := d.e.restore(ctx)
		if len(apps) > 0 {
			d.e.log.Warn("masters write their records again", "apps", apps)
		}
		if err != nil {
			fail(err)
		}
		d.post(ctx, d.adopt)
	}()
}

// lookForSweep has the state directory made anew in a moment, if that is needed.
// It runs in the loop.
func (d *Daemon) lookForSweep() {
	if d.healing || !d.swept() {
		return
	}
	d.healing = true
	ctx := d.looping
	time.AfterFunc(sweptPatience, func() { d.post(ctx, func() { d.heal(ctx) }) })
}

// errSwept is what is wrong with a master that cannot be asked any more.
var errSwept = errors.New("its control socket is gone, and it cannot recreate it")

// restore has the masters that the state directory has lost note themselves anew, and
// keeps those in mind that cannot: no other one is started beside them.
func (e *engine) restore(ctx context.Context) (apps []string, err error) {
	apps, mute, err := e.machine.Restore(ctx, e.store.Dir)
	if err != nil {
		return apps, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.mutes
	e.mutes = mute
	for _, m := range mute {
		if slices.ContainsFunc(known, sameMaster(m)) {
			continue
		}
		e.log.Error("a master lost its control socket and cannot recreate it", "app", m.Recorded().App, "pid", m.Recorded().PID,
			"next", "no second one is started; it is replaced, or stopped with: wsgid-fleet stop "+m.Recorded().App)
	}
	return apps, nil
}

// unseen completes what was found of an app's masters: those that the state directory
// does not know, or knows wrongly, are asked to note themselves anew. Those that
// cannot are returned apart. An error tells that it cannot be known which.
func (e *engine) unseen(ctx context.Context, name string, found []reconcile.Handle) (all, mute []reconcile.Handle, err error) {
	if len(e.lost(name, found)) == 0 && !slices.ContainsFunc(found, reconcile.Damaged) {
		return found, nil, nil
	}
	_ = e.store.Make(name)
	_, err = e.restore(ctx)
	now, ferr := e.machine.Find(e.store.Dir, name)
	if ferr == nil {
		found = now
	}
	if err = errors.Join(reconcile.Exhaustion(err), reconcile.Exhaustion(ferr)); err != nil {
		return nil, nil, err
	}
	return found, e.lost(name, found), nil
}

// lost are the masters of an app that are known, live, and are not among those.
func (e *engine) lost(name string, found []reconcile.Handle) (out []reconcile.Handle) {
	e.mu.Lock()
	known := slices.Clone(e.mutes)
	e.mu.Unlock()
	for _, m := range append(known, e.followed(name)...) {
		if m.Recorded().App == name && m.Alive() && !slices.ContainsFunc(found, sameMaster(m)) && !slices.ContainsFunc(out, sameMaster(m)) {
			out = append(out, m)
		}
	}
	return out
}

func sameMaster(m reconcile.Handle) func(reconcile.Handle) bool {
	return func(f reconcile.Handle) bool { return f.Recorded().PID == m.Recorded().PID }
}

// memory is what a process knows of an app beside the store.
type memory struct {
	spec     *appspec.Spec
	override state.Override
}

// memorize keeps what must not be lost with the data directory either.
func (e *engine) memorize(name string, w plan.Want, rem state.AppState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.Spec == nil {
		delete(e.memories, name)
		return
	}
	e.memories[name] = memory{w.Spec, rem.Override}
}

// memorizeOrder keeps an order of the operator that was just written down.
func (e *engine) memorizeOrder(name string, o state.Override) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m, ok := e.memories[name]; ok {
		m.override = o
		e.memories[name] = m
	}
}

// remind adds what was swept away with the data directory, or is damaged there, and
// tells whether that is so. Files go one by one: an order may be gone while the spec is
// still there. Beside a daemon nobody else withdraws one; a command may have another
// beside it.
func (e *engine) remind(name string, rem *state.AppState) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ok := e.memories[name]
	withdrawn := e.keep == nil || !rem.Override.Empty() || m.override.Empty()
	if rem.LastGood != nil && !rem.Disordered && withdrawn {
		return false
	}
	if ok && rem.LastGood == nil {
		rem.LastGood = m.spec
	}
	if ok {
		rem.Override = m.override
	}
	return ok
}

// saveReminded writes it down again: the spec last, as it is what remind goes by.
func (e *engine) saveReminded(name string, rem state.AppState) {
	err := e.store.SaveOverride(name, rem.Override)
	if err == nil {
		err = e.store.SaveSpec(rem.LastGood)
	}
	if err != nil {
		e.log.Error(err.Error(), "app", name)
	}
}
