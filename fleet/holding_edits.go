package fleet

import (
	"context"
	"maps"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

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
		w, _ := p.core.Look(ctx, name)
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
