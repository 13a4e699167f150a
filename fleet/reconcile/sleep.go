package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// An app with workers.min = 0 needs no master either while nobody asks for it:
// the daemon keeps its listeners, watches them, and starts the master when the
// first connection comes. That connection waits in the kernel's queue meanwhile.

// KeptAwake are apps whose masters may not be let go at the moment: somebody is about to
// ask for a worker.
type KeptAwake struct {
	mu   sync.Mutex
	apps map[string]int // how many ask
}

// Keep has an app's master stay until release is called. A pass that has begun already
// may still let it go.
func (r *KeptAwake) Keep(app string) (release func()) {
	add := func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.apps == nil {
			r.apps = map[string]int{}
		}
		if r.apps[app] += n; r.apps[app] == 0 {
			delete(r.apps, app)
		}
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// Has tells whether somebody asks for the app to stay.
func (r *KeptAwake) Has(app string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[app] > 0
}

// listen opens an app's sockets, keeps them and has them watched.
func (a *Applier) listen(ctx context.Context, spec *appspec.Spec, o Observed, act plan.Action) error {
	if len(a.Sockets.Beyond(spec)) > 0 {
		// It was waited for elsewhere, and somebody may have come there just now:
		// only a master can serve him.
		return a.start(ctx, spec, o, act)
	}
	files := a.Sockets.Files(spec)
	opened := map[string]*os.File{}
	for i := range spec.Sockets.HTTP {
		s := &spec.Sockets.HTTP[i]
		if files[s.Listen] != nil && !socketFileGone(a.Store.FS, s) {
			continue
		}
		f, err := runner.Listen(spec, s)
		if taken, ok := errors.AsType[*runner.TakenError](err); ok {
			var leaving error
			if f, leaving = a.left(ctx, taken); f != nil || leaving != nil {
				err = leaving
			}
		}
		if err != nil {
			sockets.CloseAll(opened)
			return a.taken(o.App, err)
		}
		files[s.Listen], opened[s.Listen] = f, f
	}
	a.Sockets.Add(o.App, opened)
	removeSocketFiles(a.Log, o.SocketFiles(spec))
	a.Holder.Set(o.App, files)
	return a.Activator.Arm(o.App, files)
}

// handOff gives a master those who have come to sockets that are kept but are
// none of its own. It returns how many they are.
func (a *Applier) handOff(ctx context.Context, app string, m Handle, its map[string]*os.File) (adopted int) {
	left := a.Sockets.All(app)
	for _, own := range its {
		// By the socket, not by its name: localhost:80 may be 127.0.0.1:80.
		maps.DeleteFunc(left, func(_ string, f *os.File) bool { return systemd.IsSameSocket(f, own) })
	}
	if len(left) == 0 {
		return 0
	}
	sockets.Divert(slices.Collect(maps.Values(left)), a.Idle)
	for listen, f := range left {
		conns := sockets.AcceptAll(f)
		if len(conns) == 0 {
			continue
		}
		err := m.Adopt(ctx, sockets.SuccessorOf(its, f), conns)
		closeFiles(conns)
		if err != nil {
			a.Log.Warn("clients of a socket that is no longer used are lost", "app", app, "listen", listen, "err", err)
			continue
		}
		adopted += len(conns)
	}
	return adopted
}

// rest lets a master go that has nothing to do. Its listeners stay with the
// listener store: who connects from now on waits there.
func (a *Applier) rest(ctx context.Context, spec *appspec.Spec, o Observed, cur Live) error {
	if len(a.Sockets.Files(spec)) != len(spec.Sockets.HTTP) {
		if a.Hold(ctx, o.App, cur.Handle) > 0 {
			return nil // somebody had come, to a socket that an earlier daemon kept
		}
	}
	files := a.Sockets.Files(spec)
	if len(files) != len(spec.Sockets.HTTP) {
		return fmt.Errorf("cannot stop the idle master of app %s: its listening sockets cannot be kept", o.App)
	}
	a.Activator.Expect(o.App, plan.ListensOf(spec))
	a.Holder.Set(o.App, files)
	if err := a.drain(ctx, cur, nil); err != nil {
		a.Activator.Forget(o.App)
		return err
	}
	// Until it has closed its listeners it takes who comes.
	lctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	a.Idle(func() { leaving(lctx, cur.Handle) })
	return a.Activator.Arm(o.App, files)
}

// leaving waits until a master that was told to drain has closed its listeners.
func leaving(ctx context.Context, m Handle) {
	for m.Alive() && ctx.Err() == nil {
		st, err := m.Status(ctx, 0)
		if err != nil || st.State == runner.StateStopping {
			return // it says so only once they are closed
		}
		Pause(ctx, 10*time.Millisecond)
	}
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
