package specdir

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Where edits wait for apply, an app is what apply has confirmed last: its last good
// spec, which no other pass changes then. It is kept in the data directory, so that a
// restart, an upgrade and a reboot find it, and what waits is what differs from it.

// Holds tells whether edits wait for apply.
func (d *Directory) Holds(set *hclspec.Set) bool { return d.Hold || set != nil && set.Manual }

// Wanted is what an app should be now. confirmed: what the directory says is to be
// carried out.
func (d *Directory) Wanted(set *hclspec.Set, setErr error, name string, rem *state.AppState, confirmed bool) plan.Want {
	w := plan.WantOf(rem, set, setErr, name)
	if confirmed || !d.Holds(set) || w.Held != "" || w.Invalid != "" {
		return w
	}
	d.mu.Lock()
	others := d.doors
	d.mu.Unlock()
	w = unedited(rem, w, others)
	w.Stay(rem, set)
	return w
}

// unedited is what an app should be while the edit that the directory says waits. What
// comes of other apps and of the gate goes by theirs that were applied, and is no edit.
func unedited(r *state.AppState, w plan.Want, others *doors) plan.Want {
	last := r.LastGood
	if last == nil {
		if w.Spec != nil {
			return plan.Want{Waiting: "it is new"}
		}
		return w
	}
	was := WithoutRelease(last)
	if was.Deploy != nil {
		was = r.CurrentRelease().Apply(was)
	}
	waiting := "its spec was removed"
	if w.Spec != nil {
		own, edited := OwnPart(was), OwnPart(w.Said())
		if runner.Digest(own) == runner.Digest(edited) {
			return w
		}
		waiting = editText(own, edited)
	}
	if others != nil {
		was = others.again(was)
	}
	return plan.Want{Spec: was, Waiting: waiting}
}

// LeavesFolder tells whether an app that was removed, which waits for apply, leaves its folder to
// another one that was applied: each would have it as it should be for itself.
func (d *Directory) LeavesFolder(name string, w plan.Want) bool {
	set, _ := d.Snapshot()
	if w.Waiting == "" || w.Spec == nil || set == nil || set.Specs[name] != nil {
		return false
	}
	for next, s := range set.Specs {
		if s.Path == w.Spec.Path && d.Store.Load(next).LastGood != nil {
			return true
		}
	}
	return false
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
