package specdir

import (
	"maps"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// PlacedApps is what placement must know of the apps of a directory. here is what this
// host reads in it, for apps that cannot be told of without its files; it may be nil.
func PlacedApps(neutral, here *hclspec.Set) []cluster.App {
	var apps []cluster.App
	seen := map[string]bool{}
	add := func(s *appspec.Spec) {
		if s.Gate != nil || seen[s.Name] {
			return // every host has its own gate
		}
		seen[s.Name] = true
		a := cluster.App{Name: s.Name}
		for _, b := range s.Backends {
			a.Backends = append(a.Backends, cluster.Backend(b))
		}
		apps = append(apps, a)
	}
	for _, set := range []*hclspec.Set{neutral, here} {
		if set != nil {
			for _, n := range slices.Sorted(maps.Keys(set.Specs)) {
				add(set.Specs[n])
			}
		}
	}
	for _, set := range []*hclspec.Set{neutral, here} {
		if set == nil {
			continue
		}
		for _, f := range set.Faults {
			for _, n := range append([]string{f.App}, f.Apps...) {
				if n != "" && n != appspec.GateName && !seen[n] {
					seen[n] = true
					apps = append(apps, cluster.App{Name: n, Broken: true})
				}
			}
		}
	}
	return apps
}

// placed takes what runs elsewhere out of a set of a fleet of many machines. It needs loadMu.
func (d *Directory) placed(set *hclspec.Set) {
	o := NeutralOptions()
	o.Cache = &d.neutral
	neutral, err := o.Load(d.Disk, d.Path)
	if err != nil {
		neutral = nil
	}
	apps := PlacedApps(neutral, set)
	all := maps.Clone(set.Specs)
	for name, former := range d.Store.Formers(all, func(app string, was *state.AppState) bool {
		return plan.Wanted(set, nil, app, was.LastGood).Gone()
	}) {
		if i := slices.IndexFunc(apps, func(a cluster.App) bool { return a.Name == name }); i >= 0 {
			apps[i].Former = former
		}
	}
	elsewhere := d.Elsewhere(apps)
	for name := range elsewhere {
		delete(set.Specs, name)
	}
	set.Faults = slices.DeleteFunc(set.Faults, func(f hclspec.Fault) bool { return f.App != "" && elsewhere[f.App] != "" && len(f.Apps) == 0 })
	d.mu.Lock()
	d.everywhere = all
	d.mu.Unlock()
}

// Everywhere are the specs of the last load by app, of those too that other hosts run.
func (d *Directory) Everywhere() map[string]*appspec.Spec {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.everywhere
}
