package hclspec

import (
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// finish checks the apps against each other and sorts the faults.
func (l *loader) finish() *Set {
	for name, all := range l.found {
		for i, c := range all {
			if len(all) < 2 {
				break
			}
			other := all[0]
			if i == 0 {
				other = all[1]
			}
			c.diags = append(c.diags, twice(name, c, other))
		}
	}
	families := l.families()
	good := make([]*appspec.Spec, 0, len(l.order))
	bySpec := make(map[*appspec.Spec]*candidate, len(l.order))
	for _, c := range l.order {
		if c.spec != nil && !c.diags.HasErrors() && !families[c.family].broken() {
			good = append(good, c.spec)
			bySpec[c.spec] = c
		}
	}
	whole := func(s *appspec.Spec) hcl.Range { return bySpec[s].whole }
	for _, found := range clashes(l.fsys, good) {
		c := bySpec[found.spec]
		c.diags = append(c.diags, found.diagnostic(whole))
	}
	l.names(good, bySpec)
	l.managed(good, bySpec)
	for dir, d := range l.defaults {
		if under := d.layer(); under != nil && dir == l.set.Dir {
			l.set.Manual = under.manual
		}
		// Files of this directory were read, its broken defaults were not among them.
		if path := filepath.Join(dir, defaultsFile); d.broken && !l.done[path] {
			l.set.Sources[path] = d.entry.src
			l.faults = append(l.faults, located{l.text.fault(path, "", slices.Clone(d.entry.diags), nil), -1})
		}
	}
	for _, c := range l.order {
		if fam := families[c.family]; fam != nil {
			l.faults = append(l.faults, fam.faults(l.text, c)...)
			if fam.broken() || c.spec == nil || c.diags.HasErrors() {
				continue
			}
			c.warn = fam.once(c.warn)
		}
		switch {
		case c.diags.HasErrors():
			l.faults = append(l.faults, located{l.text.fault(c.path, c.name, c.diags, nil), c.index})
		case l.set.DefaultsBroken && l.defaultsFor(filepath.Dir(c.path)).broken:
			// Without its defaults the app is not what it should be.
		default:
			l.set.Specs[c.name] = c.spec
			l.set.Warnings = append(l.set.Warnings, c.warn...)
		}
	}
	slices.SortStableFunc(l.faults, func(a, b located) int { return a.index - b.index })
	for _, f := range l.faults {
		l.set.Faults = append(l.set.Faults, f.Fault)
	}
	slices.Sort(l.set.Reads)
	l.set.Reads = slices.Compact(l.set.Reads)
	l.o.Cache.keep(l.done)
	return l.set
}
