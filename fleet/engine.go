package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/venv"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// engine is what daemon and command have in common: it reads the directory and
// brings one app at a time to its spec.
type engine struct {
	opts      Options
	fs        afero.Fs
	disk      *bounded.Fs // fs, for what may lie on a disk that does not answer
	store     *state.Store
	machine   reconcile.Machine
	folders   reconcile.Folders
	log       *slog.Logger
	keep      *sockets.Store     // nil: not the daemon
	activator *sockets.Activator // nil: likewise
	holder    *sockets.Holder    // nil: not the daemon, or the service manager holds the sockets
	kill      <-chan struct{}    // closed: stops end masters at once; nil: never
	now       func() time.Time
	started   func(spec *appspec.Spec, m reconcile.Handle)
	updated   func(spec *appspec.Spec, pid int)
	followed  func(app string) []reconcile.Handle // live masters that somebody follows, or has just started
	events    events
	hung      sync.Map // pids of masters that are known not to answer
	told      sync.Map // pids of masters that were told to end
	pythons   venv.Interpreters

	roused reconcile.KeptAwake

	challenges challenges
	leaves     leaves

	loadMu    sync.Mutex        // one load at a time; guards what follows
	cache     hclspec.Cache     // of the spec directory
	neutral   hclspec.Cache     // of it as no machine in particular reads it
	homes     map[string]string // the files of the last good specs by app
	homesRead bool              // those of an earlier process are among them
	place     place

	mu       sync.Mutex // guards what follows
	set      *hclspec.Set
	setErr   error           // the directory cannot be read; set is nil then
	doors    *doors          // of set, or of the one before
	missing  map[string]bool // apps that the directory has named before
	lastWent time.Time       // when it lost one of them last
	gone     map[string]bool // apps that were taken out of the directory, as far as is known
	memories map[string]memory
	mutes    []reconcile.Handle // those that the state directory has lost, and that cannot note themselves anew
	grace    time.Duration      // how long an app must be missing to be gone; 0: at once
}

func newEngine(o Options) (*engine, error) {
	o = o.withDefaults()
	store, err := openStore(o)
	if err != nil {
		return nil, err
	}
	return &engine{
		opts: o, fs: o.fs, disk: &bounded.Fs{Fs: o.fs, Limit: diskLimit}, store: store, machine: o.machine,
		folders: reconcile.NewTimedFolders(o.folders, &bounded.Fs{Fs: o.fs, Limit: cmp.Or(o.folderLimit, reconcile.FolderLimit)}), log: o.Log,
		now: time.Now, started: func(*appspec.Spec, reconcile.Handle) {},
		updated: func(*appspec.Spec, int) {}, followed: func(string) []reconcile.Handle { return nil },
		setErr: errors.New("the spec directory was not read yet"), missing: map[string]bool{},
		gone: map[string]bool{}, memories: map[string]memory{}, homes: map[string]string{},
	}, nil
}

// diskLimit is how long a disk may take to say one thing.
const diskLimit = time.Second

// SpecOptions are those of this process for reading specs.
func SpecOptions() hclspec.Options { return specOptions(openNamed) }

func specOptions(open func(name string) (afero.File, error)) hclspec.Options {
	o := hclspec.Host()
	o.OpenFile = open
	return o
}

// openNamed opens a file that a spec names, which may lie in an app folder.
func openNamed(name string) (afero.File, error) {
	f, err := appdir.OpenNamed(name)
	if err != nil {
		return nil, err // no *os.File that is nil
	}
	return f, nil
}

// load reads the spec directory anew.
func (e *engine) load() (*hclspec.Set, error) {
	e.loadMu.Lock()
	defer e.loadMu.Unlock()
	o := specOptions(func(name string) (afero.File, error) {
		return e.disk.OpenBy(name, func() (afero.File, error) { return openNamed(name) })
	})
	o.Cache = &e.cache
	e.disk.Forgive()
	set, err := o.Load(e.disk, e.opts.Dir)
	if err != nil {
		set, err = nil, fmt.Errorf("%w; until then nothing changes in the fleet", err)
	}
	var d *doors
	if err == nil {
		if e.opts.Cluster != nil { // what was removed is seen before what runs elsewhere is taken out
			e.noteLosses(set)
			e.placed(set)
			d = e.admit(set)
		} else {
			d = e.admit(set)
			e.noteLosses(set)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if d != nil {
		e.doors = d
	}
	if err == nil && e.set != nil {
		for n := range e.set.Specs {
			if set.Specs[n] == nil {
				e.missing[n], e.lastWent = true, e.now()
			}
		}
	}
	if err == nil {
		for n := range e.missing {
			if set.Specs[n] != nil {
				delete(e.missing, n)
			}
		}
	}
	e.set, e.setErr = set, err
	return set, err
}

func (e *engine) snapshot() (*hclspec.Set, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.set, e.setErr
}

// specs is all that the directory says.
func (e *engine) specs() []*appspec.Spec {
	set, _ := e.snapshot()
	if set == nil {
		return nil
	}
	return slices.Collect(maps.Values(set.Specs))
}

// names lists every app that is or should be.
func (e *engine) names() []string {
	set, _ := e.snapshot()
	known, err := e.store.Apps()
	if err != nil {
		e.log.Error(err.Error())
	}
	return plan.Names(set, known)
}

// pass brings one app nearer to its spec, under its lock. idle is called
// around waits.
func (e *engine) pass(ctx context.Context, name string, ord reconcile.Intent, idle func(func())) (out reconcile.Outcome) {
	unlock, err := e.store.LockApp(ctx, name)
	if err != nil {
		return reconcile.Outcome{Err: err}
	}
	defer unlock()
	rem := e.store.Load(name)
	if rem.Unknown != nil {
		return e.unknown(reconcile.Outcome{}, name, rem.Unknown)
	}
	if e.remind(name, &rem) {
		e.saveReminded(name, rem)
	}
	w, err := e.settledWant(ctx, name, &rem, ord.Confirmed, idle)
	if err != nil {
		return reconcile.Outcome{Err: err}
	}
	if rem.Unknown != nil {
		return e.unknown(reconcile.Outcome{}, name, rem.Unknown)
	}
	for _, r := range rem.Corrupt {
		e.log.Warn(r, "app", name)
		e.events.publish(Event{At: e.now(), App: name, State: "warning", Message: r})
	}
	out.Want = w
	if err := e.remember(name, w, &rem, ord); err != nil {
		out.Err = err
		return e.failed(out, rem, name)
	}
	out.Kept = true
	if w.Invalid != "" || w.Spec == nil && w.Waiting != "" {
		return out
	}
	e.memorize(name, w, rem)
	a := e.applier(name, idle)
	for again := 2; ; again-- {
		var o reconcile.Observed
		reconcile.Patiently(idle, reconcile.LookPatience, func() { o = e.observe(ctx, name, rem, w.Spec) })
		if o.Unknown != nil {
			return e.unknown(out, name, o.Unknown)
		}
		o.Request = ord.Request
		out.Plan = plan.MakePlan(w.Spec, o.Observed, e.now())
		out.Err = a.Apply(ctx, w.Spec, o, out.Plan)
		if out.Err == nil || again == 0 || !a.EndedMeanwhile(ctx, o.ByPID(out.Plan.CurrentPID), out.Err) {
			break
		}
	}
	if out.Err != nil {
		return e.failed(out, rem, name)
	}
	if f := rem.Failure; f != nil {
		switch {
		case out.Plan.Held && !out.Plan.Done:
			out.RetryAt = f.RetryAt
		default:
			out.Err = e.store.SaveFailure(name, nil)
		}
	}
	if w.Spec == nil || !w.Spec.Enabled || rem.Override.Stopped {
		// Its masters may have ended by themselves, or under an earlier daemon.
		e.activator.Forget(name)
		e.holder.Drop(name)
		e.keep.Drop(name)
		reconcile.RemoveSocketFiles(e.log, rem.SocketFiles(nil))
	}
	if w.Gone() {
		if left, _, err := e.masters(ctx, name); err != nil || len(left) > 0 {
			out.Err = err
			return out
		}
		out.Err = e.store.Delete(name)
	}
	return out
}

// unknownRetry is how soon an app is looked at again of which nothing can be told.
const unknownRetry = 2 * time.Second

// unknown ends a pass that could not find out what runs: nothing is done, as what is
// not known is not missing.
func (e *engine) unknown(out reconcile.Outcome, name string, err error) reconcile.Outcome {
	if appdir.Exhausted(err) {
		err = fmt.Errorf("cannot find out what is running of app %s: %w; it is not changed until that is over: give the daemon more descriptors (LimitNOFILE= of its unit, ulimit -n)", name, err)
	}
	e.log.Error(err.Error(), "app", name)
	out.Err, out.RetryAt = err, e.now().Add(unknownRetry)
	return out
}

// settledWant is what an app should be; where it has only just gone missing it
// waits whether that stays so, and whether others follow: a file that is written
// in place, or moved over another, is missing for an instant.
func (e *engine) settledWant(ctx context.Context, name string, rem *state.AppState, confirmed bool, idle func(func())) (plan.Want, error) {
	for {
		e.mu.Lock()
		set, setErr := e.set, e.setErr
		lately, wait := e.missing[name], e.grace-e.now().Sub(e.lastWent)
		e.mu.Unlock()
		w := e.wantedOf(set, setErr, name, rem, confirmed)
		if !w.Gone() || !lately || wait <= 0 {
			if w.Gone() {
				e.removed(name)
			}
			return w, nil
		}
		idle(func() {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		})
		if ctx.Err() != nil {
			return w, fmt.Errorf("cannot bring app %s to its spec: %w", name, context.Cause(ctx))
		}
	}
}

// remember writes down what must survive us before anything is done.
func (e *engine) remember(name string, w plan.Want, rem *state.AppState, ord reconcile.Intent) error {
	digest := ""
	if w.Spec != nil {
		digest = runner.Digest(w.Spec)
	}
	if w.Spec != nil && w.Held == "" && (rem.LastGood == nil || rem.Guessed || rem.LastGood.File != w.Spec.File || rem.LastGood.Environment != w.Spec.Environment || runner.Digest(rem.LastGood) != digest) {
		if err := e.store.SaveSpec(w.Spec); err != nil {
			return err
		}
	}
	ov := rem.Override
	if !w.Gone() {
		for _, edit := range ord.Edits {
			edit(&ov, w.Spec)
		}
	}
	if ov.Scale != nil && ov.Digest != digest {
		ov.Scale, ov.Digest = nil, "" // until the spec's next change (contract, section 4)
	}
	if len(ord.Edits) > 0 || ov != rem.Override {
		ov.Since = e.now()
		if err := e.store.SaveOverride(name, ov); err != nil {
			return err
		}
		rem.Override = ov
		e.memorizeOrder(name, ov)
	}
	return nil
}

// failed keeps the reason of a failure and decides when to try again.
func (e *engine) failed(out reconcile.Outcome, rem state.AppState, name string) reconcile.Outcome {
	if errors.Is(out.Err, reconcile.ErrSuperseded) || errors.Is(out.Err, reconcile.ErrClosing) || errors.Is(out.Err, reconcile.ErrPaused) || errors.Is(out.Err, context.Canceled) {
		return out
	}
	f := state.Failure{Digest: out.Plan.Digest, Folder: out.Plan.Folder, Reason: out.Err.Error(), At: e.now(), Attempts: 1}
	if old := rem.Failure; old != nil && old.Digest == f.Digest && old.Folder == f.Folder {
		f.Attempts = old.Attempts + 1
	}
	next := "it is retried when its spec changes or with: wsgid-fleet reload " + name
	if rej, ok := errors.AsType[*reconcile.RejectedError](out.Err); ok {
		f.Traceback = rej.Traceback
	} else {
		var r appspec.Restart
		if out.Want.Spec != nil {
			r = out.Want.Spec.Restart
		}
		wait := r.Delay(f.Attempts)
		f.RetryAt = f.At.Add(wait)
		next = fmt.Sprintf("next try in %s", words.RoundUp(wait))
	}
	out.RetryAt = f.RetryAt
	attrs := []any{"app", name, "file", out.Plan.File, "reason", f.Reason, "next", next}
	if f.Traceback != "" {
		attrs = append(attrs, "traceback", words.LastLines(f.Traceback, 5))
	}
	e.log.Error("cannot bring app to its spec", attrs...)
	if err := e.store.SaveFailure(name, &f); err != nil {
		e.log.Error(err.Error(), "app", name)
	}
	return out
}

func (e *engine) applier(name string, idle func(func())) *reconcile.Applier {
	return &reconcile.Applier{
		Store: e.store, Machine: e.machine, Folders: e.folders, Sockets: e.keep, Activator: e.activator, Holder: e.holder, Log: e.log, Kill: e.kill,
		Started: e.started, Updated: e.updated, Idle: idle, Told: func(pid int) { e.told.Store(pid, true) },
		Emit: func(state, message string) {
			e.events.publish(Event{At: e.now(), App: name, State: state, Message: message})
		},
	}
}

// look says what an app should be and what it is, its folder aside.
func (e *engine) look(ctx context.Context, name string) (plan.Want, reconcile.Observed) {
	set, setErr := e.snapshot()
	rem := e.store.Load(name)
	e.remind(name, &rem)
	w := e.wantedOf(set, setErr, name, &rem, false)
	return w, e.observe(ctx, name, rem, nil)
}
