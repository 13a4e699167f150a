package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// family is an app block with environments.
type family struct {
	head    *candidate
	members []*candidate
	warned  map[string]bool
}

// families are the apps with environments of a load, by where their names stand.
func (l *loader) families() map[hcl.Range]*family {
	all := make(map[hcl.Range]*family)
	for _, c := range l.order {
		switch {
		case c.family == (hcl.Range{}):
		case all[c.family] == nil: // it comes before its environments
			all[c.family] = &family{head: c, warned: make(map[string]bool)}
		default:
			all[c.family].members = append(all[c.family].members, c)
		}
	}
	return all
}

// broken tells that something is wrong with the app block, and so with every
// environment.
func (f *family) broken() bool { return f != nil && f.head.diags.HasErrors() }

// faults are those of the whole family when its head comes, none later. What is
// wrong in several environments alike, as it stands in the app block or in
// defaults, is told once, for all of them.
func (f *family) faults(text *renderer, c *candidate) (out []located) {
	if c != f.head {
		return nil
	}
	if f.broken() {
		out = append(out, located{text.fault(c.path, "", c.diags, f.head.members), c.index})
	}
	where := make(map[string][]*candidate) // by diagnostic
	for _, m := range f.members {
		for _, d := range m.diags {
			key := diagnosticKey(d)
			if all := where[key]; !slices.Contains(all, m) {
				where[key] = append(all, m)
			}
		}
	}
	shared := make(map[string]hcl.Diagnostics) // by apps
	var groups [][]string
	for _, m := range f.members {
		var own hcl.Diagnostics
		for _, d := range m.diags {
			key := diagnosticKey(d)
			all := where[key]
			delete(where, key)
			switch {
			case len(all) == 0: // told already
			case len(all) == 1:
				own = append(own, f.at(d, all))
			default:
				var apps []string
				for _, one := range all {
					apps = append(apps, one.name)
				}
				group := strings.Join(apps, " ")
				if shared[group] == nil {
					groups = append(groups, apps)
				}
				shared[group] = append(shared[group], f.at(d, all))
			}
		}
		if own.HasErrors() {
			out = append(out, located{text.fault(m.path, m.name, own, nil), m.index})
		}
	}
	for _, apps := range groups {
		out = append(out, located{text.fault(c.path, "", shared[strings.Join(apps, " ")], apps), c.index})
	}
	return out
}

// at adds the environments that a diagnostic is of, where it stands outside of them
// and is not of all.
func (f *family) at(d *hcl.Diagnostic, all []*candidate) *hcl.Diagnostic {
	if len(all) == len(f.members) || d.Subject == nil || !all[0].inherits(*d.Subject) {
		return d
	}
	var names []string
	for _, c := range all {
		names = append(names, appspec.Quote(c.env))
	}
	n := *d
	n.Summary += ", in environment " + strings.Join(names, " and ")
	return &n
}

// inherits tells whether a place is one that an environment takes a value from, in
// the app block or in defaults.
func (c *candidate) inherits(rng hcl.Range) bool {
	for _, l := range c.above {
		if l != nil && slices.ContainsFunc(l.steps, func(st step) bool { return st.rng == rng }) {
			return true
		}
	}
	return false
}

// once leaves out the warnings that another environment has as well.
func (f *family) once(warnings hcl.Diagnostics) (out hcl.Diagnostics) {
	for _, d := range warnings {
		if key := diagnosticKey(d); !f.warned[key] {
			f.warned[key] = true
			out = append(out, d)
		}
	}
	return out
}

// diagnosticKey is the same for two diagnostics that say the same of one place.
func diagnosticKey(d *hcl.Diagnostic) string {
	return place(d.Subject) + "\x00" + d.Summary + "\x00" + d.Detail
}
