package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// The gate is kept as an app is, under a name that no app can have: its block is its
// spec, and what is observed, planned, applied, remembered and held of an app is so of
// the gate. What the fleet adds is here: to the gate the names of all apps, and to each
// app with names the socket at which its master takes connections over.

// admit completes the specs of a load. Last good specs were completed when they were
// read.
func (e *engine) admit(set *hclspec.Set) {
	front := set.Specs[appspec.GateName]
	gateNow := front
	if front == nil {
		gateNow = e.heldGate(set)
	}
	defaultApp := ""
	if gateNow != nil {
		defaultApp = gateNow.Gate.Default
	}
	account := sync.OnceValue(gateAccount) // most directories have no gate: nobody is looked up
	for name, s := range set.Specs {
		if s.Gate == nil && (len(s.Hosts) > 0 || name == defaultApp) {
			sock := gateSocket(e.store.Dir, name, account().group)
			if gateNow != nil {
				sock.Pairs = e.pairs(s, gateNow)
			}
			if sock.Default = name == defaultApp; sock.Default && len(sock.Pairs) > 0 {
				sock.Foreign = foreign(set, name)
			}
			s.Sockets.HTTP = append(slices.Clip(s.Sockets.HTTP), sock)
		}
	}
	if front == nil {
		return
	}
	own := *front.Gate
	own.Routes = e.routes(set, own.Default)
	front.Gate = &own
	front.Path = e.gateFolder()
	front.User, front.Group = account().user, account().group
	front.Sockets.HTTP = append(slices.Clip(front.Sockets.HTTP), gateSocket(e.store.Dir, appspec.GateName, account().group))
}

// heldGate is the gate that runs on though its file is broken; nil: there is none.
func (e *engine) heldGate(set *hclspec.Set) *appspec.Spec {
	if len(set.Faults) == 0 {
		return nil
	}
	rem := e.store.Recall(appspec.GateName)
	w := rem.wanted(set, nil, appspec.GateName)
	if w.Spec == nil || w.Spec.Gate == nil {
		return nil
	}
	return w.Spec
}

// allApps are the specs that apps run by, and the gate: those of broken files as they
// were good last.
func (e *engine) allApps(set *hclspec.Set) map[string]*appspec.Spec {
	apps := maps.Clone(set.Specs)
	if len(set.Faults) == 0 {
		return apps
	}
	known, _ := e.store.Apps()
	for _, name := range names(set, known) {
		if apps[name] == nil {
			rem := e.store.Recall(name)
			if w := rem.wanted(set, nil, name); w.Spec != nil {
				apps[name] = w.Spec
			}
		}
	}
	return apps
}

// routes are the names of all apps, those of broken specs as they were good last. An
// app that is disabled keeps the names that no other has: its clients are told that it
// is not there, and not sent to the default app.
func (e *engine) routes(set *hclspec.Set, defaultApp string) []appspec.Route {
	apps := e.allApps(set)
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

// account is whom the gate runs as; empty names: whoever we are.
type account struct {
	user, group string
	gid         int
}

// gateUsers are the users that a gate may run as, the first that there is: one of its
// own, else the one that owns nothing.
var gateUsers = []string{"wsgid-gate", "nobody"}

func gateAccount() account {
	if os.Geteuid() != 0 {
		return account{gid: -1}
	}
	for _, name := range gateUsers {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			continue
		}
		a := account{user: name, gid: gid}
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			a.group = g.Name
		}
		return a
	}
	return account{user: gateUsers[0], gid: -1} // the start of the gate says that there is none
}

// gateFolder holds the log of the gate.
func (e *engine) gateFolder() string { return filepath.Join(e.store.Data, "gate") }

// makeGateSockets makes the folder of the sockets at which masters take connections
// over. The gate's group may look for a name in it, nobody may change it.
func (s *Store) makeGateSockets() error {
	dir := runner.GateSockets(s.Dir)
	fail := func(err error) error { return fmt.Errorf("cannot make directory %s: %w", dir, reason(err)) }
	if err := s.fs.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return fail(err)
	}
	a := gateAccount()
	if a.gid < 0 {
		return nil
	}
	if err := s.fs.Chown(dir, 0, a.gid); err != nil {
		return fail(err)
	}
	if err := s.fs.Chmod(dir, 0o750); err != nil {
		return fail(err)
	}
	return nil
}
