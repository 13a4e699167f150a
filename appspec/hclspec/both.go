package hclspec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Both leaves in a set the faults that another reading of the same texts has, too, and takes
// over the specs that it has beyond.
func (s *Set) Both(other *Set) {
	places := map[hcl.Pos]map[string]bool{}
	for _, f := range other.Faults {
		for _, d := range f.Diagnostics {
			if d.Subject != nil {
				if places[d.Subject.Start] == nil {
					places[d.Subject.Start] = map[string]bool{}
				}
				places[d.Subject.Start][d.Subject.Filename] = true
			}
		}
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		f.Diagnostics = slices.DeleteFunc(f.Diagnostics, func(d *hcl.Diagnostic) bool {
			return d.Severity == hcl.DiagError && d.Subject != nil && !places[d.Subject.Start][d.Subject.Filename]
		})
	}
	s.Faults = slices.DeleteFunc(s.Faults, func(f Fault) bool { return !f.Diagnostics.HasErrors() })
	if s.DefaultsBroken && !other.DefaultsBroken {
		s.DefaultsBroken = false
	}
	for name, spec := range other.Specs {
		if s.Specs[name] == nil {
			s.Specs[name] = spec
		}
	}
}
