package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Core brings one app at a time to its spec. Daemon and command have it in common. Make it
// with NewCore; the fields with capitals are set before the first pass.
type Core struct {
	Dir       *specdir.Directory
	Store     *state.Store
	Machine   Machine
	Folders   Folders
	Disk      *bounded.Fs // for what may lie on a disk that does not answer
	Log       *slog.Logger
	Now       func() time.Time
	Sockets   *sockets.Store     // nil: not the daemon
	Activator *sockets.Activator // nil: likewise
	Holder    *sockets.Holder    // nil: not the daemon, or the service manager holds the sockets
	Kill      <-chan struct{}    // closed: stops end masters at once; nil: never
	Started   func(spec *appspec.Spec, m Handle)
	Updated   func(spec *appspec.Spec, pid int)
	Followed  func(app string) []Handle // live masters that somebody follows, or has just started
	Emit      func(app, state, message string)
	KeptAwake KeptAwake
	Inherited func(app string) // it has taken over the deploys of the app that it was before

	hung sync.Map // pids of masters that are known not to answer
	told sync.Map // pids of masters that were told to end

	mu       sync.Mutex // guards what follows
	memories map[string]memory
	failures map[string]*state.Failure // by app, that could not be written down
	staying  map[string]string         // by app that is gone: its successor, for which it was told to stay
	giving   map[string]time.Time      // by app that is gone: since when it gives its names away
	mutes    []Handle                  // those that the state directory has lost, and that cannot note themselves anew
}

// NewCore is one for the apps of a directory, for a command: what a daemon has beyond it is
// not set.
func NewCore(dir *specdir.Directory, machine Machine, folders Folders) *Core {
	c := &Core{
		Dir: dir, Store: dir.Store, Disk: dir.Disk, Log: dir.Log, Now: dir.Now, Machine: machine, Folders: folders,
		Started: func(*appspec.Spec, Handle) {}, Updated: func(*appspec.Spec, int) {},
		Followed: func(string) []Handle { return nil }, Emit: func(string, string, string) {}, Inherited: func(string) {},
		memories: map[string]memory{}, failures: map[string]*state.Failure{}, staying: map[string]string{}, giving: map[string]time.Time{},
	}
	dir.Unready = c.unready
	return c
}

// bequeath has an app that is gone leave its deploys to the one that it is now, before what is
// known of it is forgotten: by that it is recognized. It says when to try again; zero: it is done.
func (c *Core) bequeath(name string) time.Time {
	heir := c.Heir(name)
	if heir == "" {
		return time.Time{}
	}
	if err := c.Store.Inherit(heir, name); err != nil {
		c.Log.Debug("cannot leave the deploys to the app by its new name yet", "app", heir, "former", name, "err", err)
		return c.Now().Add(unknownRetry)
	}
	c.Log.Info("took over the deploys of the app by its former name", "app", heir, "former", name)
	c.Inherited(heir)
	return time.Time{}
}

// Heir is the app that one that is gone is now, and that has yet to take over its deploys; empty:
// none.
func (c *Core) Heir(name string) string {
	set, _ := c.Dir.Snapshot()
	if set == nil || set.Specs[name] != nil {
		return ""
	}
	if now, _, _, err := c.Store.Book(name).Current(); err != nil || now == nil {
		return ""
	}
	for heir, former := range c.Store.Formers(set.Specs, func(app string, _ *state.AppState) bool { return app == name }) {
		if former == name {
			return heir
		}
	}
	return ""
}

// Inherit takes over the deploys of the app that one was under another name; empty: it was
// none. Where that cannot be done its release serves all the same.
func (c *Core) Inherit(name, former string) {
	if former == "" {
		return
	}
	if err := c.Store.Inherit(name, former); err != nil {
		c.Log.Warn("cannot take over the deploys of the app by its former name", "app", name, "former", former, "err", err)
		return
	}
	c.Log.Info("took over the deploys of the app by its former name", "app", name, "former", former)
	c.Inherited(name)
}

// Gone tells whether an app is to be no more, as far as its spec directory is known.
func (c *Core) Gone(name string) bool {
	set, err := c.Dir.Snapshot()
	if set != nil && set.Specs[name] != nil {
		return false // most are there, and need not be read
	}
	rem := c.Store.Load(name)
	return rem.Unknown == nil && c.Dir.Wanted(set, err, name, &rem, false).Gone()
}

// unknownRetry is how soon an app is looked at again of which nothing can be told.
const unknownRetry = 2 * time.Second

// unknown ends a pass that could not find out what runs: nothing is done, as what is
// not known is not missing.
func (c *Core) unknown(out Outcome, name string, err error) Outcome {
	if appdir.Exhausted(err) {
		err = fmt.Errorf("cannot find out what is running of app %s: %w; it is not changed until that is over: give the daemon more descriptors (LimitNOFILE= of its unit, ulimit -n)", name, err)
	}
	c.Log.Error(err.Error(), "app", name)
	out.Err, out.RetryAt = err, c.Now().Add(unknownRetry)
	return out
}

// errOrder tells that an order was not taken: what cannot be written down would be forgotten
// with this process. That is no failure of the app.
var errOrder = errors.New("the order was not carried out")

// remember writes down what must survive us before anything is done.
func (c *Core) remember(name string, w plan.Want, rem *state.AppState, ord Intent) error {
	digest := plan.DigestOf(w.Spec)
	if s := w.Said(); s != nil && w.Held == "" && (rem.LastGood == nil || rem.Guessed || rem.LastGood.File != s.File || rem.LastGood.Environment != s.Environment || runner.Digest(rem.LastGood) != plan.DigestOf(s)) {
		if err := c.Store.SaveSpec(s); err != nil {
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
		ov.Scale, ov.Digest = nil, "" // scale counts until the spec's next change
	}
	if len(ord.Edits) > 0 || ov != rem.Override {
		ov.Since = c.Now()
		switch err := c.Store.SaveOverride(name, ov); {
		case err != nil && len(ord.Edits) > 0:
			return fmt.Errorf("%w; %w, app %s is as it was", err, errOrder, name)
		case err != nil:
			return err
		}
		rem.Override = ov
		c.memorizeOrder(name, ov)
	}
	return nil
}

// forWantOf says what to do about an error for want of descriptors.
func forWantOf(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w; give the daemon more descriptors (LimitNOFILE= of its unit, ulimit -n)", err)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w; the machine has too many files open: raise fs.file-max (sysctl)", err)
	}
	return err
}

// failed keeps the reason of a failure and decides when to try again.
func (c *Core) failed(out Outcome, rem state.AppState, name string) Outcome {
	if errors.Is(out.Err, ErrSuperseded) || errors.Is(out.Err, ErrClosing) || errors.Is(out.Err, ErrPaused) || errors.Is(out.Err, context.Canceled) {
		return out
	}
	out.Err = forWantOf(out.Err)
	f := state.Failure{Digest: out.Plan.Digest, Folder: out.Plan.Folder, Reason: out.Err.Error(), At: c.Now(), Attempts: 1, Neighbour: isNeighbour(out.Err)}
	file := out.Plan.File
	if s := out.Want.Spec; s != nil && f.Digest == "" { // before there was a plan
		f.Digest, file = plan.DigestOf(s), s.File
	}
	if old := rem.Failure; old != nil && old.Digest == f.Digest && old.Folder == f.Folder {
		f.Attempts = old.Attempts + 1
	}
	next := "it is retried when its spec changes or with: wsgid-fleet reload " + name
	if rej, ok := errors.AsType[*RejectedError](out.Err); ok {
		f.Traceback, f.Next = rej.Traceback, rej.Next
	} else {
		var r appspec.Restart
		if out.Want.Spec != nil {
			r = out.Want.Spec.Restart
		}
		wait := untilNext(out.Err, f.Attempts, r)
		f.RetryAt = f.At.Add(wait)
		next = fmt.Sprintf("next try in %s", words.RoundUp(wait))
	}
	out.RetryAt = f.RetryAt
	attrs := []any{"app", name, "file", file, "reason", f.Reason, "next", next}
	if f.Traceback != "" {
		attrs = append(attrs, "traceback", words.LastLines(f.Traceback, 5))
	}
	c.Log.Error("cannot bring app to its spec", attrs...)
	if err := c.saveFailure(name, &f); err != nil {
		c.Log.Error(err.Error(), "app", name)
	}
	return out
}

// Applier carries out the plan of an app for this core.
func (c *Core) Applier(name string, idle func(func())) *Applier {
	return &Applier{
		Store: c.Store, Machine: c.Machine, Folders: c.Folders, Sockets: c.Sockets, Gone: c.Gone, Activator: c.Activator, Holder: c.Holder, Log: c.Log, Kill: c.Kill,
		Started: c.Started, Updated: c.Updated, Idle: idle, Told: func(pid int) { c.told.Store(pid, true) },
		Emit: func(state, message string) {
			c.Emit(name, state, message)
		},
	}
}

// Look says what an app should be and what it is, its folder aside. The last good spec, which
// costs more to read than all the rest, is read where something could follow from it: the
// directory does not say by itself what the app should be, or a master may run it.
func (c *Core) Look(ctx context.Context, name string) (plan.Want, Observed) {
	set, setErr := c.Dir.Snapshot()
	var rem state.AppState
	c.Store.LoadOrders(name, &rem)
	spec := c.saidOutright(set, setErr, name)
	if rem.LastGood = spec; spec == nil {
		c.Store.LoadSpec(name, &rem)
		rem.Guess()
	}
	c.remind(name, &rem)
	c.remindFailure(name, &rem)
	w := c.Dir.Wanted(set, setErr, name, &rem, false)
	o := c.Observe(ctx, name, rem, nil)
	if w.Gone() && len(o.Masters) > 0 {
		o.Successor, o.SuccessorFails = c.Successor(ctx, name, rem.LastGood)
	}
	if spec != nil && len(o.Masters) > 0 {
		o.LastGood = nil
		c.Store.LoadSpec(name, &o.AppState)
		if o.Guess(); o.LastGood == nil {
			o.LastGood = spec
		}
	}
	return w, o
}

// saidOutright is the spec by which the directory says what an app should be, whatever it
// said before; nil: there is none.
func (c *Core) saidOutright(set *hclspec.Set, setErr error, name string) *appspec.Spec {
	if setErr != nil || set == nil || set.DefaultsBroken || c.Dir.Holds(set) {
		return nil
	}
	if s := set.Specs[name]; s != nil && s.Deploy == nil { // else the release counts, too
		return s
	}
	return nil
}
