package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// park is a fleet of machines whose app comes from a git repository.
type park struct {
	t        *testing.T
	dir      string
	source   string
	machines []*machine
}

const parkApp = `import os
if os.path.exists(os.path.join(os.path.dirname(os.path.realpath(__file__)), '../../broken')):
    raise RuntimeError('this host is broken')

def application(environ, start_response):
    start_response('200 OK', [])
    return [b'%s']
`

func newPark(t *testing.T, ids ...string) *park {
	t.Helper()
	needKit(t)
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &park{t: t, dir: dir, source: "etcd://" + etcdtest.Start(t).Endpoint + "/wsgid/test"}
	user := ""
	if os.Geteuid() == 0 {
		user = `user = "www-data"`
	}
	for _, d := range []string{"", "specs", "repo", "ran"} {
		p.must(os.MkdirAll(filepath.Join(dir, d), 0o755))
		p.must(os.Chmod(filepath.Join(dir, d), 0o755))
	}
	p.must(os.Chmod(dir+"/ran", 0o777)) //nolint:gosec // the app's user writes there
	p.must(os.WriteFile(dir+"/specs/blog.hcl", fmt.Appendf(nil, `app "blog" {
  path     = "${env("MACHINE")}/blog"
  wsgi_app = "m:application"
  %s
  sockets {
    http {
      listen = "unix:${env("MACHINE")}/blog.sock"
    }
  }
  deploy {
    repository = "file://%s/repo"
    nice       = 0
    stage "migrate" {
      command = ["/bin/sh", "-c", "echo migrated >> %[2]s/ran/migrate; while test -e %[2]s/ran/hold; do sleep 0.05; done"]
    }
    stage "collect" {
      command   = ["/bin/sh", "-c", "echo collected >> %[2]s/ran/collect"]
      each_host = true
    }
    stage "notify" {
      command = ["/bin/sh", "-c", "echo notified >> %[2]s/ran/notify"]
      when    = "after"
    }
  }
}
`, user, dir), 0o644))
	p.git("init", "-q", "-b", "main")
	placed := cluster.Placed{Here: []string{"blog"}}
	for _, id := range ids {
		placed.Members = append(placed.Members, cluster.Host{ID: id, Region: "eu1"})
	}
	for _, id := range ids {
		m := &machine{t: t, id: id, dir: filepath.Join(dir, id), source: p.source}
		mirror := cluster.Mirror{Dir: m.dir + "/data/cluster"}
		p.must(os.MkdirAll(mirror.Dir, 0o755))
		p.must(os.Chmod(m.dir+"/data", 0o700)) //nolint:gosec // as a daemon makes it
		p.must(mirror.SavePlaced(placed))      // they know each other from before: a new one would wait for 10 s
		p.machines = append(p.machines, m)
		t.Cleanup(func() {
			if m.cmd != nil {
				m.end(syscall.SIGTERM)
			}
			if t.Failed() {
				log, _ := os.ReadFile(m.dir + "/log")
				t.Logf("host %s:\n%s", m.id, log)
			}
		})
	}
	return p
}

func (p *park) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *park) git(args ...string) {
	p.t.Helper()
	fleettest.Git(p.t, p.dir+"/repo", args...)
}

// commit makes a commit whose application says text.
func (p *park) commit(text string) {
	p.t.Helper()
	p.must(os.WriteFile(p.dir+"/repo/m.py", fmt.Appendf(nil, parkApp, text), 0o644))
	p.git("add", "-A")
	p.git("commit", "-q", "-m", "say "+text)
}

// ran counts how often a stage has run, on whatever host.
func (p *park) ran(stage string) int {
	b, _ := os.ReadFile(p.dir + "/ran/" + stage)
	return strings.Count(string(b), "\n")
}

func (p *park) until(what string, is func() bool) {
	p.t.Helper()
	if !await.Until(2*time.Minute, 50*time.Millisecond, is) {
		p.t.Fatalf("never seen: %s", what)
	}
}

// by runs a command beside the daemon of a machine.
func (m *machine) by(args ...string) (string, int) {
	cmd := exec.Command(kit.fleet, append(m.flags(), args...)...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// says is what the app answers on that host; empty: nothing.
func (m *machine) says() string {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", m.dir+"/blog.sock")
		}}}
	resp, err := client.Get("http://localhost/")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

func (p *park) says(want ...string) {
	p.t.Helper()
	for i, w := range want {
		if got := p.machines[i].says(); got != w {
			p.t.Errorf("host %s says %q, not %q", p.machines[i].id, got, w)
		}
	}
}

// whole waits until all of the first n hosts are in the fleet.
func (p *park) whole(n int) {
	p.t.Helper()
	p.until("all hosts are there", func() bool {
		out, _ := exec.Command(kit.fleet, "hosts", "--source", p.source).Output()
		return strings.Count(string(out), "there") == n
	})
	for _, m := range p.machines[:n] {
		p.until(m.id+" knows the app", func() bool { out, _ := m.by("status"); return strings.Contains(out, "blog") })
	}
}

// TestDeployOnManyHosts: one order, each host its release, what runs once runs once, one
// host after another, and the first that fails ends it.
func TestDeployOnManyHosts(t *testing.T) {
	p := newPark(t, "one", "three", "two")
	if out, err := exec.Command(kit.fleet, "push", p.dir+"/specs", "--source", p.source).CombinedOutput(); err != nil {
		t.Fatalf("push: %v\n%s", err, out)
	}
	one, three, two := p.machines[0], p.machines[1], p.machines[2] // in their turn
	for i, m := range p.machines[:2] {
		m.run()
		p.whole(i + 1)
	}
	p.commit("first")
	out, code := one.by("deploy", "blog")
	if code != 0 || !strings.Contains(out, "blog is successfully deployed") {
		t.Fatalf("deploy: %d\n%s", code, out)
	}
	p.says("first", "first")
	for _, line := range []string{"one: Fetch the code", "three: Fetch the code", "three: migrate: completed in ", "ran on one, once for all hosts"} {
		if !strings.Contains(out, line) {
			t.Errorf("the progress lacks %q:\n%s", line, out)
		}
	}
	if m, c, n := p.ran("migrate"), p.ran("collect"), p.ran("notify"); m != 1 || c != 2 || n != 2 {
		t.Errorf("migrate ran %d times, collect %d, notify %d; want 1, 2, 2", m, c, n)
	}
	// One that comes later gets what the others have, and runs no stage of theirs.
	two.run()
	p.until("the new host serves it", func() bool { return two.says() == "first" })
	p.whole(3)
	if n := p.ran("migrate"); n != 1 {
		t.Errorf("migrate ran again for a host that came later: %d", n)
	}
	// The first that fails ends it: in the order of names that is three.
	p.commit("second")
	p.must(os.WriteFile(three.dir+"/blog/broken", nil, 0o644))
	out, code = two.by("deploy", "blog")
	if code != 1 || !strings.Contains(out, "host three has failed: ") || !strings.Contains(out, "this host is broken") ||
		!strings.Contains(out, "the new release is serving on one already") || !strings.Contains(out, "the running app was not changed on two") {
		t.Fatalf("deploy: %d\n%s", code, out)
	}
	p.says("second", "first", "first")
	if out, _ = two.by("deploys", "blog"); !strings.Contains(out, "the deploy has ended on three") {
		t.Errorf("the logbook of a host that was not reached:\n%s", out)
	}
	if out, _ = three.by("deploys", "blog"); !strings.Contains(out, "this host is broken") {
		t.Errorf("the logbook of the host that failed:\n%s", out)
	}
	// By etcd alone, from a machine that is no host.
	p.must(os.Remove(three.dir + "/blog/broken"))
	p.commit("third")
	b, err := exec.Command(kit.fleet, "deploy", "blog", "--source", p.source).CombinedOutput()
	if err != nil || !strings.Contains(string(b), "blog is successfully deployed") {
		t.Fatalf("deploy: %v\n%s", err, b)
	}
	p.says("third", "third", "third")
	// Back to what the first host had before, on all; hosts without it make it.
	ran := p.ran("migrate")
	if out, code = one.by("rollback", "blog"); code != 0 {
		t.Fatalf("rollback: %d\n%s", code, out)
	}
	p.says("second", "second", "second")
	if n := p.ran("migrate"); n != ran {
		t.Errorf("a rollback ran migrate")
	}
}

// TestADaemonThatIsKilledEndsTheDeployOfAll, before anything that serves is touched, and
// the next deploy works.
func TestADaemonThatIsKilledEndsTheDeployOfAll(t *testing.T) {
	p := newPark(t, "one", "two")
	if out, err := exec.Command(kit.fleet, "push", p.dir+"/specs", "--source", p.source).CombinedOutput(); err != nil {
		t.Fatalf("push: %v\n%s", err, out)
	}
	one, two := p.machines[0], p.machines[1]
	one.run()
	two.run()
	p.whole(2)
	p.commit("first")
	if out, code := one.by("deploy", "blog"); code != 0 {
		t.Fatalf("deploy: %d\n%s", code, out)
	}
	p.must(os.WriteFile(p.dir+"/ran/hold", nil, 0o644))
	p.commit("second")
	type result struct {
		out  string
		code int
	}
	done := make(chan result, 1)
	go func() { out, code := one.by("deploy", "blog"); done <- result{out, code} }()
	p.until("migrate runs", func() bool { return p.ran("migrate") == 2 })
	if out, code := two.by("deploy", "blog"); code != 1 || !strings.Contains(out, "another deploy of it is in progress") {
		t.Errorf("a second deploy: %d\n%s", code, out)
	}
	two.end(syscall.SIGKILL)
	two.run()
	cfg, err := etcd.Parse(p.source)
	p.must(err)
	client := etcd.New(cfg)
	defer client.Close()
	// Host one is to know it before it goes on.
	p.until("the next daemon has given its part up", func() bool {
		d, err := client.Deployment(t.Context(), "blog")
		return err == nil && d != nil && d.Parts["two"].State == cluster.Failed
	})
	if out, _ := two.by("deploys", "blog"); !strings.Contains(out, "interrupted") {
		t.Errorf("the logbook of the host whose daemon was killed:\n%s", out)
	}
	p.must(os.Remove(p.dir + "/ran/hold"))
	if r := <-done; r.code != 1 || !strings.Contains(r.out, "host two has failed: ") || !strings.Contains(r.out, "the running app was not changed on one") {
		t.Errorf("deploy: %d\n%s", r.code, r.out)
	}
	p.says("first", "first")
	if out, code := one.by("deploy", "blog"); code != 0 {
		t.Fatalf("the next deploy: %d\n%s", code, out)
	}
	p.says("second", "second")
}
