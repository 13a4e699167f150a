package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// whoIsIt answers what its environment says.
const whoIsIt = `
import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["WHO"].encode() + os.environ.get("MORE", "").encode()]
`

// environments is the spec of blog with them, each on a socket of its own; lines
// are of each.
func (f *fleetDir) environments(lines map[string]string) string {
	var b strings.Builder
	b.WriteString("app \"blog\" {\n  wsgi_app = \"m:app\"\n  env = { MORE = \"\", WHO = \"nobody\" }\n")
	for _, env := range []string{"dev", "production"} {
		if text, there := lines[env]; there {
			fmt.Fprintf(&b, "  environment %q {\n    sockets {\n      http {\n        listen = \"unix:%s\"\n      }\n    }\n    %s\n  }\n",
				env, filepath.Join(f.Root, "blog-"+env+".sock"), text)
		}
	}
	return b.String() + "}\n"
}

// TestEnvironments: one app in two environments is two apps that serve, each on its
// socket and from its folder; what happens to one does not reach the other.
func TestEnvironments(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Write("defaults", fmt.Sprintf("defaults {\n  root = %q\n}\n", filepath.Join(f.Root, "a")))
	f.App("blog-dev", whoIsIt)
	f.App("blog-production", whoIsIt)
	const production = `env = { WHO = "hello" }`
	f.Write("blog", f.environments(map[string]string{"dev": `env = { WHO = "dev" }`, "production": production}))
	f.child()
	answers := func(name, want string) func() bool {
		return func() bool { body, err := f.get(name); return err == nil && body == want }
	}
	eventually(t, "both serve", func() bool { return answers("blog-dev", "dev")() && answers("blog-production", "hello")() })
	eventually(t, "both are ready", func() bool { return f.is("blog-dev", "ready")() && f.is("blog-production", "ready")() })
	dev, prod := f.status("blog-dev"), f.status("blog-production")
	if dev.Environment != "dev" || dev.Path != f.Path("blog-dev") || dev.File != f.File("blog") || prod.Environment != "production" {
		t.Errorf("status of dev: %+v", dev)
	}
	if a := f.status("blog"); a.Name != "" {
		t.Errorf("blog, which has environments, is an app itself: %+v", a)
	}

	stop := f.load("blog-production", 2)
	untouched := func(when string) {
		t.Helper()
		now := f.status("blog-production")
		if now.State != "ready" || now.Generation != prod.Generation || now.Master == nil || now.Master.PID != prod.Master.PID || len(now.Workers) != 1 || now.Workers[0].PID != prod.Workers[0].PID {
			t.Errorf("%s: production is %s, generation %d, master %+v, workers %+v; was %d, %+v, %+v",
				when, now.State, now.Generation, now.Master, now.Workers, prod.Generation, prod.Master, prod.Workers)
		}
	}

	f.Write("blog", f.environments(map[string]string{"dev": `env = { WHO = "dev", MORE = " edited" }`, "production": production}))
	eventually(t, "dev serves what was edited", answers("blog-dev", "dev edited"))
	untouched("dev was edited")

	// A mistake in one keeps that one as it is.
	f.Write("blog", f.environments(map[string]string{"dev": "colour = 1", "production": production}))
	eventually(t, "dev is degraded", f.is("blog-dev", "degraded"))
	if a := f.status("blog-dev"); !strings.Contains(a.Reason, `unknown attribute "colour" in environment "dev" of app "blog"`) {
		t.Errorf("reason %q", a.Reason)
	}
	if !answers("blog-dev", "dev edited")() {
		t.Error("dev does not serve by its last good spec")
	}
	untouched("dev was broken")

	// The block goes: its app stops, its folder stays.
	f.Write("blog", f.environments(map[string]string{"production": production}))
	eventually(t, "dev is gone", func() bool { return f.status("blog-dev").Name == "" })
	if _, err := f.get("blog-dev"); err == nil {
		t.Error("dev, whose block is gone, still serves")
	}
	if _, err := os.Stat(filepath.Join(f.Path("blog-dev"), "app", "m.py")); err != nil {
		t.Errorf("its folder: %v", err)
	}
	untouched("dev was removed")

	// The last block goes, and what is left is no app: nothing stops for it.
	f.Write("blog", f.environments(nil))
	eventually(t, "production is degraded", f.is("blog-production", "degraded"))
	if a := f.status("blog-production"); !strings.Contains(a.Reason, "the app has no socket") {
		t.Errorf("reason %q", a.Reason)
	}

	// The same app under its own name: nothing of it changes.
	f.Write("blog", fmt.Sprintf("app \"blog-production\" {\n  wsgi_app = \"m:app\"\n  env = { MORE = \"\", WHO = \"hello\" }\n  sockets {\n    http {\n      listen = \"unix:%s\"\n    }\n  }\n}\n",
		filepath.Join(f.Root, "blog-production.sock")))
	eventually(t, "production is ready, and no environment", func() bool {
		a := f.status("blog-production")
		return a.State == "ready" && a.Environment == ""
	})
	untouched("it became an app of its own")
	if good, faults := stop(); len(faults) > 0 || good == 0 {
		t.Errorf("%d good answers; lost: %v", good, faults)
	}
}

// What keeps an environment whose block is gone: a mistake of the app block that
// had it, and nothing else.
func TestWantedEnvironment(t *testing.T) {
	last := appspec.Default("blog-dev", "/srv/blog-dev")
	last.Environment, last.File = "dev", "/d/blog.hcl"
	for _, c := range []struct {
		fault hclspec.Fault
		held  bool
	}{
		{hclspec.Fault{File: "/d/blog.hcl", App: "blog", Summary: "no socket"}, true},
		{hclspec.Fault{File: "/d/other.hcl", App: "blog", Summary: "no socket"}, true},
		{hclspec.Fault{File: "/d/blog.hcl", App: "shop", Summary: "no socket"}, false},
		{hclspec.Fault{File: "/d/blog.hcl", Apps: []string{"blog-production"}, Summary: "unknown attribute"}, true},
		{hclspec.Fault{File: "/d/other.hcl", Apps: []string{"shop-dev"}, Summary: "unknown attribute"}, false},
	} {
		w := plan.Wanted(&hclspec.Set{Dir: "/d", Faults: []hclspec.Fault{c.fault}}, nil, "blog-dev", last)
		if got := w.Spec == last && w.Held == c.fault.Summary; got != c.held || w.Gone() == c.held {
			t.Errorf("%+v: held is %v, want %v", c.fault, got, c.held)
		}
	}
}
