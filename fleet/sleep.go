package fleet

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// An app with workers.min = 0 needs no master either while nobody asks for it:
// the daemon keeps its listeners, watches them, and starts the master when the
// first connection comes. That connection waits in the kernel's queue meanwhile.

// maySleep tells whether an app can do without a master. A handler of mongrel2
// must stay connected to its server.
func maySleep(spec *appspec.Spec) bool {
	w := spec.Workers
	return w.Min == 0 && w.IdleTimeout > 0 && len(spec.Sockets.HTTP) > 0 && len(spec.Sockets.Mongrel2) == 0
}

// listensOf are the listen strings of a spec, sorted.
func listensOf(spec *appspec.Spec) []string {
	var out []string
	for _, s := range spec.Sockets.HTTP {
		out = append(out, s.Listen)
	}
	slices.Sort(out)
	return out
}

// listen opens an app's sockets, keeps them and has them watched.
func (a *Applier) listen(spec *appspec.Spec, o Observed) error {
	files := a.keep.files(spec)
	var beside besides
	if err := beside.open(spec, files, a.keep.all(o.App)); err != nil {
		beside.close()
		return err
	}
	opened := beside.opened
	for i := range spec.Sockets.HTTP {
		s := &spec.Sockets.HTTP[i]
		if files[s.Listen] != nil {
			continue
		}
		f, err := runner.Listen(spec, s)
		if err != nil {
			closeFiles(opened)
			return err
		}
		files[s.Listen] = f
		opened = append(opened, f)
	}
	for _, f := range beside.opened {
		if err := control(f, func(fd int) error { return unix.Listen(fd, 65535) }); err != nil {
			closeFiles(opened)
			return fmt.Errorf("cannot listen on %s: %w", f.Name(), err)
		}
	}
	a.keep.keepOnly(o.App, files)
	removeSocketFiles(a.log, o.socketFiles(spec))
	a.holder.set(o.App, files)
	return a.door.arm(o.App, files)
}

// rest lets a master go that has nothing to do. Its listeners stay with the
// keeper: who connects from now on waits there.
func (a *Applier) rest(ctx context.Context, spec *appspec.Spec, o Observed, cur Seen) error {
	if len(a.keep.files(spec)) != len(spec.Sockets.HTTP) {
		a.hold(ctx, o.App, cur.master)
	}
	files := a.keep.files(spec)
	if len(files) != len(spec.Sockets.HTTP) {
		return fmt.Errorf("cannot let the master of app %s go: its listening sockets cannot be kept", o.App)
	}
	a.door.expect(o.App, listensOf(spec))
	a.holder.set(o.App, files)
	if err := a.drain(ctx, cur, nil); err != nil {
		a.door.forget(o.App)
		return err
	}
	// Until it has closed its listeners it takes who comes.
	lctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	a.idle(func() { leaving(lctx, cur.master) })
	return a.door.arm(o.App, files)
}

// leaving waits until a master that was told to drain has closed its listeners.
func leaving(ctx context.Context, m master) {
	for m.Alive() && ctx.Err() == nil {
		st, err := m.Status(ctx, 0)
		if err != nil || st.State == runner.StateStopping {
			return // it says so only once they are closed
		}
		pause(ctx, 10*time.Millisecond)
	}
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// keepOnly takes over those of the files that are not kept yet as what is kept
// for the app, and closes what is kept beyond them.
func (k *keeper) keepOnly(app string, files map[string]*os.File) {
	k.mu.Lock()
	old := k.apps[app]
	now, gone := map[string]*os.File{}, map[string]*os.File{}
	for listen, f := range files {
		if k.given[listen] != f { // a unit's socket is kept already
			now[listen] = f
		}
	}
	for listen, f := range old {
		if !slices.Contains(slices.Collect(maps.Values(now)), f) {
			gone[listen] = f
		}
	}
	k.apps[app] = now
	k.tell(app, now)
	k.mu.Unlock()
	closeAll(gone)
}
