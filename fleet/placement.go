package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Cluster is the fleet of many machines that this host is part of.
type Cluster interface {
	// ID is what this host is called, Address where others reach it, without a port.
	ID() string
	Address() string
	// Elsewhere says which of the apps are not to run here, and why. It waits for nobody.
	Elsewhere(apps []cluster.App) map[string]string
	// Run takes part until ctx ends. changed is called when the spec directory, or what
	// Elsewhere says, may be another; serving says what this host serves.
	Run(ctx context.Context, changed func(), serving func() map[string]cluster.Endpoint)
	// Trouble says why this host does not take part at the moment; empty: it does.
	Trouble() string
	// Advice is what an operator is to change about how this host takes part; empty: nothing.
	Advice() string
	// Report tells that what serving says may be another.
	Report()
	// Deploy orders a deploy on all hosts that are to run the app, and follows it until
	// it is over. Where another is under way, wait says to wait for its end. A ctx that
	// ends stops the order, unless leave says that it goes on without us.
	Deploy(ctx context.Context, order cluster.Order, wait bool, waits func(string), tell func(cluster.News), leave func() bool) (*cluster.Deployment, error)
	// Ordered tells whether the last deploy of an app was ordered by an asker.
	Ordered(ctx context.Context, app, asker string) (bool, error)
	// Agree has all hosts hold the same text under a name: mine, where instead is what is
	// there (empty: nothing). It returns what is there then; mine may be empty, to ask.
	Agree(ctx context.Context, name, mine, instead string) (string, error)
	// OnDeploys sets what carries out the part of this host in deploys, before Run.
	OnDeploys(do func(ctx context.Context, t cluster.Task))
	// OnRenames sets what says which app of the directory one is now that it no longer names
	// and whose last deploy was that; empty: none, or it is not known. Before Run, too.
	OnRenames(is func(order cluster.Order, commit string) (heir string, gone bool))
}

// away says why this host takes no part in its fleet of many machines at the moment, and what of it.
func (c *core) away() []string {
	if c.opts.Cluster == nil {
		return nil
	}
	var out []string
	if why := c.opts.Cluster.Trouble(); why != "" {
		out = append(out, why+"; running apps continue, and none is started, stopped or moved until that is over")
	}
	if text := c.opts.Cluster.Advice(); text != "" {
		out = append(out, text)
	}
	return out
}

// takePart has the daemon take part in the fleet of many machines, if it is of one. It
// returns what ends that.
func (d *Daemon) takePart() (parted func()) {
	if d.core.opts.Cluster == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	d.core.opts.Cluster.OnDeploys(d.deployPart)
	d.core.opts.Cluster.OnRenames(d.core.nowCalled)
	go func() {
		defer close(done)
		d.core.opts.Cluster.Run(ctx, func() { d.loop.Post(ctx, func() { d.loop.Reread() }) }, d.endpoints)
	}()
	return func() {
		cancel()
		<-done
	}
}

// lastState is that of a master, as the supervisor told last.
type lastState struct {
	pid   int
	state runner.State
}

// told notes the state of a master, for what this host serves.
func (d *Daemon) told(app string, pid int, state runner.State) {
	if d.core.opts.Cluster == nil {
		return
	}
	d.stateMu.Lock()
	was := d.serving[app]
	if state != "" && state != runner.StateStopping {
		d.serving[app] = lastState{pid, state}
	} else if was.pid == pid {
		delete(d.serving, app)
	}
	d.stateMu.Unlock()
}

// endpoints are the apps of this host, as others are told of them.
func (d *Daemon) endpoints() map[string]cluster.Endpoint {
	set, _ := d.core.Dir.Snapshot()
	out := map[string]cluster.Endpoint{}
	if set == nil {
		return out
	}
	d.stateMu.Lock()
	states := maps.Clone(d.serving)
	d.stateMu.Unlock()
	var front *appspec.Spec
	if s := set.Specs[appspec.GateName]; s != nil && servingState(states[appspec.GateName].state) {
		front = s
	}
	for name, s := range set.Specs {
		if s.Gate != nil || !s.Enabled {
			continue
		}
		ready := servingState(states[name].state) || d.core.Activator.Listens(name) != nil
		out[name] = cluster.Endpoint{Ready: ready && !d.loop.Ending(), Addresses: addressesOf(s, front, d.core.opts.Cluster.Address())}
	}
	return out
}

func servingState(s runner.State) bool {
	switch s {
	case runner.StateReady, runner.StateUpdating, runner.StateIdle, runner.StateDegraded:
		return true
	default:
		return false
	}
}

// addressesOf are where other machines reach an app: its own sockets, else those of the
// gate if it has names. host is this machine, as others know it.
func addressesOf(s, front *appspec.Spec, host string) []string {
	reached := func(socks []appspec.HTTPSocket) (out []string) {
		for _, h := range socks {
			if a := reachedAt(h.Listen, host); a != "" && !h.Adopts {
				out = append(out, a)
			}
		}
		return out
	}
	out := reached(s.Sockets.HTTP)
	if len(out) == 0 && front != nil && len(s.Hosts) > 0 {
		out = reached(front.Sockets.HTTP)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// reachedAt is where another machine reaches a listener; empty: nowhere.
func reachedAt(listen, host string) string {
	if strings.HasPrefix(listen, "unix:") || strings.HasPrefix(listen, "systemd:") {
		return ""
	}
	at, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	ip, own := net.ParseIP(at), net.ParseIP(host)
	switch {
	case at == "*" || at == "" || ip != nil && ip.IsUnspecified():
		if host == "" {
			return ""
		}
		return net.JoinHostPort(host, port)
	case ip != nil && ip.IsLoopback() && (own == nil || !own.IsLoopback()):
		return ""
	}
	return net.JoinHostPort(at, port)
}

// alone is a host of such a fleet for a command that finds no daemon: it goes by what the
// last one has decided.
type alone struct{ here map[string]bool }

func (alone) ID() string      { return "" }
func (alone) Address() string { return "" }
func (alone) Report()         {}
func (alone) Trouble() string { return "" }
func (alone) Advice() string  { return "" }

func (alone) OnDeploys(func(context.Context, cluster.Task)) {}

func (alone) OnRenames(func(cluster.Order, string) (string, bool)) {}

func (alone) Agree(context.Context, string, string, string) (string, error) {
	return "", errors.New("the daemon of this host does not run; start it")
}

func (alone) Ordered(context.Context, string, string) (bool, error) { return false, nil }

func (alone) Deploy(_ context.Context, order cluster.Order, _ bool, _ func(string), _ func(cluster.News), _ func() bool) (*cluster.Deployment, error) {
	return nil, fmt.Errorf("cannot deploy %s: the daemon of this host does not run; start it, or name the fleet with --source", order.App)
}

func (alone) Run(ctx context.Context, _ func(), _ func() map[string]cluster.Endpoint) { <-ctx.Done() }

func (a alone) Elsewhere(apps []cluster.App) map[string]string {
	out := map[string]string{}
	for _, app := range apps {
		if !a.here[app.Name] {
			out[app.Name] = "another host runs it"
		}
	}
	return out
}

// lastCluster has options without a directory mean the texts of etcd where the last
// daemon ran those.
func (o Options) lastCluster() Options {
	m := cluster.Mirror{Dir: filepath.Join(o.DataDir, "cluster")}
	if specdir.LastRead(o.DataDir) != m.Specs() {
		return o
	}
	a := alone{here: map[string]bool{}}
	for _, app := range m.Placed().Here {
		a.here[app] = true
	}
	o.Dir, o.Cluster = m.Specs(), a
	return o
}
