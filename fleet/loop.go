package fleet

import (
	"context"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// loop is the one goroutine that has the directory read, decides which apps to
// look at and feeds the watchdog: if it is stuck, so is the daemon.
func (d *Daemon) loop(ctx context.Context) {
	every := d.Tick
	if every <= 0 {
		every = 30 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.looping = ctx
	tick := time.NewTicker(every)
	defer tick.Stop()
	blind := time.NewTicker(2 * time.Second)
	defer blind.Stop()
	var dog <-chan time.Time
	if d.Hooks.WatchdogInterval > 0 {
		t := time.NewTicker(d.Hooks.WatchdogInterval)
		defer t.Stop()
		dog = t.C
	}
	d.reread(func() {
		d.adopt()
		close(d.adopted)
	})
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-d.events:
			f()
		case <-tick.C:
			d.glance()
			d.rounds()
		case <-blind.C:
			if d.watch.Blind() {
				d.glance()
			}
		case <-dog:
			d.Hooks.watchdog()
		case <-d.signals.hangup:
			d.hangup(ctx)
		case <-d.signals.upgrade:
			d.upgrade()
		case sig := <-d.signals.end:
			d.e.log.Info("stopping", "signal", sig.String())
			return
		}
	}
}

// post has the loop run f; it is dropped when the daemon ends first.
func (d *Daemon) post(ctx context.Context, f func()) {
	select {
	case d.events <- f:
	case <-ctx.Done():
	}
}

// glance rereads the directory if it seems to have changed, and now and then
// if it does not. It runs in the loop.
func (d *Daemon) glance() {
	if d.loading {
		return
	}
	d.ticks++
	d.read(d.ticks >= 10)
}

// reread has the directory read by a load that begins after the call, and then
// runs what is given. It runs in the loop, as that does.
func (d *Daemon) reread(then ...func()) {
	d.waiting = append(d.waiting, then...)
	if d.loading {
		d.again = true
		return
	}
	d.read(true)
}

// read loads the directory, off the loop: a disk may not answer. Without force it
// does so only where something has changed.
func (d *Daemon) read(force bool) {
	d.loading = true
	then, before := d.waiting, d.print
	d.waiting = nil
	go func() {
		// Taken before the load: what changes in between is seen at the next glance.
		set, err := d.e.snapshot()
		now := d.e.fingerprint(set)
		load := force || now != before || now == 0
		if load {
			set, err = d.e.load()
		}
		var also []string
		var around map[string]plan.Surroundings
		if set != nil {
			also = watchedPaths(set)
		}
		also = append(also, d.e.store.Dir, d.e.store.LockPath(), d.e.store.SocketPath())
		fresh := d.refresh(also) // a watch may have ended without a word
		if load && set != nil {
			around = d.e.surroundings(set)
			if err == nil {
				d.wantCertificates(set)
			}
		}
		d.post(d.looping, func() {
			d.loading = false
			d.lookForSweep()
			if fresh {
				ctx := d.looping
				time.AfterFunc(freshLook, func() { d.post(ctx, d.glance) })
			}
			if load {
				d.print, d.ticks = now, 0
				d.compare(set, err, around)
			}
			for _, f := range then {
				f()
			}
			if d.again {
				d.again = false
				d.read(true)
			}
		})
	}()
}

// freshLook is how long after something is watched for the first time it is looked at
// once more: what changed between its reading and its watch was told to nobody.
const freshLook = 2 * time.Second

// refresh gives the watcher what to watch, and tells whether some of that is new. It
// does not wait for a disk that does not answer.
func (d *Daemon) refresh(also []string) bool {
	fresh := make(chan bool, 1)
	go func() { fresh <- d.watch.Refresh(also...) }()
	select {
	case is := <-fresh:
		return is
	case <-time.After(diskLimit):
		return true
	}
}

// compare queues the apps about which the directory says something else than
// before. It runs in the loop.
func (d *Daemon) compare(set *hclspec.Set, err error, around map[string]plan.Surroundings) {
	now, own := map[string]string{}, map[string]string{}
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		for n, s := range set.Specs {
			now[n] = s.File + "\x00" + runner.Digest(s)
			if d.e.holds(set) {
				own[n] = s.File + "\x00" + runner.Digest(ownPart(s))
			}
		}
		for _, f := range set.Faults {
			text += f.Summary + "\n"
			for _, n := range append([]string{f.App}, f.Apps...) {
				if n != "" && now[n] == "" {
					now[n] = "\x00" + f.Summary
				}
			}
		}
	}
	if text != d.prevErr {
		d.prevErr = text
		d.logFaults(set, err)
		d.board.touch("")
	}
	if err != nil || set.DefaultsBroken {
		// Nothing changes; what was read before stays what is compared with, so
		// that every app is looked at that has changed when this is mended.
		return
	}
	for n, was := range d.prev {
		if now[n] == "" && was != "" {
			d.rec.Enqueue(n, reconcile.Intent{}, true)
		}
	}
	for n, is := range now {
		if d.prev[n] != is {
			d.rec.Enqueue(n, reconcile.Intent{}, true)
			if len(d.prev) > 0 && d.e.holds(set) && set.Specs[n] != nil && d.prevOwn[n] != own[n] {
				d.e.log.Info("an edit waits for apply", "app", n, "file", set.Specs[n].File, "next", "wsgid-fleet plan "+n+"; wsgid-fleet apply "+n)
			}
		}
	}
	for _, n := range d.e.keep.Names() {
		if now[n] == "" && d.prev[n] == "" {
			// An earlier daemon has left its sockets, and nobody speaks of the app.
			d.rec.Enqueue(n, reconcile.Intent{}, false)
		}
	}
	d.prev, d.prevOwn = now, own
	for n, is := range around {
		if is.Disturbed(d.around[n]) {
			d.rec.Enqueue(n, reconcile.Intent{}, false)
		}
	}
	d.around = around
}

func (d *Daemon) logFaults(set *hclspec.Set, err error) {
	if err != nil {
		d.e.log.Error(err.Error())
		return
	}
	for _, f := range set.Faults {
		if f.Lost {
			d.e.log.Error("apps are missing that were not removed by an edit", "file", f.File, "reason", f.Summary)
			continue
		}
		d.e.log.Error("broken spec", "file", f.File, "app", f.App, "reason", f.Summary,
			"next", "its apps keep their last good spec until the file is corrected")
	}
	if len(set.Faults) == 0 {
		d.e.log.Info("all specs are good")
	}
}

// adopt queues everything once: the fleet as the last daemon left it.
func (d *Daemon) adopt() {
	for _, n := range d.e.names() {
		d.rec.Enqueue(n, reconcile.Intent{}, false)
	}
}

// rounds looks at a twentieth of the apps: a folder that somebody damaged, a
// master that somebody else started.
func (d *Daemon) rounds() {
	all := d.e.names()
	if len(all) == 0 {
		return
	}
	n := max(len(all)/20, min(len(all), 10))
	for range n {
		d.turnAt = (d.turnAt + 1) % len(all)
		d.rec.Enqueue(all[d.turnAt], reconcile.Intent{}, false)
	}
}

func (d *Daemon) hangup(ctx context.Context) {
	d.e.log.Info("reconciling", "signal", "hangup")
	d.Hooks.reloading()
	d.reread(func() {
		d.adopt()
		go func() {
			d.rec.QuietOrStuck(ctx, beginPatience)
			d.Hooks.ready()
		}()
	})
}

// pauseLimit is how long passes under way may take to come to an end before an
// upgrade.
const pauseLimit = 5 * time.Second

func (d *Daemon) upgrade() {
	if d.Hooks.Upgrade == nil {
		d.e.log.Error("cannot upgrade in place: this program was built without support for it")
		return
	}
	// The process and its sockets stay: a deploy of many minutes is worth the wait.
	if apps := d.deploys.whenOver(func() { d.post(d.looping, d.upgrade) }); apps != "" {
		d.e.log.Info("the program is re-executed when the deploys in progress have finished", "signal", "user defined signal 2", "apps", apps)
		return
	}
	d.e.log.Info("re-executing the program", "signal", "user defined signal 2")
	// The new program takes over what it finds: nothing is left half done for it,
	// if that takes no longer than an operator waits.
	if !d.rec.Pause(pauseLimit) {
		d.e.log.Warn("apps are still being changed; the new program finishes that")
	}
	defer d.rec.Resume()
	if d.signals.ending() {
		d.e.log.Info("not re-executed: the daemon was asked to stop")
		return
	}
	if err := d.Hooks.Upgrade(d); err != nil {
		d.e.log.Error("cannot upgrade in place", "err", err, "next", "the running program continues")
	}
}
