package hclspec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Both leaves in a set the faults that another reading of the same texts has, too, and takes
// over the specs that it has beyond.
func (s *Set) Both(other *Set) {
	place := func(d *hcl.Diagnostic) hcl.Range {
		return hcl.Range{Filename: d.Subject.Filename, Start: d.Subject.Start}
	}
	places := map[hcl.Range]bool{}
	for _, f := range other.Faults {
		for _, d := range f.Diagnostics {
			if d.Subject != nil {
				places[place(d)] = true
			}
		}
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		f.Diagnostics = slices.DeleteFunc(f.Diagnostics, func(d *hcl.Diagnostic) bool {
			return d.Severity == hcl.DiagError && d.Subject != nil && !places[place(d)]
		})
	}
	s.Faults = slices.DeleteFunc(s.Faults, func(f Fault) bool { return !f.Diagnostics.HasErrors() })
	s.DefaultsBroken = s.DefaultsBroken && other.DefaultsBroken
	for name, spec := range other.Specs {
		if s.Specs[name] == nil {
			s.Specs[name] = spec
		}
	}
}
