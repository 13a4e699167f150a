package reconcile

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// running are the specs that apps should run by, as far as passes have found that out: not the
// ones of the directory where a file is broken, an edit waits for apply, or an app goes on in the
// folder of its release.
func (c *Core) running(set *hclspec.Set) []*appspec.Spec {
	c.mu.Lock()
	defer c.mu.Unlock()
	var specs []*appspec.Spec
	for name, spec := range set.Specs {
		if m := c.memories[name]; m.spec != nil && m.other {
			spec = m.spec
		}
		if spec.Enabled {
			specs = append(specs, spec)
		}
	}
	for name, m := range c.memories {
		if set.Specs[name] == nil && m.other && m.spec.Enabled {
			specs = append(specs, m.spec)
		}
	}
	return specs
}

// surroundings are those of all apps that should run. Several are looked at at a time, each
// for a limited time: their folders may lie on a disk that does not answer.
func (c *Core) surroundings(specs []*appspec.Spec) map[string]plan.Surroundings {
	folders := make([]string, len(specs))
	for i, spec := range specs {
		folders[i] = spec.Path
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

// watchedPaths are the paths outside a spec directory that count for it: of what it has read, and
// of the apps that should run.
func watchedPaths(set *hclspec.Set, running []*appspec.Spec) map[string]bool {
	paths := map[string]bool{}
	for _, path := range set.Reads {
		paths[path] = true
	}
	for _, spec := range running {
		paths[spec.Path] = true
		for _, s := range spec.Sockets.HTTP {
			if path, ok := strings.CutPrefix(s.Listen, "unix:"); ok {
				paths[path] = true
			}
		}
	}
	return paths
}
