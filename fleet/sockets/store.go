package sockets

import (
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Store holds the daemon's duplicates of the apps' listening sockets, so that
// a master that dies is replaced on the same sockets: clients wait meanwhile,
// none is refused. A nil store keeps nothing.
type Store struct {
	mu    sync.Mutex
	apps  map[string]map[string]*os.File // by app and listen string; closed by drop
	given map[string]*os.File            // of .socket units by listen string (systemd:NAME), never closed
	tell  func(app string, files map[string]*os.File)
}

// NewStore keeps nothing yet. tell is told of what it keeps of an app whenever that changes.
func NewStore(tell func(string, map[string]*os.File)) *Store {
	return &Store{apps: map[string]map[string]*os.File{}, given: map[string]*os.File{}, tell: tell}
}

// Files returns what is kept for those of the spec's sockets; the files stay
// the store's.
func (k *Store) Files(spec *appspec.Spec) map[string]*os.File {
	out := map[string]*os.File{}
	if k == nil {
		return out
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range spec.Sockets.HTTP {
		if f := k.apps[spec.Name][s.Listen]; f != nil {
			out[s.Listen] = f
		} else if f := k.given[s.Listen]; f != nil {
			out[s.Listen] = f
		}
	}
	return out
}

// All is what is kept for an app, whatever its spec says; the files stay the
// store's.
func (k *Store) All(app string) map[string]*os.File {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.apps[app])
}

// Owner is the app, but for one, for which a socket is kept that is in the way of a listen
// string, and where that one listens; empty: none.
func (k *Store) Owner(listen, but string) (app, at string) {
	if k == nil {
		return "", ""
	}
	want, err := resolve(listen)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, app := range slices.Sorted(maps.Keys(k.apps)) {
		if app == but {
			continue
		}
		for at, f := range k.apps[app] {
			if at == listen {
				return app, at
			}
			if err != nil {
				continue // no TCP address
			}
			if have, err := BoundTo(f); err == nil && have.Port() == want.Port() && overlap(have.Addr(), want.Addr()) {
				return app, at
			}
		}
	}
	return "", ""
}

// Beyond is what is kept for an app and is not one of its spec's sockets; the
// files stay the store's.
func (k *Store) Beyond(spec *appspec.Spec) map[string]*os.File {
	out := k.All(spec.Name)
	for _, s := range spec.Sockets.HTTP {
		delete(out, s.Listen)
	}
	return out
}

// With calls do with what is kept for an app, none of which is closed meanwhile.
func (k *Store) With(app string, do func(files map[string]*os.File)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do(k.apps[app])
}

// Keep takes over the files as all that is kept for the app.
func (k *Store) Keep(app string, files map[string]*os.File) {
	if k == nil {
		CloseAll(files)
		return
	}
	k.mu.Lock()
	old := k.apps[app]
	k.apps[app] = files
	// Told under the lock: the service manager must see the changes in order.
	k.tell(app, files)
	k.mu.Unlock()
	CloseAll(old)
}

// Add takes over more sockets of an app.
func (k *Store) Add(app string, files map[string]*os.File) {
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

// Adopt takes over what an earlier process has kept for an app, and tells whether it
// did: what is kept already stays.
func (k *Store) Adopt(app string, files map[string]*os.File) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.apps[app] != nil {
		return false
	}
	k.apps[app] = files
	return true
}

// Give hands over the socket of a .socket unit, for listen strings that say so.
func (k *Store) Give(listen string, f *os.File) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.given[listen] = f
}

// Whole calls do with all that is kept, none of which is closed meanwhile.
func (k *Store) Whole(do func(apps map[string]map[string]*os.File) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return do(k.apps)
}

// Drop closes what is kept for an app.
func (k *Store) Drop(app string) {
	if k == nil {
		return
	}
	k.mu.Lock()
	old := k.apps[app]
	delete(k.apps, app)
	if len(old) > 0 {
		k.tell(app, nil)
	}
	k.mu.Unlock()
	CloseAll(old)
}

// Names lists the apps of which something is kept.
func (k *Store) Names() []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.apps))
}

// Close closes all that is kept.
func (k *Store) Close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, files := range k.apps {
		CloseAll(files)
	}
	clear(k.apps)
}

// CloseAll closes files.
func CloseAll(files map[string]*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
