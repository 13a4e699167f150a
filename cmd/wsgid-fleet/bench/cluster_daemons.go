package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

const (
	realHosts  = 3
	realApps   = 12 // that may move, each on one host
	realIdle   = 100
	realDeaths = 6
)

// realHost is a machine: a namespace of processes, with a daemon of its own.
type realHost struct {
	id, dir string
	child   *child
}

// daemonOn starts a host; more are flags of run.
func (b *bench) daemonOn(h *realHost, more ...string) (err error) {
	args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", `mount -t tmpfs none /run; exec "$0" "$@"`,
		b.fleet, "--state-dir", h.dir + "/s", "--data-dir", h.dir + "/data", "run"}, more...)
	h.child, err = b.children.start("host-"+h.id, h.dir, []string{"MACHINE=" + h.dir}, syscall.SIGKILL, "unshare", args...)
	return err
}

func (b *bench) joined(h *realHost, m *etcdMembers) error {
	return b.daemonOn(h, "--source", m.source(), "--host-id", h.id, "--region", "eu1")
}

// kill ends all its processes at once.
func (h *realHost) kill() {
	if h.child != nil {
		h.child.stop(syscall.SIGKILL)
		h.child = nil
	}
}

// daemon is its pid: unshare waits for it.
func (h *realHost) daemon() int {
	if pids := tree(h.child.Process.Pid); len(pids) > 1 {
		return pids[1]
	}
	return 0
}

// get asks the host for an app.
func (h *realHost) get(ctx context.Context, app string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(h.dir, app+".sock"))
	}}}
	return get(ctx, &client, "http://localhost/")
}

// realFleet is three of them.
type realFleet struct {
	b       *bench
	members *etcdMembers
	hosts   []*realHost
	apps    []cluster.App
}

// realFleet prepares hosts that can run some apps, and pushes their specs.
func (b *bench) realFleet(ctx context.Context, m *etcdMembers, apps int, backends, workers string) (*realFleet, error) {
	f := &realFleet{b: b, members: m}
	dir, err := b.temp("m")
	if err != nil {
		return f, err
	}
	code := filepath.Join(dir, "code")
	specs := filepath.Join(dir, "specs")
	for _, d := range []string{code, specs} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return f, err
		}
	}
	if err := os.WriteFile(filepath.Join(code, "m.py"), []byte("def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"), 0o644); err != nil {
		return f, err
	}
	for i := range apps {
		name := fmt.Sprintf("app%d", i)
		f.apps = append(f.apps, cluster.App{Name: name, Backends: []cluster.Backend{{Region: "eu1", Count: 1}}})
		spec := fmt.Sprintf("app %q {\n  path     = \"${env(\"MACHINE\")}/%[1]s\"\n  wsgi_app = \"m:application\"\n  user     = \"www-data\"\n  sockets {\n    http { listen = \"unix:${env(\"MACHINE\")}/%[1]s.sock\" }\n  }\n  %s\n  workers {\n    %s\n  }\n}\n", name, backends, workers)
		if err := os.WriteFile(filepath.Join(specs, name+".hcl"), []byte(spec), 0o644); err != nil {
			return f, err
		}
	}
	for i := range realHosts + 1 { // one more, for a daemon that reads a directory
		h := &realHost{id: fmt.Sprintf("h%d", i), dir: filepath.Join(dir, fmt.Sprintf("h%d", i))}
		for _, a := range f.apps {
			if err := b.appFolder(filepath.Join(h.dir, a.Name), code); err != nil {
				return f, err
			}
		}
		f.hosts = append(f.hosts, h)
	}
	if out, err := exec.CommandContext(ctx, b.fleet, "push", specs, "--source", m.source()).CombinedOutput(); err != nil {
		return f, fmt.Errorf("push: %w\n%s", err, out)
	}
	return f, nil
}

// specs is the folder that was pushed.
func (f *realFleet) specs() string { return filepath.Join(filepath.Dir(f.hosts[0].dir), "specs") }

func (f *realFleet) kill() {
	for _, h := range f.hosts {
		h.kill()
	}
}

// placed is where apps belong while some hosts are there.
func (f *realFleet) placed(hosts []*realHost) map[string][]string {
	var there []cluster.Host
	for _, h := range hosts {
		there = append(there, cluster.Host{ID: h.id, Region: "eu1"})
	}
	return cluster.Place(f.apps, there)
}

// settled waits until each app is served just where it belongs.
func (f *realFleet) settled(ctx context.Context, hosts []*realHost) error {
	placed := f.placed(hosts)
	wrong := ""
	err := wait(ctx, 5*time.Minute, "each app on its host", func() bool {
		for _, a := range f.apps {
			for _, h := range hosts {
				err := h.get(ctx, a.Name)
				if (err == nil) != (placed[a.Name][0] == h.id) {
					wrong = fmt.Sprintf("%s belongs on %s; %s: %v", a.Name, placed[a.Name][0], h.id, err)
					return false
				}
			}
		}
		return true
	})
	if err != nil && wrong != "" {
		return fmt.Errorf("%w: %s", err, wrong)
	}
	return err
}

// joinedFleet is a fleet whose hosts have joined it.
func (b *bench) joinedFleet(ctx context.Context, m *etcdMembers) (f *realFleet, hosts []*realHost, err error) {
	f, err = b.realFleet(ctx, m, realApps, "backends { region = \"eu1\" }", "count = 1")
	if err != nil {
		return f, nil, err
	}
	hosts = f.hosts[:realHosts]
	for _, h := range hosts {
		if err := b.joined(h, m); err != nil {
			return f, nil, err
		}
	}
	return f, hosts, nil
}

// realDaemons are the figures of three daemons.
func (b *bench) realDaemons(ctx context.Context, m *etcdMembers) (t table, err error) {
	if err := b.costOfMember(ctx, m, &t); err != nil {
		return t, err
	}
	f, hosts, err := b.joinedFleet(ctx, m)
	defer f.kill()
	if err != nil {
		return t, err
	}
	var times []time.Duration
	for n := range realDeaths {
		if err := f.settled(ctx, hosts); err != nil {
			return t, err
		}
		h := hosts[n%realHosts]
		others := []*realHost{hosts[(n+1)%realHosts], hosts[(n+2)%realHosts]}
		before, after := f.placed(hosts), f.placed(others)
		died := time.Now()
		h.kill()
		missing := map[string]*realHost{} // where each of its apps is to be
		for app, on := range before {
			for _, o := range others {
				if on[0] == h.id && after[app][0] == o.id {
					missing[app] = o
				}
			}
		}
		err := wait(ctx, time.Minute, "the apps of a dead host elsewhere", func() bool {
			for app, o := range missing {
				if o.get(ctx, app) == nil {
					times = append(times, time.Since(died))
					delete(missing, app)
				}
			}
			return len(missing) == 0
		})
		if err != nil {
			return t, err
		}
		if err := b.joined(h, m); err != nil {
			return t, err
		}
	}
	t.value(fmt.Sprintf("one of three daemons dies with all of its processes, %d times: until its %d apps answer elsewhere: p50", realDeaths, len(times)), "%.1f s", quantile(times, 50).Seconds(), 7, "s")
	t.value("the same: the last of them", "%.1f s", quantile(times, 100).Seconds(), 10, "s")
	return t, nil
}

// costOfMember is what a daemon takes more that follows etcd than one that reads the same
// specs from a directory; its apps sleep.
func (b *bench) costOfMember(ctx context.Context, m *etcdMembers, t *table) error {
	f, err := b.realFleet(ctx, m, realIdle, "", "min = 0\n    max = 1")
	defer f.kill()
	if err != nil {
		return err
	}
	if err := b.daemonOn(f.hosts[realHosts], "--dir", f.specs()); err != nil {
		return err
	}
	for _, h := range f.hosts[:realHosts] {
		if err := b.joined(h, m); err != nil {
			return err
		}
	}
	client := m.client()
	defer client.Close()
	if err := wait(ctx, 2*time.Minute, "all apps of all hosts in etcd", func() bool {
		v, err := client.View(ctx)
		for _, a := range f.apps {
			for _, h := range f.hosts[:realHosts] {
				if err != nil || !v.Ready(a.Name, h.id) {
					return false
				}
			}
		}
		return true
	}); err != nil {
		return err
	}
	if err := sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	var before, after []time.Duration
	began := time.Now()
	for _, h := range f.hosts {
		before = append(before, cpu([]int{h.daemon()}))
	}
	if err := sleep(ctx, time.Minute); err != nil {
		return err
	}
	var sizes []float64
	for _, h := range f.hosts {
		after = append(after, cpu([]int{h.daemon()}))
		size, err := pss([]int{h.daemon()})
		if err != nil {
			return err
		}
		sizes = append(sizes, float64(size)/(1<<20))
	}
	span := time.Since(began)
	var used time.Duration
	size := 0.0
	for i := range realHosts {
		used += after[i] - before[i]
		size = max(size, sizes[i]-sizes[realHosts])
	}
	own := after[realHosts] - before[realHosts]
	t.value("a daemon of 100 apps at rest, beyond one that reads a directory: of a core", "%.3f %%", max(0, 100*(float64(used)/realHosts-float64(own))/float64(span)), 0.2, "%")
	t.value("the same: memory (PSS), the largest of three", "%.1f MB", size, 15, "MB")
	return nil
}
