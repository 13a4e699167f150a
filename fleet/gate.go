package fleet

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// The gate is kept as an app is, under a name that no app can have: its block is its
// spec, and what is observed, planned, applied, remembered and held of an app is so of
// the gate. What the fleet adds is here: to the gate the names of all apps, and to each
// app with names the socket at which its master takes connections over.

// doors are what the fleet adds to specs, by those that its apps run by. A load makes
// them; they do not change.
type doors struct {
	e       *engine
	account func() state.Account
	front   *appspec.Spec   // the gate that runs, or should; nil: there is none
	routes  []appspec.Route // of front
	foreign []string        // the names of all apps but its default one
}

// admit completes the specs of a load. Last good specs were completed when they were
// read; where edits wait they are completed anew, as others may have been applied since.
func (e *engine) admit(set *hclspec.Set) *doors {
	apps := e.serving(set)
	// Most directories have no gate: nobody is looked up.
	d := &doors{e: e, account: sync.OnceValue(state.GateAccount), front: apps[appspec.GateName]}
	if d.front != nil {
		d.foreign = foreign(apps, d.front.Gate.Default)
	}
	for _, s := range set.Specs {
		if s.Gate == nil {
			d.admit(s)
		}
	}
	for name, s := range apps {
		if s.Gate == nil && s != set.Specs[name] && e.holds(set) {
			apps[name] = d.again(s)
		}
	}
	if d.front != nil {
		d.routes = e.routes(apps, d.front.Gate.Default)
	}
	if front := set.Specs[appspec.GateName]; front != nil {
		own := *front.Gate
		own.Routes = e.routes(apps, own.Default)
		front.Gate = &own
		front.Path = e.gateFolder()
		front.User, front.Group = d.account().User, d.account().Group
		front.Sockets.HTTP = append(slices.Clip(front.Sockets.HTTP), gateSocket(e.store.Dir, appspec.GateName, d.account().Group))
	}
	return d
}

// admit gives an app with names the socket at which it takes connections over.
func (d *doors) admit(s *appspec.Spec) {
	isDefault := d.front != nil && s.Name == d.front.Gate.Default
	if len(s.Hosts) == 0 && !isDefault {
		return
	}
	sock := gateSocket(d.e.store.Dir, s.Name, d.account().Group)
	if d.front != nil {
		sock.Pairs = d.e.pairs(s, d.front)
	}
	if sock.Default = isDefault; isDefault && len(sock.Pairs) > 0 {
		sock.Foreign = d.foreign
	}
	s.Sockets.HTTP = append(slices.Clip(s.Sockets.HTTP), sock)
}

// again completes a spec that was completed by the doors of another load.
func (d *doors) again(s *appspec.Spec) *appspec.Spec {
	out := *ownPart(s)
	if out.Gate == nil {
		d.admit(&out)
		return &out
	}
	g := *out.Gate
	g.Routes = d.routes
	out.Gate = &g
	out.Sockets.HTTP = s.Sockets.HTTP
	return &out
}

// ownPart is a spec as its file has it, without what comes of the other ones.
func ownPart(s *appspec.Spec) *appspec.Spec {
	s = reconcile.ByHand(s)
	if s.Gate == nil {
		return s
	}
	out, g := *s, *s.Gate
	g.Routes = nil
	out.Gate = &g
	return &out
}

// heldGate is the gate that runs on though its file is broken; nil: there is none.
func (e *engine) heldGate(set *hclspec.Set) *appspec.Spec {
	if len(set.Faults) == 0 && !e.holds(set) {
		return nil
	}
	if s := e.servingOne(set, appspec.GateName); s != nil && s.Gate != nil {
		return s
	}
	return nil
}

// serving are the specs that apps run by, and the gate: those of broken files, and where
// edits wait for apply, as they were good last.
func (e *engine) serving(set *hclspec.Set) map[string]*appspec.Spec {
	apps, holds := maps.Clone(set.Specs), e.holds(set)
	if len(set.Faults) == 0 && !holds {
		return apps
	}
	known, _ := e.store.Apps()
	for _, name := range plan.Names(set, known) {
		if apps[name] != nil && !holds {
			continue
		}
		delete(apps, name)
		if s := e.servingOne(set, name); s != nil {
			apps[name] = s
		}
	}
	return apps
}

func (e *engine) servingOne(set *hclspec.Set, name string) *appspec.Spec {
	rem := e.store.Load(name)
	w := plan.WantOf(&rem, set, nil, name)
	if e.holds(set) && w.Held == "" && w.Invalid == "" {
		return rem.LastGood
	}
	return w.Spec
}

// routes are the names of all apps by the specs that they run by. An app that is
// disabled keeps the names that no other has: its clients are told that it is not there,
// and not sent to the default app.
func (e *engine) routes(apps map[string]*appspec.Spec, defaultApp string) []appspec.Route {
	taken := map[string]bool{}
	var out []appspec.Route
	for _, enabled := range []bool{true, false} {
		for _, name := range slices.Sorted(maps.Keys(apps)) {
			s := apps[name]
			if s.Gate != nil || s.Enabled != enabled || len(s.Hosts) == 0 && name != defaultApp {
				continue
			}
			r := appspec.Route{App: name, Wait: s.Workers.QueueTimeout}
			if n := len(s.Sockets.HTTP); n > 0 && s.Sockets.HTTP[n-1].Adopts {
				pairs := s.Sockets.HTTP[n-1].Pairs
				r.TLS, r.Certified = len(pairs) > 0, e.certified(s.Hosts, pairs)
			}
			for _, h := range s.Hosts {
				if !taken[h] {
					taken[h] = true
					r.Hosts = append(r.Hosts, h)
				}
			}
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b appspec.Route) int { return cmp.Compare(a.App, b.App) })
	return out
}

// gateSocket is where the master of an app takes connections over. Nobody but the
// gate's group may connect.
func gateSocket(stateDir, app, group string) appspec.HTTPSocket {
	s := appspec.HTTPSocket{Listen: "unix:" + filepath.Join(runner.GateSockets(stateDir), app), Mode: 0o660, Group: group, Adopts: true}
	if os.Geteuid() == 0 {
		s.Owner = "root"
	}
	return s
}

// gateFolder holds the log of the gate.
func (e *engine) gateFolder() string { return filepath.Join(e.store.Data, "gate") }
