package specdir

import (
	"maps"
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// An app that is gone serves on until the one that takes its place does: so do its names lead to
// it until then.

// former is an app that is gone, and whose names lead to it.
type former struct {
	spec *appspec.Spec // the last good one
	// unready are the apps that take its place and do not serve yet: what they have of its names
	// is still its.
	unready []string
	serves  bool
}

// findFormers are the apps that are gone and keep their names: the ones that serve first. Only
// where something was taken out is anybody asked.
func (d *Directory) findFormers(set *hclspec.Set) (out []former) {
	if d.Unready == nil || set.DefaultsBroken || set.Specs[appspec.GateName] == nil && d.heldGate(set) == nil {
		return nil
	}
	known, _ := d.Store.Apps()
	for _, name := range known {
		if set.Specs[name] != nil || name == appspec.GateName {
			continue
		}
		rem := d.Store.Load(name)
		if was := rem.LastGood; was != nil && plan.WantOf(&rem, set, nil, name).Gone() {
			if unready, serves := d.Unready(set, name, was); len(unready) > 0 {
				out = append(out, former{was, unready, serves})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b former) int {
		switch {
		case a.serves == b.serves:
			return 0
		case a.serves:
			return -1
		}
		return 1
	})
	return out
}

// KeepsNames tells whether names lead to an app that is gone by the last load, and would lead to
// others by another one.
func (d *Directory) KeepsNames(name string) bool {
	d.mu.Lock()
	set, o := d.set, d.doors
	d.mu.Unlock()
	if set == nil || o == nil {
		return false
	}
	i := slices.IndexFunc(o.routes, func(r appspec.Route) bool { return r.App == name })
	if i < 0 {
		return false
	}
	if o.routes[i].Others {
		return true
	}
	for _, next := range slices.Sorted(maps.Keys(set.Specs)) {
		if next == name || !slices.ContainsFunc(o.routes[i].Hosts, func(h string) bool { return slices.Contains(set.Specs[next].Hosts, h) }) {
			continue
		}
		rem := d.Store.Load(next)
		if w := d.Wanted(set, nil, next, &rem, false); w.Spec != nil { // else it waits for apply
			return true
		}
	}
	return false
}

// routesTo are the names of all apps by the specs that they run by.
func (o *doors) routesTo(apps map[string]*appspec.Spec, defaultApp string) (out []appspec.Route) {
	whose := maps.Clone(o.names().app)
	all := maps.Clone(apps)
	taken := map[string]bool{}
	others := ""
	for _, f := range o.formers {
		keeps := func(app string) bool { return slices.Contains(f.unready, app) }
		for _, h := range f.spec.Hosts {
			if keeps(whose[h]) && !taken[h] {
				whose[h], taken[h] = f.spec.Name, true
				all[f.spec.Name] = f.spec
			}
		}
		if s := f.spec.Sockets.HTTP; len(s) > 0 && s[len(s)-1].Default && keeps(defaultApp) && others == "" {
			others = f.spec.Name
			all[others] = f.spec
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		if s.Gate != nil || len(s.Hosts) == 0 && name != defaultApp && name != others {
			continue
		}
		r := appspec.Route{App: name, Wait: s.Workers.QueueTimeout, Others: name == others}
		if n := len(s.Sockets.HTTP); n > 0 && s.Sockets.HTTP[n-1].Adopts {
			pairs := s.Sockets.HTTP[n-1].Pairs
			r.TLS, r.Certified = len(pairs) > 0, o.dir.certified(s.Hosts, pairs)
		}
		for _, h := range s.Hosts {
			if whose[h] == name {
				r.Hosts = append(r.Hosts, h)
			}
		}
		out = append(out, r)
	}
	return out
}
