package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Where edits wait for apply, an app is what apply has confirmed last: its last good
// spec, which no other pass changes then. It is kept in the data directory, so that a
// restart, an upgrade and a reboot find it, and what waits is what differs from it.

// holds tells whether edits wait for apply.
func (e *engine) holds(set *hclspec.Set) bool { return e.opts.Hold || set != nil && set.Manual }

// wantedOf is what an app should be now. confirmed: what the directory says is to be
// carried out.
func (e *engine) wantedOf(set *hclspec.Set, setErr error, name string, rem *state.AppState, confirmed bool) plan.Want {
	w := plan.WantOf(rem, set, setErr, name)
	if confirmed || !e.holds(set) || w.Held != "" || w.Invalid != "" {
		return w
	}
	e.mu.Lock()
	d := e.doors
	e.mu.Unlock()
	return unedited(rem, w, d)
}

// unedited is what an app should be while the edit that the directory says waits. What
// comes of other apps and of the gate goes by theirs that were applied, and is no edit.
func unedited(r *state.AppState, w plan.Want, d *doors) plan.Want {
	last := r.LastGood
	if last == nil {
		if w.Spec != nil {
			return plan.Want{Waiting: "it is new"}
		}
		return w
	}
	was := withoutRelease(last)
	if was.Deploy != nil {
		was = r.CurrentRelease().Apply(was)
	}
	waiting := "its spec was removed"
	if w.Spec != nil {
		own, edited := ownPart(was), ownPart(w.Spec)
		if runner.Digest(own) == runner.Digest(edited) {
			return w
		}
		waiting = editText(own, edited)
	}
	if d != nil {
		was = d.again(was)
	}
	return plan.Want{Spec: was, Waiting: waiting}
}

// editText says in one line what an edit changes.
func editText(before, after *appspec.Spec) string {
	var paths []string
	for _, c := range appspec.Diff(before, after) {
		paths = append(paths, c.Path)
	}
	switch n := len(paths); {
	case n == 0:
		return "its spec changes"
	case n == 1:
		return paths[0] + " changes"
	case n > 4:
		return fmt.Sprintf("%s and %d more change", strings.Join(paths[:3], ", "), n-3)
	default:
		return strings.Join(paths[:n-1], ", ") + " and " + paths[n-1] + " change"
	}
}

// waitsFor says what an edit waits for.
func waitsFor(app, waiting string) string {
	return waiting + ", and waits for: wsgid-fleet apply " + app
}

// follow brings what was applied of one app to the others that go by it: names to the
// gate, certificates of the gate to the apps. Without edits that wait, the load before an
// apply has done that. before is the directory of then.
func (p *operations) follow(ctx context.Context, before *hclspec.Set, results []Result) []Result {
	now, err := p.reread(ctx)
	if err != nil {
		return results // the next load does it
	}
	for _, name := range slices.Sorted(maps.Keys(now.Specs)) {
		if was := before.Specs[name]; was == nil || runner.Digest(was) == runner.Digest(now.Specs[name]) {
			continue
		}
		i := slices.IndexFunc(results, func(r Result) bool { return r.App == name })
		if i >= 0 && !results[i].OK {
			continue
		}
		w, _ := p.e.look(ctx, name)
		if w.Spec == nil {
			continue // it is new, and waits
		}
		switch r := p.converge(ctx, name, reconcile.Intent{}); {
		case i >= 0:
			results[i] = r
		case !r.OK:
			results = append(results, r)
		}
	}
	return results
}
