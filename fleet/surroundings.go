package fleet

import (
	"maps"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// surroundings are those of all apps that should run. Several are looked at at a
// time: their folders may lie on a disk that does not answer.
func (e *engine) surroundings(set *hclspec.Set) map[string]plan.Surroundings {
	var specs []*appspec.Spec
	for _, spec := range set.Specs {
		if spec.Enabled {
			specs = append(specs, spec)
		}
	}
	found := make([]plan.Surroundings, len(specs))
	parallel(len(specs), 16, func(i int) { found[i] = e.folders.Around(e.disk, specs[i]) })
	all := make(map[string]plan.Surroundings, len(specs))
	for i, spec := range specs {
		all[spec.Name] = found[i]
	}
	return all
}

// watchedPaths are the paths outside a spec directory that count for it.
func watchedPaths(set *hclspec.Set) []string {
	paths := map[string]bool{}
	for _, path := range set.Reads {
		paths[path] = true
	}
	for _, spec := range set.Specs {
		if !spec.Enabled {
			continue
		}
		paths[spec.Path] = true
		for _, s := range spec.Sockets.HTTP {
			if path, ok := strings.CutPrefix(s.Listen, "unix:"); ok {
				paths[path] = true
			}
		}
	}
	return slices.Collect(maps.Keys(paths))
}
