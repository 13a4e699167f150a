package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd"
)

// push makes the spec file say text, on all hosts.
func (p *park) push(text string) {
	p.t.Helper()
	p.must(os.WriteFile(p.dir+"/specs/blog.hcl", []byte(text), 0o644))
	if out, err := exec.Command(kit.fleet, "push", p.dir+"/specs", "--source", p.source).CombinedOutput(); err != nil {
		p.t.Fatalf("push: %v\n%s", err, out)
	}
}

// TestRenamedAppOnManyHosts: a deployed app that is given another name serves on, on each host,
// and a host that comes later gets its release.
func TestRenamedAppOnManyHosts(t *testing.T) {
	p := newPark(t, "one", "three", "two")
	file := p.dir + "/specs/blog.hcl"
	text, err := os.ReadFile(file)
	p.must(err)
	p.push(string(text))
	one, three, two := p.machines[0], p.machines[1], p.machines[2]
	for i, m := range p.machines[:2] {
		m.run()
		p.whole(i + 1)
	}
	p.commit("first")
	if out, code := one.by("deploy", "blog"); code != 0 {
		t.Fatalf("deploy: %d\n%s", code, out)
	}
	p.commit("second") // which nobody has deployed

	var ended, failed atomic.Bool
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for !ended.Load() {
			if one.says() != "first" || three.says() != "first" {
				failed.Store(true)
			}
		}
	}()
	rename := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(file)
		p.must(err)
		p.push(strings.Replace(string(text), `app "`+from+`"`, `app "`+to+`"`, 1))
		for _, m := range p.machines[:2] {
			p.until(m.id+" has it as "+to, func() bool {
				out, code := m.by("status")
				return code == 0 && strings.Contains(out, to) && !strings.Contains(out, from)
			})
		}
	}
	rename("blog", "site")
	rename("site", "journal")
	cfg, err := etcd.Parse(p.source)
	p.must(err)
	client := etcd.New(cfg)
	defer client.Close()
	p.until("the deploy is that of the app by its new name", func() bool {
		d, err := client.Deployment(t.Context(), "journal")
		return err == nil && d != nil && d.Succeeded() && d.Order.App == "journal"
	})
	ran := p.ran("migrate")
	two.run()
	p.until("the new host serves it", func() bool { return two.says() == "first" })
	ended.Store(true)
	<-asked
	if failed.Load() {
		t.Error("a host did not answer as before while the app was renamed")
	}
	if n := p.ran("migrate"); n != ran {
		t.Errorf("migrate ran again: %d times, then %d", ran, n)
	}
	for _, was := range []string{"blog", "site"} {
		if d, err := client.Deployment(t.Context(), was); err != nil || d != nil {
			t.Errorf("%s has %v, %v", was, d, err)
		}
	}
	// It is one app, with what it was before.
	if out, code := two.by("deploy", "journal"); code != 0 {
		t.Fatalf("deploy: %d\n%s", code, out)
	}
	p.says("second", "second", "second")
	if out, code := three.by("rollback", "journal"); code != 0 {
		t.Fatalf("rollback: %d\n%s", code, out)
	}
	p.says("first", "first", "first")
}

// TestRenamedAppMovesWithoutAGap: the other name may belong on other hosts. The one that has
// served it does so until they do.
func TestRenamedAppMovesWithoutAGap(t *testing.T) {
	p := newPark(t, "one", "two")
	file := p.dir + "/specs/blog.hcl"
	text, err := os.ReadFile(file)
	p.must(err)
	p.push(strings.Replace(string(text), `wsgi_app`, `backends { count = 1 }
  wsgi_app`, 1))
	hosts := []cluster.Host{{ID: "one", Region: "eu1"}, {ID: "two", Region: "eu1"}}
	on := func(app string) string {
		return cluster.Place([]cluster.App{{Name: app, Backends: []cluster.Backend{{Count: 1}}}}, hosts)[app][0]
	}
	other := ""
	for i := 0; other == ""; i++ {
		if name := fmt.Sprint("site", i); on(name) != on("blog") {
			other = name
		}
	}
	for _, m := range p.machines {
		m.run()
	}
	p.until("all hosts are there", func() bool {
		out, _ := exec.Command(kit.fleet, "hosts", "--source", p.source).Output()
		return strings.Count(string(out), "there") == 2
	})
	from, to := p.machines[0], p.machines[1]
	if on("blog") == "two" {
		from, to = to, from
	}
	p.until(from.id+" has the app", func() bool { out, _ := from.by("status"); return strings.Contains(out, "blog") })
	p.commit("first")
	if out, code := from.by("deploy", "blog"); code != 0 {
		t.Fatalf("deploy: %d\n%s", code, out)
	}
	text, err = os.ReadFile(file)
	p.must(err)
	p.push(strings.Replace(string(text), `app "blog"`, `app "`+other+`"`, 1))
	p.until("the other host serves it", func() bool {
		// In this order: where this one has let it go, the other serves it.
		if from.says() != "first" && to.says() != "first" {
			t.Error("nobody serves it")
			return true
		}
		return to.says() == "first"
	})
	p.until(from.id+" has let it go", func() bool { return from.says() == "" })
	if got := to.says(); got != "first" {
		t.Errorf("host %s says %q", to.id, got)
	}
}
