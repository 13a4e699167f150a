package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// Edits wait for apply, by the daemon's option or by the defaults: no pass that
// anything else asks for carries one out, not even in another process over the same
// directories, and status and plan say what waits.
func TestEditsWaitForApply(t *testing.T) {
	for name, hold := range map[string]bool{"run --hold": true, "defaults": false} {
		t.Run(name, func(t *testing.T) {
			f, m := newFleetDir(t), reconciletest.NewMachine()
			ctx := context.Background()
			o := f.fakeOptions(m)
			o.Hold = hold
			if !hold {
				if err := os.WriteFile(filepath.Join(f.Dir, "defaults.hcl"), []byte("defaults {\n  apply = \"manual\"\n}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var l *Local
			open := func() { // as another daemon, after a restart, an upgrade or a reboot
				t.Helper()
				var err error
				if l, err = OpenLocal(o); err != nil {
					t.Fatal(err)
				}
			}
			status := func(app string) AppStatus {
				t.Helper()
				st, err := l.Status(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range st.Apps {
					if a.Name == app {
						return a
					}
				}
				return AppStatus{}
			}
			all := func() { t.Helper(); passAll(t, l) }
			f.Spec("blog", reconciletest.Count(2))
			f.Spec("shop", reconciletest.Count(1))
			open()
			all()
			if m.Total() != 0 {
				t.Fatal("a new app did not wait")
			}
			if a := status("blog"); a.State != StateWaiting || a.Waiting != "it is new" || a.Reason != "it is new, and waits for: wsgid-fleet apply blog" {
				t.Errorf("new: %+v", a)
			}
			if rs, err := l.Start(ctx, []string{"blog"}, nil); err != nil || rs[0].OK || !strings.Contains(rs[0].Reason, "waits for: wsgid-fleet apply blog") {
				t.Errorf("start of what waits: %+v, %v", rs, err)
			}
			if _, err := l.Deploy(ctx, DeployOrder{App: "blog"}, nil); err == nil || !strings.Contains(err.Error(), "waits for: wsgid-fleet apply blog") {
				t.Errorf("deploy of what waits: %v", err)
			}
			if rs, err := l.Apply(ctx, nil, nil); err != nil || len(rs) != 2 || !rs[0].OK || !rs[1].OK {
				t.Fatalf("%+v, %v", rs, err)
			}
			first, shop := m.Only(t, "blog"), m.Only(t, "shop")

			f.Spec("blog", reconciletest.Count(4), `env = { A = "1" }`)
			f.Spec("wiki", reconciletest.Count(1))
			f.Remove("shop")
			for range 2 {
				all()
				if rs, err := l.Reload(ctx, []string{"blog"}, nil); err != nil || !rs[0].OK {
					t.Fatalf("reload: %+v, %v", rs, err)
				}
				if a := status("blog"); a.State != "ready" || a.Desired.Max != 2 || a.Waiting != "env.A and workers.count change" {
					t.Errorf("edited: %+v", a)
				}
				if a := status("shop"); a.State != "ready" || a.Waiting != "its spec was removed" {
					t.Errorf("removed: %+v", a)
				}
				if m.Only(t, "blog") != first || m.Only(t, "shop") != shop || m.Count("wiki") != 0 {
					t.Fatal("an edit was carried out")
				}
				for _, call := range first.Called() {
					if strings.HasPrefix(call, "update") {
						t.Fatalf("an edit was handed over: %s", call)
					}
				}
				open()
			}
			planned, err := l.Plan(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			kinds := map[string]plan.ActionKind{}
			for _, a := range planned.Apps {
				if len(a.Actions) > 0 {
					kinds[a.App] = a.Actions[len(a.Actions)-1].Kind
				}
			}
			if kinds["blog"] != plan.ActionRoll || kinds["shop"] != plan.ActionStop || kinds["wiki"] != plan.ActionStart {
				t.Errorf("plan: %v", kinds)
			}

			// A bad edit is told while it waits, and keeps what runs.
			good := f.Read("blog")
			f.Write("blog", strings.Replace(good, "count", "coutn", 1))
			all()
			if a := status("blog"); a.State != "degraded" || !strings.Contains(a.Reason, `unknown attribute "coutn"`) {
				t.Errorf("bad: %+v", a)
			}
			f.Write("blog", good)

			// A master that dies comes back by what was applied, and one app goes alone.
			first.Die()
			all()
			if a := status("blog"); a.Desired.Max != 2 || a.Waiting == "" {
				t.Errorf("after its death: %+v", a)
			}
			if rs, err := l.Apply(ctx, []string{"blog"}, nil); err != nil || !rs[0].OK {
				t.Fatalf("%+v, %v", rs, err)
			}
			if a := status("blog"); a.Desired.Max != 4 || a.Waiting != "" || m.Count("shop") != 1 || m.Count("wiki") != 0 {
				t.Errorf("after its apply: %+v, shop %d, wiki %d", a, m.Count("shop"), m.Count("wiki"))
			}
			if _, err := l.Apply(ctx, nil, nil); err != nil || m.Count("shop") != 0 || m.Count("wiki") != 1 {
				t.Errorf("after apply: %v, shop %d, wiki %d", err, m.Count("shop"), m.Count("wiki"))
			}
			open()
			all()
			if a := status("shop"); a.Name != "" {
				t.Errorf("the removed one: %+v", a)
			}
		})
	}
}

// passAll reads the directory and makes a pass over each app, as the daemon does at its
// start, after an edit, in its rounds and on HUP.
func passAll(t *testing.T, l *Local) {
	t.Helper()
	if _, err := l.reread(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range l.core.Dir.Names() {
		if out := l.pass(t.Context(), name, reconcile.Intent{}); out.Err != nil {
			t.Fatal(out.Err)
		}
	}
}
