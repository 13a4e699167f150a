package fleet

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/metrics"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/zygote"
)

// Daemon is wsgid-fleet run: it converges, then follows every change. New, set
// fields, Run.
type Daemon struct {
	Hooks     Hooks
	Inherited systemd.Inherited // what came with the process; the files become the daemon's
	// Tick is how often the directory is read again without an event. 0: 30 s.
	Tick time.Duration
	// Pulse is how often a master that says nothing is asked whether it lives.
	// 0: 15 s.
	Pulse time.Duration
	// Extra is served on the control socket beside the daemon's own paths. May be
	// nil.
	Extra http.Handler
	// Metrics is the host:port on which metrics are served over HTTP, besides
	// /metrics of the control socket. Empty: nowhere.
	Metrics string
	// Console, if set, is run beside the rest until its context ends, with the fleet
	// as it shows it.
	Console func(context.Context, *Served)

	opts    Options
	zygotes *zygote.Set // nil: there are none
	named   bool        // a directory was named, see Options.neighbour
	core    *core
	loop    *reconcile.Loop
	lock    *os.File // held until the process ends
	since   time.Time
	earlier []int           // children of the program that executed this one in its place
	life    context.Context // ends when the apps are about to be ended
	cache   *statusCache
	signals *reconcile.Signals
	metrics metrics.Server
	// beginPatience, if set, is in place of that constant.
	beginPatience time.Duration
	// grace, if set, is how long an app must be missing to be gone.
	grace     time.Duration
	certs     *certs.Keeper
	certified atomic.Bool // it is time for certs
	deploys   underway
	toldFew   bool           // that there are too few descriptors; of the loop's loads
	sweeping  sync.WaitGroup // removals of old releases that are under way

	healing bool // the state directory is to be made anew; the loop's

	stateMu sync.Mutex
	serving map[string]lastState // by app, of a fleet of many machines
}

// NewDaemon prepares a daemon. The state directory is opened by Run.
func NewDaemon(o Options) *Daemon {
	var zygotes *zygote.Set
	if o.machine == nil {
		switch os.Getenv(zygote.Switch) {
		case "auto", "on":
			zygotes = zygote.New(cmp.Or(o.Log, slog.Default()))
		}
		o.machine = reconcile.Processes{Stderr: os.Stderr, Zygotes: zygotes}
	}
	return &Daemon{
		opts: o.withDefaults(), zygotes: zygotes, named: o.Dir != "" || o.StateDir != "", cache: newStatusCache(),
		serving: map[string]lastState{},
	}
}

// Status is the fleet's status, for metrics and the like.
func (d *Daemon) Status(ctx context.Context) *Status { return d.core.status(ctx, d.self()) }

func (d *Daemon) self() *DaemonStatus {
	set, _ := d.core.Dir.Snapshot()
	return &DaemonStatus{PID: os.Getpid(), Since: d.since, Dir: d.core.opts.Dir, Hold: d.core.Dir.Holds(set)}
}

// Run is the daemon until TERM, INT or the end of ctx: then all apps are
// drained and stopped. A second signal ends them at once. An error means that
// it could not begin.
func (d *Daemon) Run(ctx context.Context) error {
	d.since = time.Now()
	d.signals = reconcile.ListenToSignals()
	if d.Inherited.Lock != nil {
		d.earlier = appdir.ChildrenOf("/proc/self/task")
	}
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(reconcile.ErrClosing)
	d.life = life
	defer d.signals.Stop()
	if err := d.open(); err != nil {
		return err
	}
	ln, err := listenControl(d.core.Store.SocketPath())
	if err != nil {
		return err
	}
	if err := putNotice(d.core.Store, d.core.opts.Dir); err != nil {
		d.core.Log.Warn("other users of this machine cannot find this daemon", "err", err)
	}
	defer removeNotice(d.core.Store)
	// Now, so that files which are put in place later wait for the upgrade.
	if err := runner.OpenMasterProgram(); err != nil {
		d.core.Log.Error("no app can be started", "err", err)
	}
	beside, endBeside := context.WithCancel(context.Background())
	defer endBeside()
	var running sync.WaitGroup
	run := func(f func(context.Context)) { running.Go(func() { f(beside) }) }
	run(func(ctx context.Context) { d.serve(ctx, ln) })
	run(func(ctx context.Context) {
		d.loop.Watcher.Run(ctx, func() { d.loop.Post(ctx, func() { d.loop.Reread() }) })
	})
	if d.Metrics != "" {
		run(func(ctx context.Context) { d.metrics.Listen(ctx, d.Metrics) })
	}
	if d.Console != nil {
		run(func(ctx context.Context) { d.Console(ctx, &Served{operations: d.operations(), d: d}) })
	}
	run(d.tell)
	run(d.begin)
	run(func(context.Context) { d.core.Activator.Run() })
	run(d.recoverDeploys)
	parted := d.takePart()
	d.loop.Run(ctx)
	end(reconcile.ErrClosing)
	d.Hooks.stopping()
	parted()
	ordersGivenUp := d.closeCertificates()
	d.loop.Shutdown()
	ordersGivenUp()
	d.deploys.over(deployPatience)
	d.core.Activator.Close()
	d.core.Holder.Close()
	endBeside()
	running.Wait()
	d.zygotes.Close()
	d.loop.Watcher.Close()
	d.loop.Supervisor.Close()
	d.core.Sockets.Close()
	return nil
}

func (d *Daemon) open() error {
	if err := d.opts.neighbour(d.named); err != nil {
		return err
	}
	e, err := newCore(d.opts)
	if err != nil {
		return err
	}
	d.core = e
	if d.zygotes != nil && os.Getenv(zygote.Switch) != "on" {
		d.zygotes.Fleet = e.Dir.Specs
	}
	if e.opts.stateChosen && d.Inherited.Lock == nil {
		if err := daemonElsewhere(context.Background(), e.opts); err != nil {
			return err
		}
	}
	if d.lock = d.Inherited.Lock; d.lock == nil {
		if d.lock, err = e.Store.LockDaemon(); err != nil {
			return err
		}
	} else if err := e.Store.SignLock(d.lock); err != nil {
		return err
	}
	e.Store.TakeOver(e.Log)
	if d.core.opts.dataChosen {
		e.Store.WarnVolatile(e.Log)
	}
	e.Sockets = sockets.NewStore(d.Hooks.keepListeners)
	for name, f := range d.Inherited.Activated {
		e.Sockets.Give(systemd.ListenPrefix+name, f)
	}
	for app, files := range d.Inherited.Kept {
		e.Sockets.Adopt(app, files)
	}
	if !d.Hooks.SocketsStored {
		var held map[string]map[string]*os.File
		e.Holder, held = sockets.OpenHolder(e.Store.Dir, e.Log, e.Sockets.With)
		for app, files := range held {
			if !e.Sockets.Adopt(app, files) {
				sockets.CloseAll(files) // the same ones came with an upgrade
			}
		}
	}
	if e.Activator, err = sockets.NewActivator(func(app string) {
		d.loop.Reconciler.Enqueue(app, reconcile.Intent{Request: plan.Request{Wake: true}}, true)
	}); err != nil {
		return err
	}
	e.Dir.Grace = cmp.Or(d.grace, 300*time.Millisecond)
	e.Inherited = func(app string) { // what was interrupted by another daemon may be among them
		d.sweeping.Go(func() { d.operations().recoverDeploysOf(d.life, app) })
	}
	d.openLoop()
	if _, err := e.Restore(context.Background()); err != nil {
		e.Log.Warn("cannot look for masters missing from the state directory; retrying", "err", err)
	}
	d.metrics.Version, d.metrics.Log, d.metrics.Read = d.opts.Version, e.Log, d.scrape
	d.openCertificates()
	return nil
}

// recoverDeploys ends the deploys that an earlier daemon has left in the middle.
func (d *Daemon) recoverDeploys(ctx context.Context) {
	select {
	case <-d.loop.Adopted():
	case <-ctx.Done():
		return
	}
	d.operations().RecoverDeploys(ctx)
}

// openLoop makes the loop, which does nothing yet.
func (d *Daemon) openLoop() {
	l := reconcile.NewLoop(d.core.Core)
	l.Signals, l.Tick = d.signals, d.Tick
	if d.Pulse > 0 {
		l.Supervisor.Pulse, l.Supervisor.Patience = d.Pulse, d.Pulse
	}
	l.Watchdog, l.WatchdogInterval, l.ExtendTimeout = d.Hooks.watchdog, d.Hooks.WatchdogInterval, d.Hooks.extendTimeout
	l.OnHangup, l.OnUpgrade = d.hangup, d.upgrade
	l.Loaded = func(set *hclspec.Set) {
		d.countDescriptors(set)
		d.wantCertificates(set)
	}
	l.Looked = d.lookForSweep
	l.Scope, l.Told, l.Touched = d.scope, d.told, d.touched
	l.Started = func(spec *appspec.Spec) {
		if spec.Gate != nil {
			d.core.challengeAgain()
		}
	}
	d.loop = l
}

// touched notes that an app is not what it was; empty: the faults of the directory are not.
func (d *Daemon) touched(app string) {
	d.cache.touch(app)
	if c := d.core.opts.Cluster; c != nil && app != "" {
		c.Report() // it may sleep now, which no master tells
	}
}

// scope has the limits of a spec hold for a master and its workers.
func (d *Daemon) scope(spec *appspec.Spec, pid int) {
	d.Hooks.started(spec.Name, pid, systemd.ScopeLimits{
		Memory: int64(spec.Limits.Memory), CPU: spec.Limits.CPU, Tasks: spec.Limits.Tasks,
	})
}

// deployPatience is how long deploys that were ended in the middle may take to say so,
// to who waits for them and in the logbook. What comes too late the next daemon writes.
const deployPatience = 5 * time.Second

func (d *Daemon) hangup(ctx context.Context) {
	d.core.Log.Info("reconciling", "signal", "hangup")
	d.Hooks.reloading()
	d.loop.Reread(func() {
		d.loop.Adopt()
		go func() {
			d.loop.Reconciler.QuietOrStuck(ctx, beginPatience)
			d.Hooks.ready()
		}()
	})
}

// pauseLimit is how long passes under way may take to come to an end before an
// upgrade.
const pauseLimit = 5 * time.Second

func (d *Daemon) upgrade() {
	if d.Hooks.Upgrade == nil {
		d.core.Log.Error("cannot upgrade in place: this program was built without support for it")
		return
	}
	// The process and its sockets stay: a deploy of many minutes is worth the wait.
	if apps := d.deploys.whenOver(func() { d.loop.Post(d.loop.Life(), d.upgrade) }); apps != "" {
		d.core.Log.Info("the program is re-executed when the deploys in progress have finished", "signal", "user defined signal 2", "apps", apps)
		return
	}
	d.core.Log.Info("re-executing the program", "signal", "user defined signal 2")
	// The new program takes over what it finds: nothing is left half done for it,
	// if that takes no longer than an operator waits.
	if !d.loop.Reconciler.Pause(pauseLimit) {
		d.core.Log.Warn("apps are still being changed; the new program finishes that")
	}
	defer d.loop.Reconciler.Resume()
	if d.signals.Ending() {
		d.core.Log.Info("not re-executed: the daemon was asked to stop")
		return
	}
	if err := d.Hooks.Upgrade(d); err != nil {
		d.core.Log.Error("cannot upgrade in place", "err", err, "next", "the running program continues")
	}
}
