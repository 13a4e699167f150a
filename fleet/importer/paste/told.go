package paste

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// told is what PasteDeploy tells the object that a section makes.
type told struct {
	settings map[string]facts.Setting
	dropped  []facts.Setting // stand in the section, and are not told
}

// mostUses is how many sections may name one another by "use".
const mostUses = 20

// told is what the section of a kind and name tells, with that of the section which its "use"
// names, here or in another file; nil: there is none. given are the variables of who loads it,
// which "get" asks for. A name that stands in [DEFAULT], or is given, is told of no section
// (PasteDeploy 3.0.1; findings/pastedeploy-drops-what-default-has-too.sh).
func (f *file) told(kind, name string, given map[string]string, depth int) (*told, error) {
	own := f.named(kind, name)
	if own == nil {
		return nil, nil
	}
	variables, err := f.variables(given)
	if err != nil {
		return nil, err
	}
	out := &told{settings: map[string]facts.Setting{}}
	gets := map[string]facts.Setting{}
	for _, key := range facts.SortedKeys(own) {
		s := own[key]
		value, err := f.filled(s.Value(), own, 0)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", s.At.Line, err)
		}
		s.List = []string{value}
		_, everywhere := f.defaults[key]
		if set, ok := strings.CutPrefix(key, "set "); ok {
			variables[strings.TrimSpace(set)] = value
		} else if get, ok := strings.CutPrefix(key, "get "); ok {
			gets[strings.TrimSpace(get)] = s
		} else if everywhere {
			out.dropped = append(out.dropped, s)
		} else {
			out.settings[key] = s
		}
	}
	for key, s := range gets {
		value, ok := variables[s.Value()]
		if !ok {
			return nil, fmt.Errorf("line %d: %s: there is no variable %s, and PasteDeploy does not load the file", s.At.Line, s.Was, s.Value())
		}
		s.List = []string{value}
		out.settings[key] = s
	}
	return out, f.use(out, kind, variables, depth)
}

// named are the lines of the section of a kind and name.
func (f *file) named(kind, name string) map[string]facts.Setting {
	for _, section := range facts.SortedKeys(f.sections) {
		if of, is, ok := strings.Cut(section, ":"); ok && of == kind && strings.TrimSpace(is) == name {
			return f.sections[section]
		}
	}
	return nil
}

// variables are those that "get" asks for: the values of [DEFAULT] filled, and before those
// what was given, though no placeholder sees that.
func (f *file) variables(given map[string]string) (map[string]string, error) {
	all := map[string]string{}
	for name, text := range f.defaults {
		value, err := f.filled(text, nil, 0)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", f.sections[forAll][name].At.Line, err)
		}
		all[name] = value
	}
	maps.Copy(all, given)
	return all, nil
}

// use puts what a section tells over what the section tells that its "use" names.
func (f *file) use(out *told, kind string, variables map[string]string, depth int) error {
	use, ok := out.settings["use"]
	if !ok {
		return nil
	}
	scheme, rest, other := strings.Cut(use.Value(), ":")
	from, name := f, use.Value()
	switch {
	case other && strings.EqualFold(scheme, "config"):
		path, section, _ := strings.Cut(rest, "#")
		name = facts.Either(section, "main")
		var err error
		if from, err = read(facts.Rel(filepath.Dir(f.path), path), variables); err != nil {
			return fmt.Errorf("line %d: %s: cannot be read: %w", use.At.Line, use.Was, err)
		}
	case other: // egg: or call:, which make it
		return nil
	}
	if depth++; depth > mostUses {
		return fmt.Errorf("line %d: %s: the sections name one another", use.At.Line, use.Was)
	}
	base, err := from.told(kind, name, variables, depth)
	if err != nil {
		return fmt.Errorf("line %d: %s: %w", use.At.Line, use.Was, err)
	}
	if base == nil {
		return fmt.Errorf("line %d: %s: there is no section [%s:%s], and PasteDeploy does not load the file", use.At.Line, use.Was, kind, name)
	}
	delete(out.settings, "use")
	maps.Copy(base.settings, out.settings)
	out.settings, out.dropped = base.settings, append(base.dropped, out.dropped...)
	return nil
}
