package fleet

import (
	"context"
	"hash/maphash"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// calmLife is how long what was seen of an app that nothing has happened to since is
// taken as true, and up to twice as long, so that not all are due at once; then its
// files are read once more, should others have changed them.
const calmLife = 2 * time.Minute

// calm is what a look has seen. The next look takes over what it saw of apps that change
// by nothing but what the daemon itself does or is told of: they have no master that could
// be asked, and wait for nothing. So it costs next to nothing to look at a thousand apps
// that sleep. Served.Poll takes over all but what the daemon has had to do with since.
type calm struct {
	set      *hclspec.Set // the directory, as it was read then
	front    *appspec.Spec
	apps     map[string]*seenApp // not changed once they are here
	names    []string            // of all apps
	warnings []string
	until    time.Time // names and warnings are looked for again
}

type seenApp struct {
	status AppStatus
	moved  uint64    // see statusCache.moved
	until  time.Time // a look takes it over until then; zero: it may change by itself
}

var calmSeed = maphash.MakeSeed()

// lookAgain is the status of the fleet, with what still holds of the last one.
func (d *Daemon) lookAgain(ctx context.Context, last *Status) *Status {
	now := d.core.Now()
	st, _ := d.lookAt(ctx, last, now, func(a *seenApp) bool { return !now.After(a.until) })
	return st
}

// lookMoved is the last status, but for apps that something has happened to since by what
// the daemon does or is told of; the same one where that is none.
func (d *Daemon) lookMoved(ctx context.Context, last *Status) *Status {
	if _, err := d.core.Dir.Snapshot(); err != nil && last != nil {
		return last // that is told by looks
	}
	st, changed := d.lookAt(ctx, last, d.core.Now(), func(*seenApp) bool { return true })
	if !changed {
		return last
	}
	return st
}

// lookAt is the status of the fleet, in which apps to which nothing has happened are as
// they were seen last, if holds says so. changed is false where all of them are.
func (d *Daemon) lookAt(ctx context.Context, last *Status, now time.Time, holds func(*seenApp) bool) (st *Status, changed bool) {
	set, setErr := d.core.Dir.Snapshot()
	next := calm{set: set, front: d.core.Dir.Front(set)}
	var before calm
	if last != nil && setErr == nil {
		before = last.calm
	}
	same := before.alike(&next)
	if next.names, next.warnings, next.until = before.names, before.warnings, before.until; set != before.set || now.After(before.until) {
		next.names, next.warnings, next.until = d.core.Dir.Names(), sharedUsers(set), now.Add(calmLife)
	}
	var mu sync.Mutex
	next.apps = make(map[string]*seenApp, len(before.apps)) // guarded by mu
	looked := 0                                             // guarded by mu
	st = d.core.compose(set, setErr, next.names, func(name string) AppStatus {
		// Asked before the look: what happens meanwhile makes it another one.
		moved, working := d.cache.moved(name), d.loop.Reconciler.Working(name)
		seen, known := before.apps[name]
		again := !known || working || seen.moved != moved || !same(name) || !holds(seen)
		if again {
			a, steady := d.core.appNow(ctx, name, next.front, true)
			seen = &seenApp{status: a, moved: moved}
			if steady && !working {
				spread := time.Duration(maphash.String(calmSeed, name) % uint64(calmLife))
				seen.until = now.Add(calmLife + spread)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		next.apps[name] = seen
		if again {
			looked++
		}
		return seen.status
	})
	st.Daemon, st.Warnings, st.calm = d.self(), append(slices.Clip(next.warnings), d.core.away()...), next
	return st, looked > 0 || set != before.set
}

// alike tells of an app whether two readings of the directory say the same of it.
func (c *calm) alike(next *calm) func(name string) bool {
	switch {
	case c.set == next.set:
		return func(string) bool { return true }
	case c.set == nil || next.set == nil || c.set.DefaultsBroken || next.set.DefaultsBroken ||
		c.set.Manual != next.set.Manual || !reflect.DeepEqual(c.front, next.front):
		return func(string) bool { return false }
	}
	return func(name string) bool {
		was, is := c.set.Specs[name], next.set.Specs[name]
		return was != nil && reflect.DeepEqual(was, is)
	}
}

// steady: the directory says what the app should be, it is down by that or by an
// operator, no master of it is left, and all is known that there is of it.
func steady(w plan.Want, o plan.Observed) bool {
	return w.Spec != nil && w.Waiting == "" && w.Held == "" && w.Invalid == "" &&
		len(o.Masters) == 0 && o.Failure == nil && o.Unknown == nil && len(o.Corrupt) == 0 &&
		(!w.Spec.Enabled || o.Override.Stopped || len(o.Awaited) > 0)
}
