package specdir

import (
	"maps"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// ownNames are whose each name is, by the specs that apps run by.
type ownNames struct {
	app   map[string]string   // by name
	below map[string][]string // whole names, by what follows their first label and its dot
}

// namesOf are the names of apps. An app that is disabled keeps those that no other has: its
// clients are told that it is not there, and not sent to another. So does one
// that was removed from the directory, which waits for apply.
func namesOf(apps map[string]*appspec.Spec, removed func(*appspec.Spec) bool) ownNames {
	o := ownNames{app: map[string]string{}, below: map[string][]string{}}
	rank := func(s *appspec.Spec) int {
		switch {
		case s.Gate != nil:
			return -1
		case !s.Enabled:
			return 2
		case removed(s):
			return 1
		}
		return 0
	}
	for turn := range 3 {
		for _, name := range slices.Sorted(maps.Keys(apps)) {
			s := apps[name]
			if rank(s) != turn {
				continue
			}
			for _, h := range s.Hosts {
				if o.app[h] != "" {
					continue
				}
				o.app[h] = name
				if label, rest, ok := strings.Cut(h, "."); ok && label != "*" {
					o.below[rest] = append(o.below[rest], h)
				}
			}
		}
	}
	return o
}

// foreign are the names of others that an app would answer for if it knew of its own alone: by
// a wildcard, or where it answers for all names that no other has.
func (o ownNames) foreign(s *appspec.Spec, isDefault bool) (out []string) {
	if isDefault {
		for h, app := range o.app {
			if app != s.Name {
				out = append(out, h)
			}
		}
		slices.Sort(out)
		return out
	}
	for _, own := range s.Hosts {
		rest, ok := strings.CutPrefix(own, "*.")
		if !ok {
			continue
		}
		for _, h := range o.below[rest] {
			if o.app[h] != s.Name {
				out = append(out, h)
			}
		}
	}
	slices.Sort(out)
	return out
}
