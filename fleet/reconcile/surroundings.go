package reconcile

import (
	"maps"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// surroundings are those of all apps that should run. Several are looked at at a time, each
// for a limited time: their folders may lie on a disk that does not answer.
func (c *Core) surroundings(set *hclspec.Set) map[string]plan.Surroundings {
	var specs []*appspec.Spec
	var folders []string
	for _, spec := range set.Specs {
		if spec.Enabled {
			specs, folders = append(specs, spec), append(folders, spec.Path)
		}
	}
	found := make([]plan.Surroundings, len(specs))
	bounded.Each(c.Disk, "look at", folders,
		func(i int) (plan.Surroundings, error) { return c.Folders.Around(c.Disk.Fs, specs[i]), nil },
		func(i int, s plan.Surroundings, _ error) { found[i] = s })
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
