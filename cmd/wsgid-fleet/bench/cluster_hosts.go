package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
)

const (
	simHosts  = 50
	simCount  = 2 // hosts of each app
	simDeaths = 5
	simRest   = time.Minute
	// simStart is how long the fake runner takes for an app to be ready: a master with its
	// worker takes about as long.
	simStart = 150 * time.Millisecond
)

// simFleet is the cluster half of so many daemons, in this process.
type simFleet struct {
	members *etcdMembers
	client  *etcd.Client
	prefix  string
	size    int    // apps
	dir     string // in memory: hosts have disks of their own
	hosts   map[string]*simHost
	texts   cluster.Texts

	mu   sync.Mutex
	apps map[string][]cluster.App // what texts ask for, by their digest: all hosts read the same
}

type appOn struct{ app, host string }

// simulatedHosts are the figures of large fleets.
func (b *bench) simulatedHosts(ctx context.Context, m *etcdMembers) (t table, err error) {
	small := b.simFleet(m, 100)
	defer small.end()
	if _, err := small.begin(ctx); err != nil {
		return t, err
	}
	if err := small.edits(ctx, &t, 40, 150); err != nil {
		return t, err
	}
	small.end()
	large := b.simFleet(m, 1000)
	defer large.end()
	took, err := large.begin(ctx)
	if err != nil {
		return t, err
	}
	t.value("1,000 apps over 50 hosts, from the begin of their push to the last one ready", "%.1f s", took.Seconds(), 10, "s")
	if err := large.edits(ctx, &t, 5, 0); err != nil {
		return t, err
	}
	if err := large.rest(ctx, &t); err != nil {
		return t, err
	}
	return t, large.deaths(ctx, &t)
}

// simFleet prepares one of so many apps, each in a file of its own.
func (b *bench) simFleet(m *etcdMembers, apps int) *simFleet {
	name := fmt.Sprintf("sim%d", apps)
	f := &simFleet{members: m, prefix: "/wsgid/" + name, dir: filepath.Join(b.memory, name), size: apps, hosts: map[string]*simHost{}, apps: map[string][]cluster.App{}}
	f.client = f.ask()
	return f
}

func (f *simFleet) ask() *etcd.Client {
	return etcd.New(etcd.Config{Endpoints: f.members.endpoints, Prefix: f.prefix})
}

// begin starts the hosts, and then pushes the specs; it returns how long it takes until
// all apps are ready.
func (f *simFleet) begin(ctx context.Context) (time.Duration, error) {
	for i := range simHosts {
		if err := f.start(ctx, fmt.Sprintf("host-%d", i)); err != nil {
			return 0, err
		}
	}
	if err := f.there(ctx); err != nil {
		return 0, err
	}
	f.write(0)
	began := time.Now()
	if _, _, err := f.client.Push(ctx, f.texts, "bench"); err != nil {
		return 0, err
	}
	_, err := f.settled(ctx)
	return time.Since(began), err
}

func (f *simFleet) end() {
	var wg sync.WaitGroup
	for _, h := range f.hosts {
		wg.Go(h.end)
	}
	wg.Wait()
	f.hosts = nil
	f.client.Close()
}

// start starts a host.
func (f *simFleet) start(ctx context.Context, id string) error {
	h := &simHost{f: f, client: f.ask(), mirror: cluster.Mirror{Dir: filepath.Join(f.dir, id)}, done: make(chan struct{}), look: make(chan struct{}, 1),
		known: map[int64]time.Time{}, ready: map[string]time.Time{}, serving: map[string]bool{}}
	h.member = etcd.NewMember(h.client, h.mirror.Dir, cluster.Host{ID: id, Region: "eu1"})
	if err := h.mirror.Open(); err != nil {
		return err
	}
	var err error
	if h.member.Host.Machine, err = h.mirror.Machine(); err != nil {
		return err
	}
	ctx, h.stop = context.WithCancel(ctx)
	f.hosts[id] = h
	go func() {
		defer close(h.done)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { h.follow(ctx) })
		h.member.Run(ctx, h.changed, h.endpoints)
	}()
	return nil
}

// asked is what the texts of a mirror ask for.
func (f *simFleet) asked(ctx context.Context, m cluster.Mirror) ([]cluster.App, error) {
	_, digest := m.Current()
	f.mu.Lock()
	defer f.mu.Unlock()
	if apps, known := f.apps[digest]; known {
		return apps, nil
	}
	texts, err := m.Texts(ctx)
	if err != nil {
		return nil, err
	}
	fsys := afero.NewMemMapFs()
	for _, n := range texts.Names() {
		if err := afero.WriteFile(fsys, "/specs/"+n, texts.Files[n], 0o600); err != nil {
			return nil, err
		}
	}
	set, err := specdir.NeutralOptions().Load(fsys, "/specs")
	if err != nil {
		return nil, err
	}
	if len(set.Faults) > 0 {
		return nil, fmt.Errorf("cannot simulate: %v", set.Faults[0])
	}
	f.apps[texts.Digest()] = specdir.PlacedApps(set, nil)
	return f.apps[texts.Digest()], nil
}

// write makes the specs other ones by a number.
func (f *simFleet) write(number int) {
	f.texts = cluster.Texts{Files: maps.Clone(f.texts.Files)}
	if f.texts.Files == nil {
		f.texts.Files = map[string][]byte{}
		for i := range f.size {
			f.texts.Files[fmt.Sprintf("app-%d.hcl", i)] = simSpec(i, 0)
		}
	}
	i := number % f.size
	f.texts.Files[fmt.Sprintf("app-%d.hcl", i)] = simSpec(i, number)
}

func simSpec(i, number int) []byte {
	return fmt.Appendf(nil, "app \"app-%[1]d\" {\n  path     = \"/srv/app-%[1]d\"\n  wsgi_app = \"m:application\"\n  env = { N = \"%[2]d\" }\n  sockets {\n    http { listen = \"unix:/run/app-%[1]d.sock\" }\n  }\n  backends {\n    region = \"eu1\"\n    count  = %[3]d\n  }\n}\n", i, number, simCount)
}

// there waits until etcd knows all hosts.
func (f *simFleet) there(ctx context.Context) error {
	return wait(ctx, time.Minute, "all hosts are there", func() bool {
		v, err := f.client.View(ctx)
		return err == nil && len(v.Hosts) == len(f.hosts)
	})
}

// placed is where apps belong.
func (f *simFleet) placed() map[string][]string {
	var hosts []cluster.Host
	for id := range f.hosts {
		hosts = append(hosts, cluster.Host{ID: id, Region: "eu1"})
	}
	var apps []cluster.App
	for i := range f.size {
		apps = append(apps, cluster.App{Name: fmt.Sprintf("app-%d", i), Backends: []cluster.Backend{{Region: "eu1", Count: simCount}}})
	}
	return cluster.Place(apps, hosts)
}

// settled waits until etcd tells of each app just on the hosts that it belongs on, and
// says since when it tells of each.
func (f *simFleet) settled(ctx context.Context) (map[appOn]time.Time, error) {
	placed, since := f.placed(), map[appOn]time.Time{}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	done := false
	f.client.Observe(ctx, func(v *etcd.View) time.Time {
		wrong := false
		for app, hosts := range placed {
			wrong = wrong || len(v.Endpoints[app]) != len(hosts)
			for _, h := range hosts {
				at := appOn{app, h}
				if !v.Ready(app, h) {
					wrong = true
				} else if since[at].IsZero() {
					since[at] = time.Now()
				}
			}
		}
		if !wrong {
			done = true
			cancel()
		}
		return time.Time{}
	}, func(error) {})
	if !done {
		return nil, fmt.Errorf("the apps do not come to where they belong: %w", context.Cause(ctx))
	}
	return since, nil
}

// edits is how soon all hosts have an edit of one file, n times; most is the bar of its
// 99th percentile in milliseconds.
func (f *simFleet) edits(ctx context.Context, t *table, n int, most float64) error {
	var last []time.Duration
	used := ownCPU()
	for i := range n {
		f.write(i + 1)
		began := time.Now()
		g, _, err := f.client.Push(ctx, f.texts, "bench")
		if err != nil {
			return err
		}
		var at time.Time
		for _, h := range f.hosts {
			if err := wait(ctx, time.Minute, "a host has the edit", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return !h.known[g].IsZero() }); err != nil {
				return err
			}
			h.mu.Lock()
			if k := h.known[g]; k.After(at) {
				at = k
			}
			h.mu.Unlock()
		}
		last = append(last, at.Sub(began))
	}
	what := fmt.Sprintf("an edit of one of %d files, from its push until all 50 hosts have it", f.size)
	t.value(what+": p50", "%.0f ms", ms(quantile(last, 50)), 0, "")
	t.value(what+": p99", "%.0f ms", ms(quantile(last, 99)), most, "ms")
	t.value("the same: CPU of one host for it", "%.1f ms", ms(ownCPU()-used)/float64(n)/simHosts, 0, "")
	return nil
}

// rest is what it costs to be there.
func (f *simFleet) rest(ctx context.Context, t *table) error {
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	before, err := f.members.requests(ctx)
	if err != nil {
		return err
	}
	used, began := ownCPU(), time.Now()
	if err := sleep(ctx, simRest); err != nil {
		return err
	}
	span := time.Since(began)
	took := ownCPU() - used
	after, err := f.members.requests(ctx)
	if err != nil {
		return err
	}
	t.value("at rest: requests of 50 hosts to etcd", "%.1f/s", (after-before)/span.Seconds(), 40, "/s")
	t.value("at rest: the part of a host in that, of a core", "%.3f %%", 100*float64(took)/float64(span)/simHosts, 0.2, "%")
	return nil
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// deaths is what becomes of the apps of hosts that die, one after another.
func (f *simFleet) deaths(ctx context.Context, t *table) error {
	var times []time.Duration
	moved, least := 0, 0
	for n := range simDeaths {
		id := fmt.Sprintf("host-%d", n*simHosts/simDeaths)
		h, before := f.hosts[id], f.placed()
		delete(f.hosts, id)
		died := time.Now()
		h.die()
		since, err := f.settled(ctx)
		if err != nil {
			return err
		}
		gets := cluster.Moves(before, f.placed())
		for app, on := range before {
			for _, was := range on {
				if was == id {
					least++
				}
			}
			for _, to := range gets[app] {
				moved++
				if slices.Contains(before[app], id) {
					times = append(times, since[appOn{app, to}].Sub(died))
				}
			}
		}
	}
	t.value(fmt.Sprintf("%d hosts die, each alone: until their %d apps are ready elsewhere: p50", simDeaths, len(times)), "%.1f s", quantile(times, 50).Seconds(), 7, "s")
	t.value("the same: the last of them", "%.1f s", quantile(times, 100).Seconds(), 10, "s")
	t.value("apps that move then, by the least possible", "%.2f ×", float64(moved)/float64(least), 1.1, "×")
	return nil
}
