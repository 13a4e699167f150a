package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/specdir"
)

// A directory that is to take the place of the daemon's is planned against what runs:
// apps that it edits, adds, leaves out, and those of its broken files, which keep what
// they have.
func TestPlanOfAStagedDirectory(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	ctx := context.Background()
	for _, app := range []string{"blog", "shop", "news"} {
		f.Spec(app, reconciletest.Count(2))
	}
	f.daemon(f.fakeOptions(m))
	staged := filepath.Join(f.Root, "staged")
	if err := os.Mkdir(staged, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(app, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(staged, app+".hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("blog", strings.Replace(f.Read("blog"), "count = 2", "count = 3", 1))
	put("wiki", strings.ReplaceAll(f.Read("blog"), "blog", "wiki"))
	put("news", "app \"news\" {\n  nonsense")

	if _, err := Connect(ctx, Options{Dir: staged, StateDir: f.State}); err == nil || !strings.Contains(err.Error(), "runs the fleet of "+f.Dir) {
		t.Fatalf("any other command of another directory: %v", err)
	}
	op, err := Connect(ctx, Options{Dir: staged, StateDir: f.State, Staged: true})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	c := op.(*Client)
	if c.Runs(staged) || !c.Runs(f.Dir) {
		t.Fatal("the client does not know which directory the daemon runs")
	}
	set, err := specdir.HostOptions().Load(afero.NewOsFs(), staged)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.PlanStaged(ctx, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, a := range plan.Apps {
		kinds[a.App] = "nothing"
		if len(a.Actions) > 0 {
			kinds[a.App] = string(a.Actions[len(a.Actions)-1].Kind)
		}
	}
	want := map[string]string{"blog": "update", "wiki": "start", "shop": "stop", "news": "nothing"}
	for app, kind := range want {
		if kinds[app] != kind {
			t.Errorf("%s: %q, want %q", app, kinds[app], kind)
		}
	}
	if len(plan.Faults) != 1 || plan.Faults[0].File != filepath.Join(staged, "news.hcl") {
		t.Errorf("faults: %+v", plan.Faults)
	}
	one, err := c.PlanStaged(ctx, set, []string{"shop"})
	if err != nil || len(one.Apps) != 1 || one.Apps[0].App != "shop" {
		t.Errorf("of one app: %+v, %v", one, err)
	}
	if _, err := c.PlanStaged(ctx, set, []string{"shpo"}); err == nil || !strings.Contains(err.Error(), "did you mean shop?") {
		t.Errorf("of none: %v", err)
	}
	set.Specs["blog"].Name = "../blog"
	if _, err := c.PlanStaged(ctx, set, nil); err == nil || !strings.Contains(err.Error(), "is not a spec") {
		t.Errorf("of a name that is none: %v", err)
	}
	if again, err := c.Plan(ctx, nil); err != nil || len(again.Apps) != 3 {
		t.Errorf("the daemon's own plan: %+v, %v", again, err)
	}
	for _, app := range []string{"blog", "shop", "news"} {
		if m.Starts(app) != 1 || m.Count(app) != 1 {
			t.Errorf("planning has touched %s", app)
		}
	}
}
