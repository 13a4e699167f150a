package specdir

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
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
	dir     *Directory
	account func() state.Account
	apps    map[string]bool // those that run by the directory, and the gate
	front   *appspec.Spec   // the gate that runs, or should; nil: there is none
	routes  []appspec.Route // of front
	names   func() ownNames
	formers []former // apps that are gone, and keep their names for now
}

// Complete adds to the specs of a set what the fleet adds, as a load does.
func (d *Directory) Complete(set *hclspec.Set) { _, _ = d.admit(set, nil, nil) }

// admit completes the specs of a load. Last good specs were completed when they were
// read; where edits wait they are completed anew, as others may have been applied since.
// before is what the load before has completed, by app: what stays the same is the same
// spec again. formers keep their names.
func (d *Directory) admit(set *hclspec.Set, before map[string]completed, formers []former) (*doors, map[string]completed) {
	apps := d.serving(set)
	// Most directories have no gate: nobody is looked up.
	o := &doors{dir: d, account: sync.OnceValue(state.GateAccount), front: apps[appspec.GateName], apps: map[string]bool{}, formers: formers}
	o.names = sync.OnceValue(func() ownNames {
		return namesOf(apps, func(s *appspec.Spec) bool { return set.Specs[s.Name] == nil && plan.Wanted(set, nil, s.Name, s).Gone() })
	})
	for name := range apps {
		o.apps[name] = true
	}
	now := map[string]completed{}
	for name, s := range set.Specs {
		if s.Gate != nil {
			continue
		}
		with := o.admit(s)
		if with == s {
			continue
		}
		if was := before[name]; was.by == s && reflect.DeepEqual(was.spec.Sockets, with.Sockets) {
			with = was.spec
		}
		now[name] = completed{s, with}
		set.Specs[name] = with
		if apps[name] == s {
			apps[name] = with
		}
	}
	for name, s := range apps {
		if s.Gate == nil && s != set.Specs[name] && d.Holds(set) {
			apps[name] = o.again(s)
		}
	}
	if o.front != nil {
		o.routes = o.routesTo(apps, o.front.Gate.Default)
	}
	if front := set.Specs[appspec.GateName]; front != nil {
		spec, own := *front, *front.Gate
		own.Routes = o.routesTo(apps, own.Default)
		spec.Gate = &own
		spec.Path = d.gateFolder()
		spec.User, spec.Group = o.account().User, o.account().Group
		spec.Sockets.HTTP = append(slices.Clip(spec.Sockets.HTTP), gateSocket(d.Store.Dir, appspec.GateName, o.account().Group))
		set.Specs[appspec.GateName] = &spec
		if o.front == front {
			o.front = &spec
		}
	}
	return o, now
}

// completed is a spec as its file has it, and as a load has completed it.
type completed struct{ by, spec *appspec.Spec }

// admit is a spec with the socket at which its app takes connections over, where it has
// names; else the spec itself.
func (o *doors) admit(s *appspec.Spec) *appspec.Spec {
	isDefault := o.front != nil && s.Name == o.front.Gate.Default
	if len(s.Hosts) == 0 && !isDefault {
		return s
	}
	sock := gateSocket(o.dir.Store.Dir, s.Name, o.account().Group)
	if o.front != nil {
		sock.Pairs = o.dir.pairs(s, o.front)
		sock.Default = isDefault
		sock.Foreign = o.names().foreign(s, isDefault)
	}
	with := *s
	with.Sockets.HTTP = append(slices.Clip(s.Sockets.HTTP), sock)
	return &with
}

// again completes a spec that was completed by the doors of another load.
func (o *doors) again(s *appspec.Spec) *appspec.Spec {
	out := *OwnPart(s)
	if out.Gate == nil {
		return o.admit(&out)
	}
	g := *out.Gate
	g.Routes = o.routes
	out.Gate = &g
	out.Sockets.HTTP = s.Sockets.HTTP
	return &out
}

// OwnPart is a spec as its file has it, without what comes of the other ones.
func OwnPart(s *appspec.Spec) *appspec.Spec {
	s = ByHand(s)
	if s.Gate == nil {
		return s
	}
	out, g := *s, *s.Gate
	g.Routes = nil
	out.Gate = &g
	return &out
}

// heldGate is the gate that runs on though its file is broken; nil: there is none.
func (d *Directory) heldGate(set *hclspec.Set) *appspec.Spec {
	if len(set.Faults) == 0 && !d.Holds(set) {
		return nil
	}
	if s := d.servingOne(set, appspec.GateName); s != nil && s.Gate != nil {
		return s
	}
	return nil
}

// serving are the specs that apps run by, and the gate: those of broken files, and where
// edits wait for apply, as they were good last.
func (d *Directory) serving(set *hclspec.Set) map[string]*appspec.Spec {
	apps, holds := maps.Clone(set.Specs), d.Holds(set)
	if len(set.Faults) == 0 && !holds {
		return apps
	}
	known, _ := d.Store.Apps()
	for _, name := range plan.Names(set, known) {
		if apps[name] != nil && !holds {
			continue
		}
		delete(apps, name)
		if s := d.servingOne(set, name); s != nil {
			apps[name] = s
		}
	}
	return apps
}

func (d *Directory) servingOne(set *hclspec.Set, name string) *appspec.Spec {
	rem := d.Store.Load(name)
	w := plan.WantOf(&rem, set, nil, name)
	if d.Holds(set) && w.Held == "" && w.Invalid == "" {
		return rem.LastGood
	}
	return w.Spec
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

// LeftDoors are the sockets at which the gate brought connections to apps of which nothing is known
// any more: their files may have stayed as somebody listened still, such as a holder.
func (d *Directory) LeftDoors(known []string) (left []appspec.HTTPSocket) {
	dir := runner.GateSockets(d.Store.Dir)
	es, _ := afero.ReadDir(d.Store.FS, dir) // without a gate there is none
	if len(es) == 0 {
		return nil
	}
	is, group := map[string]bool{appspec.GateName: true}, state.GateAccount().Group
	for _, name := range known {
		is[name] = true
	}
	for _, e := range es {
		if !is[e.Name()] {
			left = append(left, gateSocket(d.Store.Dir, e.Name(), group))
		}
	}
	return left
}

// gateFolder holds the log of the gate.
func (d *Directory) gateFolder() string { return filepath.Join(d.Store.Data, "gate") }

// WithoutRelease is a last good spec as the directory would have it.
func WithoutRelease(spec *appspec.Spec) *appspec.Spec {
	if spec.Release == nil {
		return spec
	}
	s := *spec
	if strings.HasPrefix(s.Virtualenv, "venvs/") {
		s.Virtualenv = ""
	}
	s.Release, s.Made = nil, nil
	return &s
}

// ByHand is a spec as wsgid takes it, which knows of no gate.
func ByHand(spec *appspec.Spec) *appspec.Spec {
	n := len(spec.Sockets.HTTP)
	if n == 0 || !spec.Sockets.HTTP[n-1].Adopts {
		return spec
	}
	s := *spec
	s.Sockets.HTTP = s.Sockets.HTTP[: n-1 : n-1]
	return &s
}
