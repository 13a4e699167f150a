package reconcile

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// said is what a reading of the directory says of one app.
type said struct {
	spec *appspec.Spec // nil: there is no good one
	all  string        // the same where it says the same; never empty
	own  string        // where edits wait: of the spec without what comes of other apps
}

// whatIsSaid is what a set says of each app that it names. before is what the last one
// did: a spec that is the same one says the same, and nothing is reckoned for it.
func whatIsSaid(set *hclspec.Set, before map[string]said, holds bool) map[string]said {
	now := make(map[string]said, len(set.Specs))
	for n, s := range set.Specs {
		is := before[n]
		if is.spec != s {
			is = said{spec: s, all: s.File + "\x00" + runner.Digest(s)}
		}
		switch {
		case !holds:
			is.own = ""
		case is.own == "":
			is.own = s.File + "\x00" + runner.Digest(specdir.OwnPart(s))
		}
		now[n] = is
	}
	for _, f := range set.Faults {
		for _, n := range append([]string{f.App}, f.Apps...) {
			if n != "" && now[n].all == "" {
				now[n] = said{all: "\x00" + f.Summary}
			}
		}
	}
	return now
}
