package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Daemon is wsgid-fleet run: it converges, then follows every change. New, set
// fields, Run.
type Daemon struct {
	Hooks     Hooks
	Inherited Inherited // what came with the process; the files become the daemon's
	// Tick is how often the directory is read again without an event. 0: 30 s.
	Tick time.Duration
	// Extra is served on the control socket beside the daemon's own paths,
	// /metrics for example. May be nil.
	Extra http.Handler

	opts   Options
	e      *engine
	rec    *Reconciler
	sup    *supervisor
	watch  *Watcher
	lock   *os.File // held until the process ends
	since  time.Time
	events chan func()   // run by the loop, which alone loads and compares
	poke   chan struct{} // the status line may have changed; capacity 1
	killed chan struct{} // closed: end masters without waiting
	ending atomic.Bool
	ours   sync.Map // pids of masters that were started here and are not followed yet

	prev    map[string]string // by app: what the directory said last; the loop's
	prevErr string            // the loop's
	turnAt  int               // the next app that a tick looks at; the loop's

	stateMu sync.Mutex
	states  map[string]string // last logged state by app
}

// NewDaemon prepares a daemon. The state directory is opened by Run.
func NewDaemon(o Options) *Daemon {
	return &Daemon{
		opts: o.withDefaults(), events: make(chan func()), poke: make(chan struct{}, 1),
		killed: make(chan struct{}), prev: map[string]string{}, states: map[string]string{},
	}
}

// LockFile is the lock on the state directory, for who executes a new program
// in place of this one.
func (d *Daemon) LockFile() *os.File { return d.lock }

// Status is the fleet's status, for metrics and the like.
func (d *Daemon) Status(ctx context.Context) *Status { return d.e.status(ctx, d.self()) }

func (d *Daemon) self() *DaemonStatus {
	return &DaemonStatus{PID: os.Getpid(), Since: d.since, Dir: d.e.opts.Dir}
}

// Run is the daemon until TERM, INT or the end of ctx: then all apps are
// drained and stopped. A second signal ends them at once. An error means that
// it could not begin.
func (d *Daemon) Run(ctx context.Context) error {
	d.since = time.Now()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := d.open(); err != nil {
		return err
	}
	ln, err := listenControl(d.e.store.socketPath())
	if err != nil {
		return err
	}
	actors := newActors()
	actors.add(func(ctx context.Context) { d.serve(ctx, ln) })
	actors.add(func(ctx context.Context) { d.watch.Run(ctx, func() { d.post(ctx, d.reread) }) })
	actors.add(d.tell)
	actors.add(d.begin)
	d.loop(ctx, signals)
	d.Hooks.stopping()
	d.shutdown(signals)
	actors.stop()
	d.watch.Close()
	d.sup.close()
	d.e.keep.close()
	return nil
}

func (d *Daemon) open() error {
	e, err := newEngine(d.opts)
	if err != nil {
		return err
	}
	d.e = e
	if d.lock = d.Inherited.Lock; d.lock == nil {
		if d.lock, err = e.store.lockDaemon(); err != nil {
			return err
		}
	} else if err := e.store.signLock(d.lock); err != nil {
		return err
	}
	e.keep = newKeeper(d.Hooks.keepListeners)
	for name, f := range d.Inherited.Activated {
		e.keep.given["systemd:"+name] = f
	}
	for app, files := range d.Inherited.Kept {
		e.keep.apps[app] = files
	}
	e.kill = d.killed
	e.started = d.started
	d.rec = newReconciler(e)
	d.rec.after = d.after
	d.sup = newSupervisor()
	d.sup.changed, d.sup.ended = d.changed, d.masterEnded
	d.watch = NewWatcher(e.opts.Dir, e.log)
	return nil
}

// loop is the one goroutine that reads the directory, decides which apps to
// look at and feeds the watchdog: if it is stuck, so is the daemon.
func (d *Daemon) loop(ctx context.Context, signals <-chan os.Signal) {
	every := d.Tick
	if every <= 0 {
		every = 30 * time.Second
	}
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
	d.reread()
	d.adopt()
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-d.events:
			f()
		case <-tick.C:
			d.reread()
			d.rounds()
		case <-blind.C:
			if d.watch.Blind() {
				d.reread()
			}
		case <-dog:
			d.Hooks.watchdog()
		case sig := <-signals:
			switch sig {
			case syscall.SIGHUP:
				d.hangup(ctx)
			case syscall.SIGUSR2:
				d.upgrade()
			default:
				d.e.log.Info("stopping", "signal", sig.String())
				return
			}
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

// reread loads the directory and queues the apps about which it says something
// else than before. It runs in the loop.
func (d *Daemon) reread() {
	set, err := d.e.load()
	d.watch.Refresh()
	now := map[string]string{}
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		for n, s := range set.Specs {
			now[n] = s.File + "\x00" + runner.Digest(s)
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
		d.nudge()
	}
	if err != nil || set.DefaultsBroken {
		// Nothing changes; what was read before stays what is compared with, so
		// that every app is looked at that has changed when this is mended.
		return
	}
	for n, was := range d.prev {
		if now[n] == "" && was != "" {
			d.missing(n)
		}
	}
	for n, is := range now {
		if d.prev[n] != is {
			d.rec.Enqueue(n, order{}, true)
		}
	}
	d.prev = now
}

func (d *Daemon) logFaults(set *appspec.Set, err error) {
	if err != nil {
		d.e.log.Error(err.Error())
		return
	}
	for _, f := range set.Faults {
		d.e.log.Error("broken spec", "file", f.File, "app", f.App, "reason", f.Summary,
			"next", "its apps keep their last good spec until the file is mended")
	}
	if len(set.Faults) == 0 {
		d.e.log.Info("all specs are good")
	}
}

// grace is how long a spec must be missing before its app is stopped: a file
// that is written in place, or moved over another, is missing for an instant.
const grace = 300 * time.Millisecond

func (d *Daemon) missing(name string) {
	time.AfterFunc(grace, func() {
		if d.ending.Load() {
			return
		}
		d.rec.Enqueue(name, order{}, true)
	})
}

// adopt queues everything once: the fleet as the last daemon left it.
func (d *Daemon) adopt() {
	for _, n := range d.e.names() {
		d.rec.Enqueue(n, order{}, false)
	}
}

// rounds looks at a tenth of the apps: a folder that somebody damaged, a
// master that somebody else started.
func (d *Daemon) rounds() {
	all := d.e.names()
	if len(all) == 0 {
		return
	}
	n := max(len(all)/10, min(len(all), 10))
	for range n {
		d.turnAt = (d.turnAt + 1) % len(all)
		d.rec.Enqueue(all[d.turnAt], order{}, false)
	}
}

func (d *Daemon) hangup(ctx context.Context) {
	d.e.log.Info("reconciling", "signal", "hangup")
	d.Hooks.reloading()
	d.reread()
	d.adopt()
	go func() {
		d.quiet(ctx, 0)
		d.Hooks.ready()
	}()
}

func (d *Daemon) upgrade() {
	if d.Hooks.Upgrade == nil {
		d.e.log.Error("cannot upgrade in place: this program was built without it")
		return
	}
	d.e.log.Info("executing the program anew", "signal", "user defined signal 2")
	if err := d.Hooks.Upgrade(d); err != nil {
		d.e.log.Error("cannot upgrade in place", "err", err, "next", "the running program goes on")
	}
}

// begin waits until every app was tried once and says so.
func (d *Daemon) begin(ctx context.Context) {
	d.post(ctx, func() {}) // the loop has queued everything when it takes this
	d.quiet(ctx, 0)
	for _, n := range d.e.names() {
		if ctx.Err() != nil {
			return
		}
		sctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.e.settle(sctx, n, true)
		}()
		d.extend(ctx, done)
		cancel()
		<-done
	}
	if ctx.Err() == nil {
		d.Hooks.ready()
		d.nudge()
	}
}

// extend asks for more time while something goes on.
func (d *Daemon) extend(ctx context.Context, done <-chan struct{}) {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-t.C:
			d.Hooks.extendTimeout(30 * time.Second)
		}
	}
}

// quiet waits until no more than n names are queued or at work.
func (d *Daemon) quiet(ctx context.Context, n int) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for d.rec.busy() > n && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}

// after follows the masters that a pass has left.
func (d *Daemon) after(name string, out outcome) {
	if errors.Is(out.err, errClosing) {
		return
	}
	ms, err := d.e.machine.find(d.e.store.Dir, name)
	if err != nil {
		return
	}
	for _, m := range ms {
		d.followed(name, m)
	}
	d.nudge()
}

// followed follows a master and, of one that was found, takes duplicates of
// its listeners.
func (d *Daemon) followed(name string, m master) {
	pid := m.record().PID
	if !d.sup.follow(name, m) || m.record().Draining {
		return
	}
	if _, ours := d.ours.LoadAndDelete(pid); ours {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	rem := d.e.store.Recall(name)
	if rem.LastGood != nil {
		d.scope(rem.LastGood, pid)
	}
	d.e.log.Info("took over a running master", "app", name, "pid", pid)
	d.e.applier(name, func(f func()) { f() }).hold(ctx, name, m)
}

// started is told of each master that a pass has started.
func (d *Daemon) started(spec *appspec.Spec, pid int) {
	d.ours.Store(pid, true)
	d.scope(spec, pid)
}

func (d *Daemon) scope(spec *appspec.Spec, pid int) {
	d.Hooks.started(spec.Name, pid, ScopeLimits{
		Memory: int64(spec.Limits.Memory), CPU: spec.Limits.CPU, Tasks: spec.Limits.Tasks,
	})
}

// changed is told by the supervisor.
func (d *Daemon) changed(app string, st runner.Status) {
	d.stateMu.Lock()
	text := string(st.State) + " " + st.Reason
	was := d.states[app]
	d.states[app] = text
	d.stateMu.Unlock()
	if was != text {
		log := d.e.log.Info
		if st.State == runner.StateBackoff || st.State == runner.StateDegraded {
			log = d.e.log.Warn
		}
		attrs := []any{"app", app, "state", string(st.State), "pid", st.PID}
		if st.Reason != "" {
			attrs = append(attrs, "reason", st.Reason)
		}
		log("state", attrs...)
		d.e.events.publish(Event{At: d.e.now(), App: app, State: string(st.State), Message: st.Reason})
	}
	d.nudge()
}

// masterEnded is told by the supervisor.
func (d *Daemon) masterEnded(app string, pid int, since time.Time) {
	d.nudge()
	if d.ending.Load() {
		return
	}
	// Whoever stopped it looks after the app; a master that nobody stopped is
	// made good here.
	w, o := d.e.look(d.rec.ctx, app)
	cur, _ := standing(o, digestOf(w.Spec))
	if cur != nil || w.Spec == nil || !w.Spec.Enabled || o.Override.Stopped {
		d.rec.Enqueue(app, order{}, false)
		return
	}
	lived := d.e.now().Sub(since)
	wait := d.rec.died(app, lived, restartOf(o.Remembered))
	next := "started anew at once"
	if wait > 0 {
		next = fmt.Sprintf("started anew in %s", roundUp(wait))
	}
	d.e.log.Error("master died", "app", app, "pid", pid, "lived", lived.Round(time.Millisecond), "next", next)
}

// nudge has the status line looked at.
func (d *Daemon) nudge() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

// tell keeps the service manager's status line true, at most ten times a second.
func (d *Daemon) tell(ctx context.Context) {
	if d.Hooks.Status == nil {
		<-ctx.Done()
		return
	}
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.poke:
		}
		if line := StatusLine(d.Status(ctx)); line != last && ctx.Err() == nil {
			last = line
			d.Hooks.status(line)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// shutdown drains and stops every app. A further TERM or INT ends them at once.
func (d *Daemon) shutdown(signals <-chan os.Signal) {
	d.ending.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.rec.Close()
		all := d.e.names()
		parallel(len(all), 64, func(i int) { d.drain(all[i]) })
	}()
	for {
		select {
		case <-done:
			return
		case sig := <-signals:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				select {
				case <-d.killed:
				default:
					d.e.log.Warn("ending all apps at once", "signal", sig.String())
					close(d.killed)
				}
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
	unlock, err := d.e.store.lockApp(ctx, name)
	if err != nil {
		d.e.log.Error("cannot stop app", "app", name, "err", err)
		return
	}
	defer unlock()
	o := d.e.Observe(ctx, name, nil)
	if len(o.Masters) == 0 {
		return
	}
	if err := d.e.applier(name, func(f func()) { f() }).stop(ctx, o); err != nil {
		d.e.log.Error("cannot stop app", "app", name, "err", err)
	}
}

// actors are goroutines that live as long as the daemon.
type actors struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newActors() *actors {
	ctx, cancel := context.WithCancel(context.Background())
	return &actors{ctx: ctx, cancel: cancel}
}

func (a *actors) add(f func(context.Context)) {
	a.wg.Add(1)
	go func() {
		defer a.wg.Done()
		f(a.ctx)
	}()
}

func (a *actors) stop() {
	a.cancel()
	a.wg.Wait()
}

// listenControl opens the control socket, 0600. The caller holds the daemon's
// lock, so what lies there is left over.
func listenControl(path string) (net.Listener, error) {
	if err := os.RemoveAll(path); err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, reason(err))
	}
	// Made under another name and moved: nobody can speak to it before its mode
	// is right, and it appears complete.
	tmp := path + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, reason(err))
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, err)
	}
	ln.SetUnlinkOnClose(false)
	if err = os.Chmod(tmp, 0o600); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("cannot open control socket %s: %w", path, reason(err))
	}
	return ln, nil
}
