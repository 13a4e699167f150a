package reconcile

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Loop is the one goroutine of a daemon that has the directory read, decides which apps to
// look at and feeds the watchdog: if it is stuck, so is the daemon. Make it with NewLoop; the
// functions are set before Run, and are called from several goroutines.
type Loop struct {
	Core       *Core
	Reconciler *Reconciler
	Supervisor *Supervisor
	Watcher    *Watcher
	Signals    *Signals
	// Tick is how often the directory is read again without an event. 0: 30 s.
	Tick time.Duration

	Watchdog         func() // called by the loop, each WatchdogInterval
	WatchdogInterval time.Duration
	ExtendTimeout    func(time.Duration) // asks whoever waits for the end for that much more time
	OnHangup         func(ctx context.Context)
	OnUpgrade        func()
	Loaded           func(set *hclspec.Set)                        // the directory was read, and can be
	Looked           func()                                        // the loop has looked at the directory
	Scope            func(spec *appspec.Spec, pid int)             // the limits of a spec hold for a master
	Started          func(spec *appspec.Spec)                      // a pass has started a master
	Told             func(app string, pid int, state runner.State) // by a master; empty: it has ended
	Touched          func(app string)                              // it is not what it was; empty: the faults of the directory are not

	events  chan func()   // run by the loop, which alone loads and compares
	adopted chan struct{} // closed when the first load has queued everything
	killed  chan struct{} // closed: end masters without waiting
	ending  atomic.Bool
	ours    sync.Map // masters that were started here and are not followed yet, by pid

	prev    map[string]said              // by app: what the directory said last; the loop's
	prevErr string                       // the loop's
	around  map[string]plan.Surroundings // by app, at the last load; the loop's
	seen    map[string]plan.Surroundings // the same, whatever became of that load; the loop's
	print   uint64                       // fingerprint of the directory at the last load; the loop's
	ticks   int                          // since the last load; the loop's
	loading bool                         // a load is under way; the loop's
	again   bool                         // another one is to follow it; the loop's
	waiting []func()                     // run by the loop after the next load; the loop's
	looping context.Context              // ends with the loop
	watched map[string]bool              // paths, by the last read; the loop's
	turnAt  int                          // the next app that a tick looks at; the loop's

	stateMu sync.Mutex
	states  map[string]string // last logged state by app
}

// NewLoop is one for a core, of which it sets what a daemon has beyond a command.
func NewLoop(c *Core) *Loop {
	l := &Loop{
		Core: c, Reconciler: NewReconciler(c.Pass, c.Now), Supervisor: newSupervisor(), Watcher: newWatcher(c.Dir.Path, c.Log),
		events: make(chan func()), adopted: make(chan struct{}), killed: make(chan struct{}),
		prev: map[string]said{}, states: map[string]string{},
	}
	c.Kill = l.killed
	c.Started, c.Updated, c.Followed = l.started, func(spec *appspec.Spec, pid int) { l.Scope(spec, pid) }, l.following
	l.Reconciler.After = l.after
	l.Supervisor.Changed, l.Supervisor.Ended, l.Supervisor.Hangs = l.changed, l.masterEnded, l.masterHangs
	return l
}

// Adopted is closed when the first load has queued every app.
func (l *Loop) Adopted() <-chan struct{} { return l.adopted }

// Ending tells that the apps are about to be ended.
func (l *Loop) Ending() bool { return l.ending.Load() }

// Life ends with the loop. It may be asked for once Run has begun.
func (l *Loop) Life() context.Context { return l.looping }

// Run is the loop, until ctx ends or a signal asks for the end.
func (l *Loop) Run(ctx context.Context) {
	every := l.Tick
	if every <= 0 {
		every = 30 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.looping = ctx
	tick := time.NewTicker(every)
	defer tick.Stop()
	blind := time.NewTicker(blindTick)
	defer blind.Stop()
	blind.Stop()
	looking := false // by blind
	var dog <-chan time.Time
	if l.WatchdogInterval > 0 {
		t := time.NewTicker(l.WatchdogInterval)
		defer t.Stop()
		dog = t.C
	}
	late := false // a read that was given up is over, and another one is to follow
	l.Core.Dir.Disk.OnAnswer(func() {
		l.Post(ctx, func() {
			if !late {
				late = true
				time.AfterFunc(freshLook, func() { l.Post(ctx, func() { late = false; l.Reread() }) })
			}
		})
	})
	l.Reread(func() {
		l.Adopt()
		close(l.adopted)
	})
	for {
		// What makes the watcher blind, or no more, is told of by an event.
		if is := l.Watcher.Blind(); is != looking {
			looking = is
			if blind.Stop(); is {
				blind.Reset(blindTick)
			}
		}
		select {
		case <-ctx.Done():
			return
		case f := <-l.events:
			f()
		case <-tick.C:
			l.poll()
			l.resync()
		case <-blind.C:
			l.poll()
		case <-dog:
			l.Watchdog()
		case <-l.Signals.Hangup:
			l.OnHangup(ctx)
		case <-l.Signals.Upgrade:
			l.OnUpgrade()
		case sig := <-l.Signals.End:
			l.Core.Log.Info("stopping", "signal", sig.String())
			return
		}
	}
}

// blindTick is how often the directory is looked at where nobody tells of changes.
const blindTick = 2 * time.Second

// Post has the loop run f; it is dropped when the daemon ends first.
func (l *Loop) Post(ctx context.Context, f func()) {
	select {
	case l.events <- f:
	case <-ctx.Done():
	}
}

// poll rereads the directory if it seems to have changed, and now and then
// if it does not. It runs in the loop.
func (l *Loop) poll() {
	if l.loading {
		return
	}
	l.ticks++
	l.read(l.ticks >= 10)
}

// Reread has the directory read by a load that begins after the call, and then
// runs what is given. It runs in the loop, as that does.
func (l *Loop) Reread(then ...func()) {
	l.waiting = append(l.waiting, then...)
	if l.loading {
		l.again = true
		return
	}
	l.read(true)
}

// read loads the directory, off the loop: a disk may not answer. Without force it
// does so only where something has changed.
func (l *Loop) read(force bool) {
	l.loading = true
	then, before, was := l.waiting, l.print, l.seen
	l.waiting = nil
	go func() {
		// Looked at before the load: what changes in between is seen at the next poll.
		set, err := l.Core.Dir.Snapshot()
		look, lookErr := l.Core.Dir.LookAt()
		now := l.Core.fingerprint(look, set)
		load := force || now != before || now == 0
		var around map[string]plan.Surroundings
		if !load && set != nil {
			around = l.Core.surroundings(l.Core.running(set))
			load = !maps.EqualFunc(around, was, plan.Surroundings.Same)
		}
		if load {
			set, err = l.Core.Dir.LoadBy(look, lookErr)
		}
		watched := map[string]bool{}
		var running []*appspec.Spec
		if set != nil {
			running = l.Core.running(set)
			watched = watchedPaths(set, running)
		}
		for _, path := range []string{l.Core.Store.Dir, l.Core.Store.LockPath(), l.Core.Store.SocketPath()} {
			watched[path] = true
		}
		fresh := l.refresh(slices.Collect(maps.Keys(watched))) // a watch may have ended without a word
		if load && set != nil {
			around = l.Core.surroundings(running)
			if err == nil {
				l.Loaded(set)
			}
		}
		l.Post(l.looping, func() {
			l.loading, l.watched = false, watched
			l.Looked()
			if fresh {
				ctx := l.looping
				time.AfterFunc(freshLook, func() { l.Post(ctx, l.poll) })
			}
			if load {
				l.print, l.seen, l.ticks = now, around, 0
				l.compare(set, err, around)
			}
			for _, f := range then {
				f()
			}
			if l.again {
				l.again = false
				l.read(true)
			}
		})
	}()
}

// freshLook is how long after something is watched for the first time it is looked at
// once more: what changed between its reading and its watch was told to nobody. So it is
// where a disk answers late: one that always does is not asked all the time.
const freshLook = 2 * time.Second

// refresh gives the watcher what to watch, and tells whether some of that is new. It
// does not wait for a disk that does not answer.
func (l *Loop) refresh(also []string) bool {
	fresh := make(chan bool, 1)
	go func() { fresh <- l.Watcher.Refresh(also...) }()
	select {
	case is := <-fresh:
		return is
	case <-time.After(specdir.DiskLimit):
		return true
	}
}

// compare queues the apps about which the directory says something else than
// before. It runs in the loop.
func (l *Loop) compare(set *hclspec.Set, err error, around map[string]plan.Surroundings) {
	var now map[string]said
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		now = whatIsSaid(set, l.prev, l.Core.Dir.Holds(set))
		for _, f := range set.Faults {
			text += f.Summary + "\n"
		}
	}
	if text != l.prevErr {
		l.prevErr = text
		l.logFaults(set, err)
		l.Touched("")
	}
	if err != nil || set.DefaultsBroken {
		// Nothing changes; what was read before stays what is compared with, so
		// that every app is looked at that has changed when this is mended.
		return
	}
	for n := range l.prev {
		if _, still := now[n]; !still {
			l.Reconciler.Enqueue(n, Intent{}, true)
			// What others have failed for may be what that one had: an address, a folder.
			l.Reconciler.TryAgain()
		}
	}
	for n, is := range now {
		if was := l.prev[n]; was.all != is.all {
			ord := Intent{}
			if was.spec == nil && was.all != "" && is.spec != nil { // it was broken, and is mended
				ord = again
			}
			l.Reconciler.Enqueue(n, ord, true)
			if len(l.prev) > 0 && is.spec != nil && was.own != is.own && l.Core.Dir.Holds(set) {
				l.Core.Log.Info("an edit waits for apply", "app", n, "file", is.spec.File, "next", "wsgid-fleet plan "+n+"; wsgid-fleet apply "+n)
			}
		}
	}
	for _, n := range l.Core.Sockets.Names() {
		if now[n].all == "" && l.prev[n].all == "" {
			// An earlier daemon has left its sockets, and nobody speaks of the app.
			l.Reconciler.Enqueue(n, Intent{}, false)
		}
	}
	l.prev = now
	for n, is := range around {
		if is.Disturbed(l.around[n]) {
			l.Reconciler.Enqueue(n, Intent{}, false)
		}
	}
	l.around = around
}

func (l *Loop) logFaults(set *hclspec.Set, err error) {
	if err != nil {
		l.Core.Log.Error(err.Error())
		return
	}
	for _, f := range set.Faults {
		if f.Lost {
			l.Core.Log.Error("apps are missing that were not removed by an edit", "file", f.File, "reason", f.Summary)
			continue
		}
		l.Core.Log.Error("broken spec", "file", f.File, "app", f.App, "reason", f.Summary,
			"next", "its apps keep their last good spec until the file is corrected")
	}
	if len(set.Faults) == 0 {
		l.Core.Log.Info("all specs are good")
	}
}

// Adopt queues everything once: the fleet as the last daemon left it.
func (l *Loop) Adopt() {
	for _, n := range l.Core.Dir.Names() {
		l.Reconciler.Enqueue(n, Intent{}, false)
	}
}

// resync looks at a twentieth of the apps: a folder that somebody damaged, a
// master that somebody else started. What apps that are gone have left goes.
func (l *Loop) resync() {
	all := l.Core.Dir.Names()
	for _, s := range l.Core.Dir.LeftDoors(all) {
		removeSocketFiles(l.Core.Log, map[*appspec.HTTPSocket]*appspec.Spec{&s: {}})
	}
	if len(all) == 0 {
		return
	}
	n := max(len(all)/20, min(len(all), 10))
	for range n {
		l.turnAt = (l.turnAt + 1) % len(all)
		l.Reconciler.Enqueue(all[l.turnAt], Intent{}, false)
	}
}
