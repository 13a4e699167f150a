package fleet

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// An app with workers.min = 0 needs no master either while nobody asks for it:
// the daemon keeps its listeners, watches them, and starts the master when the
// first connection comes. That connection waits in the kernel's queue meanwhile.

// maySleep tells whether an app can do without a master. A handler of mongrel2
// must stay connected to its server.
func maySleep(spec *appspec.Spec) bool {
	w := spec.Workers
	return w.Min == 0 && w.IdleTimeout > 0 && len(spec.Sockets.HTTP) > 0 && len(spec.Sockets.Mongrel2) == 0 && !spec.Beside()
}

// roused are apps whose masters may not be let go at the moment: somebody is about to
// ask for a worker.
type roused struct {
	mu   sync.Mutex
	apps map[string]int // how many ask
}

// keep has an app's master stay until release is called. A pass that has begun already
// may still let it go.
func (r *roused) keep(app string) (release func()) {
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

func (r *roused) has(app string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[app] > 0
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
func (a *Applier) listen(ctx context.Context, spec *appspec.Spec, o Observed, act Action) error {
	if len(a.keep.beyond(spec)) > 0 {
		// It was waited for elsewhere, and somebody may have come there just now:
		// only a master can serve him.
		return a.start(ctx, spec, o, act)
	}
	files := a.keep.files(spec)
	opened := map[string]*os.File{}
	for i := range spec.Sockets.HTTP {
		s := &spec.Sockets.HTTP[i]
		if files[s.Listen] != nil && !socketFileGone(a.store.FS, s) {
			continue
		}
		f, err := runner.Listen(spec, s)
		if err != nil {
			closeAll(opened)
			return err
		}
		files[s.Listen], opened[s.Listen] = f, f
	}
	a.keep.add(o.App, opened)
	removeSocketFiles(a.log, o.SocketFiles(spec))
	a.holder.set(o.App, files)
	return a.door.arm(o.App, files)
}

// bequeath gives a master those who have come to sockets that are kept but are
// none of its own. It returns how many they are.
func (a *Applier) bequeath(ctx context.Context, app string, m master, its map[string]*os.File) (adopted int) {
	left := a.keep.all(app)
	for _, own := range its {
		// By the socket, not by its name: localhost:80 may be 127.0.0.1:80.
		maps.DeleteFunc(left, func(_ string, f *os.File) bool { return systemd.IsSameSocket(f, own) })
	}
	if len(left) == 0 {
		return 0
	}
	b := besides{old: slices.Collect(maps.Values(left))}
	b.hush(a.idle)
	for listen, f := range left {
		conns := acceptAll(f)
		if len(conns) == 0 {
			continue
		}
		err := m.Adopt(ctx, heirOf(its, f), conns)
		closeFiles(conns)
		if err != nil {
			a.log.Warn("clients of a socket that is no longer wanted are lost", "app", app, "listen", listen, "err", err)
			continue
		}
		adopted += len(conns)
	}
	return adopted
}

// heirOf is the listener that takes a socket's place: the one in whose way it is,
// or the first.
func heirOf(its map[string]*os.File, f *os.File) string {
	listens := slices.Sorted(maps.Keys(its))
	if have, err := boundTo(f); err == nil {
		for _, listen := range listens {
			if want, err := boundTo(its[listen]); err == nil && want.Port() == have.Port() && overlap(want.Addr(), have.Addr()) {
				return listen
			}
		}
	}
	if len(listens) == 0 {
		return ""
	}
	return listens[0]
}

// acceptAll takes all connections that wait at a socket.
func acceptAll(f *os.File) (conns []*os.File) {
	_ = control(f, func(fd int) error {
		for {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if n, err := unix.Poll(p, 0); err != nil || n == 0 {
				return err
			}
			c, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err != nil {
				return err
			}
			conns = append(conns, os.NewFile(uintptr(c), "connection"))
		}
	})
	return conns
}

// rest lets a master go that has nothing to do. Its listeners stay with the
// keeper: who connects from now on waits there.
func (a *Applier) rest(ctx context.Context, spec *appspec.Spec, o Observed, cur Seen) error {
	if len(a.keep.files(spec)) != len(spec.Sockets.HTTP) {
		if a.hold(ctx, o.App, cur.master) > 0 {
			return nil // somebody had come, to a socket that an earlier daemon kept
		}
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

// beyond is what is kept for an app and is not one of its spec's sockets; the
// files stay the keeper's.
func (k *keeper) beyond(spec *appspec.Spec) map[string]*os.File {
	out := k.all(spec.Name)
	for _, s := range spec.Sockets.HTTP {
		delete(out, s.Listen)
	}
	return out
}

// add takes over more sockets of an app.
func (k *keeper) add(app string, files map[string]*os.File) {
	if len(files) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := maps.Clone(k.apps[app])
	if now == nil {
		now = map[string]*os.File{}
	}
	for listen, f := range files {
		_ = now[listen].Close() // nil: it says so
		now[listen] = f
	}
	k.apps[app] = now
	k.tell(app, now)
}
