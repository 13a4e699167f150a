package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// scenario compares servers on one path at several numbers of connections.
type scenario struct {
	name        string
	site        string // a key of bench.sites
	path        string
	script      string // for wrk
	whole       bool   // the load is of handshakes, not of wrk
	connections []int
	keep        []bool
	ours        maker
	peers       []maker
	apart       bool // see bench.onCores
	// bar of the rate's ratio to a peer, latency the bar of the median latency's.
	bar     func(peer string, connections int, keep bool) bar
	latency func(peer string, connections int, keep bool) bar
	// cost is the bar of the ratio of requests for a second of CPU; nil: it is not shown.
	cost func(peer string) bar
}

func noBar(string, int, bool) bar { return bar{} }

var scenarios = []scenario{
	{
		name: "hello", site: "bench", path: "/hello", script: "get.lua",
		connections: []int{1, 16, 64, 256}, keep: []bool{true, false},
		ours: ours, peers: []maker{uwsgiHTTP, uwsgiSocket, gunicornSync, gunicornGt},
		bar: func(peer string, connections int, keep bool) bar {
			middle := connections == 16 || connections == 64
			switch {
			case peer == uwsgiSocket.name && keep && connections == 1:
				return bar{least: 1.15}
			case peer == uwsgiSocket.name && !keep && middle:
				return bar{least: 1}
			case !keep || !middle:
				return bar{}
			}
			switch peer {
			case uwsgiHTTP.name:
				return bar{least: 3.2}
			case uwsgiSocket.name:
				return bar{least: 1.3}
			case gunicornSync.name:
				return bar{least: 5}
			}
			return bar{}
		},
		latency: func(peer string, connections int, keep bool) bar {
			if keep && connections == 1 && peer == uwsgiHTTP.name {
				return bar{most: 1}
			}
			return bar{}
		},
	},
	{
		name: "Django view", site: "django", path: "/hello", script: "get.lua",
		connections: []int{16}, keep: []bool{true},
		ours: ours, peers: []maker{uwsgiHTTP, uwsgiSocket, gunicornSync},
		bar: func(peer string, _ int, _ bool) bar {
			if peer == uwsgiHTTP.name {
				return bar{least: 1.1}
			}
			return bar{}
		},
	},
	{
		// The page costs the application 2 ms and more; no server can make much of
		// a difference to it.
		name: "Django page with template and database", site: "django", path: "/", script: "get.lua",
		connections: []int{16}, keep: []bool{true},
		ours: ours, peers: []maker{uwsgiHTTP, uwsgiSocket, gunicornSync}, bar: noBar,
	},
	{
		name: "static file of 4 KB", site: "static", path: "/static/4k.bin", script: "get.lua",
		connections: []int{16, 64}, keep: []bool{true},
		ours: oursStatic, peers: []maker{nginxStatic},
		bar: func(string, int, bool) bar { return bar{least: 0.9} },
	},
	{
		name: "static file of 1 MB", site: "static", path: "/static/1m.bin", script: "get.lua",
		connections: []int{16}, keep: []bool{true},
		ours: oursStatic, peers: []maker{nginxStatic}, bar: noBar,
		cost: func(string) bar { return bar{least: 0.9} },
	},
	{
		name: "through the gate, hello", site: "bench", path: "/hello", script: "get.lua",
		connections: []int{16, 64}, keep: []bool{true, false},
		ours: oursGate, peers: []maker{oursBare, nginxUwsgi, haproxy}, bar: gateBar,
	},
	{
		name: "HTTPS, hello", site: "bench", path: "/hello", script: "get.lua",
		connections: []int{1, 16, 64}, keep: []bool{true},
		ours: oursSecure, peers: []maker{nginxTLS}, bar: secureBar,
	},
	{
		// The client takes up the TLS session of its connection before.
		name: "HTTPS, a connection each", site: "bench", path: "/hello", script: "get.lua",
		connections: []int{16}, keep: []bool{false},
		ours: oursSecure, peers: []maker{nginxTLS}, bar: secureBar,
	},
	{
		name: "HTTPS, whole handshakes", site: "bench", path: "/hello", whole: true,
		connections: []int{16}, keep: []bool{false},
		ours: oursSecure, peers: []maker{nginxTLS}, bar: secureBar,
		cost: func(string) bar { return bar{} },
	},
	{
		name: "1 MB response", site: "bench", path: "/big", script: "get.lua",
		connections: []int{16}, keep: []bool{true},
		ours: ours, peers: []maker{uwsgiHTTP, uwsgiSocket, gunicornSync}, bar: socketBar(1.2),
	},
	{
		name: "10 MB upload", site: "bench", path: "/upload", script: "upload.lua",
		connections: []int{4}, keep: []bool{true},
		ours: ours, peers: []maker{uwsgiHTTP, uwsgiSocket, gunicornSync}, bar: socketBar(1.1),
	},
	{
		name: "behind mongrel2", site: "bench", path: "/hello", script: "get.lua",
		connections: []int{1, 16, 64}, keep: []bool{true},
		ours: oursMongrel2, peers: []maker{noopMongrel2}, bar: mongrel2Bar(0.75),
	},
	{
		// Where all share two cores the figure is what Python costs beside the
		// server and the client; with cores of its own it is whether the handler
		// keeps up with the server.
		name: "behind mongrel2, cores of its own", site: "bench", path: "/hello", script: "get.lua",
		connections: []int{1, 16, 64}, keep: []bool{true},
		ours: oursMongrel2, peers: []maker{noopMongrel2}, bar: mongrel2Bar(0.9), apart: true,
	},
}

// socketBar is a bar beside uWSGI without its router.
func socketBar(least float64) func(string, int, bool) bar {
	return func(peer string, _ int, _ bool) bar {
		if peer == uwsgiSocket.name {
			return bar{least: least}
		}
		return bar{}
	}
}

func mongrel2Bar(least float64) func(string, int, bool) bar {
	return func(_ string, connections int, _ bool) bar {
		if connections == 1 {
			return bar{}
		}
		return bar{least: least}
	}
}

// measure runs everything that -only lets through. A scenario that cannot run
// ends the whole: a table with holes would read as if all were well.
func (b *bench) measure(ctx context.Context) error {
	sites, err := b.sites(ctx)
	if err != nil {
		return err
	}
	for _, s := range slices.Concat(scenarios, workerScenarios) {
		if b.only.MatchString(s.name) {
			if err := b.compare(ctx, s, sites[s.site]); err != nil {
				return fmt.Errorf("cannot measure %s: %w", s.name, err)
			}
		}
	}
	for _, s := range []struct {
		name string
		run  func(context.Context, site) error
	}{
		{"large file", b.largeFile},
		{"large upload", b.largeUpload},
		{"idle memory", b.idleMemory},
		{"gate memory", b.crowd},
		{"idle behind the gate", b.idleBehindGate},
		{"start", b.start},
		{"edit of count", b.editOfCount},
		{"wake", b.wake},
		{"fleet", b.fleetOfMany},
		{"thousand idle", b.thousandIdle},
		{"processes beside an app", b.besideApp},
		{"vassals", b.vassals},
		{"console", b.consolePage},
		{"package", b.debian},
		{"deploy", b.deploys},
		{"virtualenv", b.firstVirtualenv},
		{"under load", b.deploysUnderLoad},
		{"mixed load", b.mixedLoad},
		{"ten thousand specs", b.tenThousand},
		{"rollout of a Django app", func(ctx context.Context, _ site) error { return b.rollouts(ctx, sites["django"]) }},
	} {
		if b.only.MatchString(s.name) {
			if err := s.run(ctx, sites["bench"]); err != nil {
				return fmt.Errorf("cannot measure %s: %w", s.name, err)
			}
		}
	}
	return nil
}

// sites are the two applications: testdata's, and the quickstart's Django.
func (b *bench) sites(ctx context.Context) (map[string]site, error) {
	app := filepath.Join(b.dir, "bench-app")
	if err := os.Mkdir(app, 0o755); err != nil {
		return nil, err
	}
	if _, err := b.fill("bench.py", app); err != nil {
		return nil, err
	}
	django := filepath.Join(b.dir, "django-app")
	if err := os.CopyFS(django, os.DirFS(filepath.Join(b.root, "examples/quickstart/apps/polls/app"))); err != nil {
		return nil, err
	}
	for _, name := range []string{"bench_settings.py", "bench_urls.py"} {
		if _, err := b.fill(name, django); err != nil {
			return nil, err
		}
	}
	migrate := exec.CommandContext(ctx, "/usr/bin/python3", "manage.py", "migrate", "-v0")
	migrate.Dir = django
	if out, err := migrate.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot make Django's database: %w\n%s", err, out)
	}
	for _, dir := range []string{app, django} {
		if err := b.give(dir); err != nil {
			return nil, err
		}
	}
	plain := site{app: app, wsgi: "bench:application", env: []string{"BENCH_FILE=" + filepath.Join(b.dir, "file")}}
	static, err := b.staticSite(plain)
	if err != nil {
		return nil, err
	}
	return map[string]site{
		"bench":     plain,
		"2 workers": plain.several(2),
		"4 workers": plain.several(4),
		"threads":   plain.threaded(),
		"static":    static,
		"django":    {app: django, wsgi: "pollsite.wsgi:application", env: []string{"DJANGO_SETTINGS_MODULE=bench_settings"}},
	}, nil
}

// compare starts all servers of a scenario and asks them in turns.
func (b *bench) compare(ctx context.Context, s scenario, site site) error {
	b.apart = s.apart
	defer func() { b.apart = false }()
	servers, stop, err := b.startAll(ctx, site, append([]maker{s.ours}, s.peers...))
	defer stop()
	if err != nil {
		return err
	}
	for _, keep := range s.keep {
		for _, n := range s.connections {
			if err := b.turns(ctx, s, servers, n, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

// startAll starts one server after the other; stop ends those that were
// started.
func (b *bench) startAll(ctx context.Context, s site, makers []maker) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, v := range servers {
			v.stop()
		}
	}
	for _, m := range makers {
		v, err := m.start(ctx, b, s)
		if v != nil {
			v.name = m.name
			servers = append(servers, v)
		}
		if err != nil {
			return servers, stop, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return servers, stop, nil
}

// sample is one measurement of one server.
type sample struct {
	run
	cpu time.Duration // of the server's processes, for 1,000 requests
}

func (b *bench) turns(ctx context.Context, s scenario, servers []*server, connections int, keep bool) error {
	samples := make([][]sample, len(servers))
	for range b.rounds {
		for i, v := range servers {
			if err := ctx.Err(); err != nil {
				return err
			}
			pids := v.pids()
			before := cpu(pids)
			r, err := b.load(ctx, s, v, connections, keep)
			if err != nil {
				return err
			}
			used := cpu(pids) - before
			samples[i] = append(samples[i], sample{r, used * 1000 / time.Duration(r.requests)})
		}
	}
	what := fmt.Sprintf("%s, %d connection", s.name, connections)
	if connections > 1 {
		what += "s"
	}
	if !keep {
		what += ", no keep-alive"
	}
	for i, peer := range servers[1:] {
		mine, theirs := samples[0], samples[i+1]
		b.table.add(row{
			what: what, peer: peer.name, ours: figures(mine), their: figures(theirs),
			ratio: ratio(mine, theirs, func(s sample) float64 { return s.rate }),
			bar:   s.bar(peer.name, connections, keep),
		})
		latency := bar{}
		if s.latency != nil {
			latency = s.latency(peer.name, connections, keep)
		}
		if latency != (bar{}) {
			b.table.add(row{
				what: what + ": median latency", peer: peer.name,
				ours: micros(mine), their: micros(theirs),
				ratio: ratio(mine, theirs, func(s sample) float64 { return float64(s.p50) }),
				bar:   latency,
			})
		}
	}
	b.costOf(s, servers, samples, what)
	return nil
}

func (b *bench) load(ctx context.Context, s scenario, v *server, connections int, keep bool) (run, error) {
	if s.whole {
		return b.handshakes(ctx, v.url+s.path, connections)
	}
	return b.wrk(ctx, v.url+s.path, s.script, connections, keep)
}

// ratio is the median of the rounds' ratios.
func ratio(ours, theirs []sample, of func(sample) float64) float64 {
	var ratios []float64
	for i := range ours {
		ratios = append(ratios, of(ours[i])/of(theirs[i]))
	}
	return median(ratios)
}

func medianOf(samples []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, of(s))
	}
	return median(values)
}

// figures are the absolute numbers of one server: rate, quantiles, cost.
func figures(s []sample) string {
	errs := 0
	for _, one := range s {
		errs += one.errors
	}
	text := fmt.Sprintf("%.0f/s, p50 %.2f ms, p99 %.2f ms, %.0f ms CPU per 1,000",
		medianOf(s, func(s sample) float64 { return s.rate }),
		medianOf(s, func(s sample) float64 { return float64(s.p50) })/1e6,
		medianOf(s, func(s sample) float64 { return float64(s.p99) })/1e6,
		medianOf(s, func(s sample) float64 { return float64(s.cpu) })/1e6)
	if errs > 0 {
		text += fmt.Sprintf(", %d errors", errs)
	}
	return text
}

func micros(s []sample) string {
	return fmt.Sprintf("%.0f µs", medianOf(s, func(s sample) float64 { return float64(s.p50) })/1e3)
}
