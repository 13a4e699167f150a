package fleet

import (
	"fmt"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Where edits wait for apply, an app is what apply has confirmed last: its last good
// spec, which no other pass changes then. It is kept in the data directory, so that a
// restart, an upgrade and a reboot find it, and what waits is what differs from it.

// holds tells whether edits wait for apply.
func (e *engine) holds(set *hclspec.Set) bool { return e.opts.Hold || set != nil && set.Manual }

// wantedOf is what an app should be now. confirmed: what the directory says is to be
// carried out.
func (e *engine) wantedOf(set *hclspec.Set, setErr error, name string, rem *Remembered, confirmed bool) want {
	w := rem.wanted(set, setErr, name)
	if confirmed || !e.holds(set) || w.Held != "" || w.Invalid != "" {
		return w
	}
	return rem.unedited(w)
}

// unedited is what an app should be while the edit that the directory says waits.
func (r *Remembered) unedited(w want) want {
	last := r.LastGood
	if last == nil {
		if w.Spec != nil {
			return want{Waiting: "it is new"}
		}
		return w
	}
	was := withoutRelease(last)
	if was.Deploy != nil {
		was = r.release().Apply(was)
	}
	if w.Spec == nil {
		return want{Spec: was, Waiting: "its spec is gone"}
	}
	if runner.Digest(was) == runner.Digest(w.Spec) {
		return w
	}
	return want{Spec: was, Waiting: editText(was, w.Spec)}
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
