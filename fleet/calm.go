package fleet

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// calmLife is how long what was seen of an app that nothing has happened to since is
// taken as true, and up to twice as long, so that not all are due at once; then its
// files are read once more, should others have changed them.
const calmLife = 2 * time.Minute

// calm is what a look has seen of apps that change by nothing but what the daemon itself
// does or is told of: they have no master that could be asked, and wait for nothing. The
// next look takes it over, so that it costs next to nothing to look at a thousand apps
// that sleep.
type calm struct {
	set      *hclspec.Set // the directory, as it was read then
	apps     map[string]calmApp
	names    []string // of all apps
	warnings []string
	until    time.Time // names and warnings are looked for again
}

type calmApp struct {
	status AppStatus
	moved  uint64    // see board.moved
	until  time.Time // it is looked at again
}

var calmSeed = maphash.MakeSeed()

// lookAgain is the status of the fleet, with what still holds of the last one.
func (d *Daemon) lookAgain(ctx context.Context, last *Status) *Status {
	set, setErr := d.e.snapshot()
	front := d.e.front(set)
	now := d.e.now()
	var before calm
	if last != nil && last.calm.set == set && setErr == nil {
		before = last.calm
	}
	next := calm{set: set, names: before.names, warnings: before.warnings, until: before.until}
	if now.After(before.until) {
		next.names, next.warnings, next.until = d.e.names(), sharedUsers(set), now.Add(calmLife)
	}
	var mu sync.Mutex
	next.apps = make(map[string]calmApp, len(before.apps)) // guarded by mu
	st := d.e.compose(set, setErr, next.names, func(name string) AppStatus {
		// Asked before the look: what happens meanwhile makes it another one.
		moved, working := d.board.moved(name), d.rec.Working(name)
		seen, known := before.apps[name]
		if !known || working || seen.moved != moved || now.After(seen.until) {
			a, steady := d.e.appNow(ctx, name, front, true)
			if working || !steady {
				return a
			}
			spread := time.Duration(maphash.String(calmSeed, name) % uint64(calmLife))
			seen = calmApp{status: a, moved: moved, until: now.Add(calmLife + spread)}
		}
		mu.Lock()
		next.apps[name] = seen
		mu.Unlock()
		return seen.status
	})
	st.Daemon, st.Warnings, st.calm = d.self(), next.warnings, next
	return st
}

// steady: the directory says what the app should be, it is down by that or by an
// operator, no master of it is left, and all is known that there is of it.
func steady(w plan.Want, o plan.Observed) bool {
	return w.Spec != nil && w.Waiting == "" && w.Held == "" && w.Invalid == "" &&
		len(o.Masters) == 0 && o.Failure == nil && o.Unknown == nil && len(o.Corrupt) == 0 &&
		(!w.Spec.Enabled || o.Override.Stopped || len(o.Awaited) > 0)
}
