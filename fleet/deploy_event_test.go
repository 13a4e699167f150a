package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Where a deployed app is reached, as people would type it.
func TestURLs(t *testing.T) {
	named := func(s *appspec.Spec) { s.Health = &appspec.Health{Path: "/", Host: "blog.example.org"} }
	on := func(listen ...appspec.HTTPSocket) func(*appspec.Spec) {
		return func(s *appspec.Spec) { s.Sockets.HTTP = listen }
	}
	tls := &appspec.TLS{Cert: "/c", Key: "/k"}
	for _, tt := range []struct {
		spec *appspec.Spec
		want []string
	}{
		{testSpec(), []string{"http://127.0.0.1:8000"}},
		{testSpec(named), []string{"http://127.0.0.1:8000"}},
		{testSpec(on(appspec.HTTPSocket{Listen: "0.0.0.0:8000"}, appspec.HTTPSocket{Listen: "[::]:8000"})), []string{"http://localhost:8000"}},
		{testSpec(named, on(appspec.HTTPSocket{Listen: "*:80"}, appspec.HTTPSocket{Listen: "*:443", TLS: tls})), []string{"http://blog.example.org", "https://blog.example.org"}},
		{testSpec(named, on(appspec.HTTPSocket{Listen: "*:443"}, appspec.HTTPSocket{Listen: "unix:/run/blog.sock"})), []string{"http://blog.example.org:443", "unix:/run/blog.sock"}},
	} {
		if got := urls(tt.spec, nil); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.spec.Sockets.HTTP, got, tt.want)
		}
	}
	hosts := testSpec(func(s *appspec.Spec) {
		s.Hosts, s.Sockets.HTTP = []string{"blog.example.org", "*.blog.example.org"}, []appspec.HTTPSocket{{Listen: "unix:/run/b", Adopts: true}}
	})
	gate := testSpec(on(appspec.HTTPSocket{Listen: "unix:/run/wsgid/gate/_gate", Adopts: true}, appspec.HTTPSocket{Listen: "unix:/run/front.sock"}, appspec.HTTPSocket{Listen: "systemd:front"},
		appspec.HTTPSocket{Listen: "0.0.0.0:80"}, appspec.HTTPSocket{Listen: "[::]:80"}, appspec.HTTPSocket{Listen: "0.0.0.0:443", TLS: tls}))
	if got, want := urls(hosts, gate), []string{"http://blog.example.org", "https://blog.example.org"}; !slices.Equal(got, want) {
		t.Errorf("by the gate: %q, want %q", got, want)
	}
}

// An app that has names alone says that nobody reaches it until there is a gate.
func TestAnAppWithNamesWithoutAGate(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.App("blog", reconciletest.Hello)
	f.Write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  hosts = [\"blog.example.org\"]\n}\n", f.Path("blog")))
	f.daemon(Options{})
	eventually(t, "blog is ready, and not reached", func() bool {
		a := f.status("blog")
		return a.State == "ready" && len(a.Warnings) == 1 && strings.HasPrefix(a.Warnings[0], "it is not reached: it has hosts and no listener of its own, and the directory has no gate")
	})
	f.Write("gate", fmt.Sprintf("gate {\n  http {\n    listen = %q\n  }\n}\n", freeport.Addr(t)))
	eventually(t, "blog is reached by the gate", func() bool {
		a := f.status("blog")
		return a.State == "ready" && len(a.Warnings) == 0
	})

	own := testSpec(func(s *appspec.Spec) { s.Hosts = []string{"blog.example.org"} })
	r := Result{}
	if r.reached(own, nil); len(r.Warnings) > 0 {
		t.Errorf("it has a listener of its own: %v", r.Warnings)
	}
	own.Sockets.HTTP = nil
	if r.reached(own, nil); len(r.Warnings) != 1 || len(r.URLs) > 0 {
		t.Errorf("a deploy tells: %v %v", r.URLs, r.Warnings)
	}
}
