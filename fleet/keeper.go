package fleet

import (
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// keeper holds the daemon's duplicates of the apps' listening sockets, so that
// a master that dies is replaced on the same sockets: clients wait meanwhile,
// none is refused. A nil keeper keeps nothing.
type keeper struct {
	mu    sync.Mutex
	apps  map[string]map[string]*os.File // by app and listen string; closed by drop
	given map[string]*os.File            // of .socket units by listen string (systemd:NAME), never closed
	tell  func(app string, files map[string]*os.File)
}

func newKeeper(tell func(string, map[string]*os.File)) *keeper {
	return &keeper{apps: map[string]map[string]*os.File{}, given: map[string]*os.File{}, tell: tell}
}

// files returns what is kept for those of the spec's sockets; the files stay
// the keeper's.
func (k *keeper) files(spec *appspec.Spec) map[string]*os.File {
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

// all is what is kept for an app, whatever its spec says; the files stay the
// keeper's.
func (k *keeper) all(app string) map[string]*os.File {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.apps[app])
}

// with calls do with what is kept for an app, none of which is closed meanwhile.
func (k *keeper) with(app string, do func(files map[string]*os.File)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do(k.apps[app])
}

// keep takes over the files as all that is kept for the app.
func (k *keeper) keep(app string, files map[string]*os.File) {
	if k == nil {
		closeAll(files)
		return
	}
	k.mu.Lock()
	old := k.apps[app]
	k.apps[app] = files
	// Told under the lock: the service manager must see the changes in order.
	k.tell(app, files)
	k.mu.Unlock()
	closeAll(old)
}

// drop closes what is kept for an app.
func (k *keeper) drop(app string) {
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
	closeAll(old)
}

// names lists the apps of which something is kept.
func (k *keeper) names() []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.apps))
}

func (k *keeper) close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, files := range k.apps {
		closeAll(files)
	}
	clear(k.apps)
}

func closeAll(files map[string]*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
