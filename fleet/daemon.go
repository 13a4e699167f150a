package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/metrics"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
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
	e       *engine
	rec     *reconcile.Reconciler
	sup     *reconcile.Supervisor
	watch   *reconcile.Watcher
	lock    *os.File // held until the process ends
	since   time.Time
	life    context.Context // ends when the apps are about to be ended
	events  chan func()     // run by the loop, which alone loads and compares
	board   *board
	killed  chan struct{} // closed: end masters without waiting
	ending  atomic.Bool
	signals *signals
	metrics metrics.Server
	// beginPatience, if set, is in place of that constant.
	beginPatience time.Duration
	certs         *certs.Keeper
	certified     atomic.Bool // it is time for certs
	deploys       underway
	sweeping      sync.WaitGroup // removals of old releases that are under way
	ours          sync.Map       // masters that were started here and are not followed yet, by pid

	prev    map[string]string            // by app: what the directory said last; the loop's
	prevOwn map[string]string            // where edits wait, without what comes of other apps
	prevErr string                       // the loop's
	around  map[string]plan.Surroundings // by app, at the last load; the loop's
	print   uint64                       // fingerprint of the directory at the last load; the loop's
	ticks   int                          // since the last load; the loop's
	loading bool                         // a load is under way; the loop's
	again   bool                         // another one is to follow it; the loop's
	waiting []func()                     // run by the loop after the next load; the loop's
	looping context.Context              // ends with the loop
	adopted chan struct{}                // closed when the first load has queued everything
	healing bool                         // the state directory is to be made anew; the loop\'s
	turnAt  int                          // the next app that a tick looks at; the loop's

	stateMu sync.Mutex
	states  map[string]string    // last logged state by app
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
		opts: o.withDefaults(), zygotes: zygotes, named: o.Dir != "" || o.StateDir != "", events: make(chan func()), board: newBoard(),
		killed: make(chan struct{}), prev: map[string]string{}, adopted: make(chan struct{}), states: map[string]string{}, serving: map[string]lastState{},
	}
}

// Status is the fleet's status, for metrics and the like.
func (d *Daemon) Status(ctx context.Context) *Status { return d.e.status(ctx, d.self()) }

func (d *Daemon) self() *DaemonStatus {
	set, _ := d.e.snapshot()
	return &DaemonStatus{PID: os.Getpid(), Since: d.since, Dir: d.e.opts.Dir, Hold: d.e.holds(set)}
}

// Run is the daemon until TERM, INT or the end of ctx: then all apps are
// drained and stopped. A second signal ends them at once. An error means that
// it could not begin.
func (d *Daemon) Run(ctx context.Context) error {
	d.since = time.Now()
	d.signals = listenToSignals()
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(reconcile.ErrClosing)
	d.life = life
	defer d.signals.stop()
	if err := d.open(); err != nil {
		return err
	}
	ln, err := listenControl(d.e.store.SocketPath())
	if err != nil {
		return err
	}
	if err := putNotice(d.e.store, d.e.opts.Dir); err != nil {
		d.e.log.Warn("other users of this machine cannot find this daemon", "err", err)
	}
	defer removeNotice(d.e.store)
	// Now, so that files which are put in place later wait for the upgrade.
	if err := runner.OpenMasterProgram(); err != nil {
		d.e.log.Error("no app can be started", "err", err)
	}
	actors := newActors()
	actors.add(func(ctx context.Context) { d.serve(ctx, ln) })
	actors.add(func(ctx context.Context) { d.watch.Run(ctx, func() { d.post(ctx, func() { d.reread() }) }) })
	if d.Metrics != "" {
		actors.add(func(ctx context.Context) { d.metrics.Listen(ctx, d.Metrics) })
	}
	if d.Console != nil {
		actors.add(func(ctx context.Context) { d.Console(ctx, &Served{operations: d.operations(), d: d}) })
	}
	actors.add(d.tell)
	actors.add(d.begin)
	actors.add(func(context.Context) { d.e.activator.Run() })
	actors.add(d.settleDeploys)
	parted := d.takePart()
	d.loop(ctx)
	end(reconcile.ErrClosing)
	d.Hooks.stopping()
	parted()
	ordersGivenUp := d.closeCertificates()
	d.shutdown()
	ordersGivenUp()
	d.deploys.over(deployPatience)
	d.e.activator.Close()
	d.e.holder.Close()
	actors.stop()
	d.zygotes.Close()
	d.watch.Close()
	d.sup.Close()
	d.e.keep.Close()
	return nil
}

func (d *Daemon) open() error {
	if err := d.opts.neighbour(d.named); err != nil {
		return err
	}
	e, err := newEngine(d.opts)
	if err != nil {
		return err
	}
	d.e = e
	if d.zygotes != nil && os.Getenv(zygote.Switch) != "on" {
		d.zygotes.Fleet = e.specs
	}
	if e.opts.stateChosen && d.Inherited.Lock == nil {
		if err := daemonElsewhere(context.Background(), e.opts); err != nil {
			return err
		}
	}
	if d.lock = d.Inherited.Lock; d.lock == nil {
		if d.lock, err = e.store.LockDaemon(); err != nil {
			return err
		}
	} else if err := e.store.SignLock(d.lock); err != nil {
		return err
	}
	e.store.TakeOver(e.log)
	if d.e.opts.dataChosen {
		e.store.WarnVolatile(e.log)
	}
	e.keep = sockets.NewStore(d.Hooks.keepListeners)
	for name, f := range d.Inherited.Activated {
		e.keep.Give(systemd.ListenPrefix+name, f)
	}
	for app, files := range d.Inherited.Kept {
		e.keep.Adopt(app, files)
	}
	if !d.Hooks.SocketsStored {
		var held map[string]map[string]*os.File
		e.holder, held = sockets.OpenHolder(e.store.Dir, e.log, e.keep.With)
		for app, files := range held {
			if !e.keep.Adopt(app, files) {
				sockets.CloseAll(files) // the same ones came with an upgrade
			}
		}
	}
	if e.activator, err = sockets.NewActivator(func(app string) { d.rec.Enqueue(app, reconcile.Intent{Request: plan.Request{Wake: true}}, true) }); err != nil {
		return err
	}
	e.kill, e.grace = d.killed, 300*time.Millisecond
	e.started, e.updated = d.started, d.scope
	d.rec = reconcile.NewReconciler(e.pass, e.now)
	d.rec.After = d.after
	d.sup = reconcile.NewSupervisor()
	e.followed = d.following
	if _, err := e.restore(context.Background()); err != nil {
		e.log.Warn("cannot look for masters missing from the state directory; retrying", "err", err)
	}
	d.sup.Changed, d.sup.Ended, d.sup.Hangs = d.changed, d.masterEnded, d.masterHangs
	if d.Pulse > 0 {
		d.sup.Pulse, d.sup.Patience = d.Pulse, d.Pulse
	}
	d.metrics.Version, d.metrics.Log, d.metrics.Read = d.opts.Version, e.log, d.scrape
	d.watch = reconcile.NewWatcher(e.opts.Dir, e.log)
	d.openCertificates()
	return nil
}

// settleDeploys ends the deploys that an earlier daemon has left in the middle.
func (d *Daemon) settleDeploys(ctx context.Context) {
	select {
	case <-d.adopted:
	case <-ctx.Done():
		return
	}
	d.operations().SettleDeploys(ctx)
}

// stateText is what is told of a master's state when it changes.
func stateText(st runner.Status) string {
	return string(st.State) + " " + st.Reason + " " + st.LogError
}

// after follows the masters that a pass has left.
func (d *Daemon) after(name string, out reconcile.Outcome) {
	if errors.Is(out.Err, reconcile.ErrClosing) || errors.Is(out.Err, reconcile.ErrPaused) {
		return
	}
	defer d.board.touch(name)
	ms, err := d.e.machine.Find(d.e.store.Dir, name)
	if err != nil {
		return
	}
	for i, m := range ms {
		d.followed(name, m, i == 0)
	}
	if c := d.e.opts.Cluster; c != nil {
		c.Report() // it may sleep now, which no master tells
	}
}

// followed follows a master and, of one that was found, takes duplicates of
// its listeners if no other stands for the app.
func (d *Daemon) followed(name string, m reconcile.Handle, newest bool) {
	pid := m.Recorded().PID
	if !d.sup.Follow(name, m) || m.Recorded().Draining {
		return
	}
	if _, ours := d.ours.LoadAndDelete(pid); ours {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	rem := d.e.store.Load(name)
	if rem.LastGood != nil {
		d.scope(rem.LastGood, pid)
		if err := reconcile.HandStderr(ctx, rem.LastGood, m); err != nil {
			d.e.log.Warn("cannot take over the log of a master", "app", name, "err", err)
		}
	}
	d.e.log.Info("took over a running master", "app", name, "pid", pid)
	if newest {
		d.e.applier(name, func(f func()) { f() }).Hold(ctx, name, m)
	}
}

// following are the masters of an app that are followed, and those that will be at the
// end of the pass that has started them: what the state directory says of them may be
// swept away before.
func (d *Daemon) following(app string) []reconcile.Handle {
	ms := d.sup.Of(app)
	d.ours.Range(func(pid, m any) bool {
		switch h, is := m.(reconcile.Handle); {
		case !is || h.Recorded().App != app:
		case h.Alive():
			ms = append(ms, h)
		default:
			d.ours.Delete(pid)
		}
		return true
	})
	return ms
}

// started is told of each master that a pass has started.
func (d *Daemon) started(spec *appspec.Spec, m reconcile.Handle) {
	pid := m.Recorded().PID
	d.ours.Store(pid, m)
	d.scope(spec, pid)
	if spec.Gate != nil {
		d.e.challengeAgain()
	}
}

// scope has the limits of a spec hold for a master and its workers.
func (d *Daemon) scope(spec *appspec.Spec, pid int) {
	d.Hooks.started(spec.Name, pid, systemd.ScopeLimits{
		Memory: int64(spec.Limits.Memory), CPU: spec.Limits.CPU, Tasks: spec.Limits.Tasks,
	})
}

// changed is told by the supervisor.
func (d *Daemon) changed(app string, st runner.Status) {
	d.stateMu.Lock()
	text := stateText(st)
	was := d.states[app]
	d.states[app] = text
	d.stateMu.Unlock()
	if was != text {
		log := d.e.log.Info
		if st.State == runner.StateBackoff || st.State == runner.StateDegraded || st.LogError != "" {
			log = d.e.log.Warn
		}
		attrs := []any{"app", app, "state", string(st.State), "pid", st.PID}
		if st.Reason != "" {
			attrs = append(attrs, "reason", st.Reason)
		}
		if st.LogError != "" {
			attrs = append(attrs, "log", st.LogError)
		}
		log("state", attrs...)
		d.e.events.publish(Event{At: d.e.now(), App: app, State: string(st.State), Message: st.Reason})
	}
	if st.Suspended {
		d.rec.Enqueue(app, reconcile.Intent{}, false)
	}
	d.told(app, st.PID, st.State)
	d.board.touch(app)
}

// masterEnded is told by the supervisor.
func (d *Daemon) masterEnded(app string, pid int, since time.Time) {
	d.board.touch(app)
	d.told(app, pid, "")
	d.e.hung.Delete(pid)
	_, told := d.e.told.LoadAndDelete(pid)
	if d.ending.Load() || d.e.activator.Listens(app) != nil {
		return
	}
	if told {
		// As one that had nothing to do: somebody may have come meanwhile.
		d.rec.Enqueue(app, reconcile.Intent{}, false)
		return
	}
	// Whoever stopped it looks after the app; a master that nobody stopped is
	// made good here.
	w, o := d.e.look(d.rec.Life(), app)
	cur, _ := o.Current(digestOf(w.Spec))
	if cur != nil || w.Spec == nil || !w.Spec.Enabled || o.Override.Stopped {
		d.rec.Enqueue(app, reconcile.Intent{}, false)
		return
	}
	lived := d.e.now().Sub(since)
	wait := d.rec.Died(app, lived, reconcile.RestartOf(o.AppState))
	next := "restarting now"
	if wait > 0 {
		next = fmt.Sprintf("restarting in %s", words.RoundUp(wait))
	}
	d.e.log.Error("master died", "app", app, "pid", pid, "lived", lived.Round(time.Millisecond), "next", next)
}

// masterHangs is told by the supervisor.
func (d *Daemon) masterHangs(app string, pid int) {
	if _, known := d.e.hung.LoadOrStore(pid, true); !known {
		d.e.log.Error("master does not answer", "app", app, "pid", pid, "next", "replacing it; the requests it was serving are lost")
	}
	d.rec.Enqueue(app, reconcile.Intent{}, false)
}
