package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// relink makes a symlink lead elsewhere, as deployment tools do.
func relink(t *testing.T, to, link string) {
	t.Helper()
	if err := os.Symlink(to, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

// soon is below the tick of 30 s, which finds all of this too.
const soon = 25 * time.Second

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	began := time.Now()
	eventually(t, what, ok)
	if took := time.Since(began); took > soon {
		t.Errorf("%s: only after %v", what, took)
	}
}

// A link that is switched anywhere on the way to a spec is an edit, and so is a
// secret that is rotated.
func TestLinksAndSecretsAreWatched(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	secret := filepath.Join(f.Root, "secrets", "now")
	for _, d := range []string{"rel/1/d", "rel/2/d", "secrets/1", "secrets/2"} {
		if err := os.MkdirAll(filepath.Join(f.Root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(f.Root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.Spec("inner", fmt.Sprintf("env = { S = trimspace(file(%q)) }", secret+"/password"))
	inner := f.Read("inner")
	put("rel/1/d/inner.hcl", inner)
	put("rel/2/d/inner.hcl", inner)
	f.Spec("outer", reconciletest.Count(1))
	outer := f.Read("outer")
	put("rel/1/outer.hcl", outer)
	put("rel/2/outer.hcl", strings.Replace(outer, "count = 1", "count = 2", 1))
	put("secrets/1/password", "one\n")
	put("secrets/2/password", "two\n")
	relink(t, "1", secret)
	relink(t, "1", filepath.Join(f.Root, "rel", "current"))
	relink(t, filepath.Join(f.Root, "rel", "current", "outer.hcl"), filepath.Join(f.Root, "rel/1/d/outer.hcl"))
	relink(t, filepath.Join(f.Root, "rel", "current", "outer.hcl"), filepath.Join(f.Root, "rel/2/d/outer.hcl"))
	f.Dir = filepath.Join(f.Root, "rel", "current", "d")

	f.daemon(f.fakeOptions(m))
	wants := func(app string) string {
		st, _ := m.Only(t, app).Status(t.Context(), 0)
		return st.WantDigest
	}
	was := wants("inner")
	relink(t, "2", secret)
	within(t, "a secret behind a link is rotated", func() bool { return wants("inner") != was })
	was = wants("inner")
	put("secrets/2/password", "three\n")
	within(t, "a secret is written", func() bool { return wants("inner") != was })
	was = wants("outer")
	relink(t, "2", filepath.Join(f.Root, "rel", "current"))
	if err := os.RemoveAll(filepath.Join(f.Root, "rel", "1")); err != nil {
		t.Fatal(err)
	}
	within(t, "a link above the directory and above a spec is switched", func() bool { return wants("outer") != was })
	was = wants("outer")
	put("rel/2/outer.hcl", strings.Replace(outer, "count = 1", "count = 3", 1))
	within(t, "an edit behind the link", func() bool { return wants("outer") != was })
}

// What the kernel tells nobody is found at the next tick: an ancestor of the
// directory is renamed and another stands in its place.
func TestTickComparesWhatIsWatched(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	up := filepath.Join(f.Root, "up")
	f.Dir = filepath.Join(up, "etc", "d")
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f.Spec("one", reconciletest.Count(1))
	var d *Daemon
	f.daemon(f.fakeOptions(m), func(x *Daemon) { x.Tick, d = 200*time.Millisecond, x })
	if err := os.Rename(up, up+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f.Spec("one", reconciletest.Count(2))
	most := func(n int) func() bool {
		return func() bool { st, _ := m.Only(t, "one").Status(t.Context(), 0); return st.Max == n }
	}
	eventually(t, "the new directory is read", most(2))
	eventually(t, "the new directory is watched", func() bool {
		fi, err := os.Stat(f.Dir)
		return err == nil && d.loop.Watcher.Watching()[f.Dir] == state.FileID(fi.Sys())
	})
}

// The file of a unix socket that was deleted comes back, of an app that runs, of one that waits
// for its first request, and of one whose spec is broken.
func TestSocketFileComesBack(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("busy")
	f.Real("idle", "workers {\n    min = 0\n    max = 1\n    idle_timeout = \"1s\"\n  }")
	f.Real("held")
	f.daemon(Options{})
	for _, app := range []string{"busy", "idle", "held"} {
		switch app {
		case "idle":
			eventually(t, "no master runs", func() bool { a := f.status(app); return a.State == "idle" && a.Master == nil })
		case "held":
			f.Write("held", f.Read("held")+"nonsense {")
			eventually(t, "its spec is broken", func() bool { return strings.HasPrefix(f.status(app).Reason, "runs on its last good spec") })
		}
		for range 2 { // the first time what went before may have it looked at
			if err := os.Remove(filepath.Join(f.Root, app+".sock")); err != nil {
				t.Fatal(err)
			}
			within(t, app+" answers again", func() bool { b, err := f.get(app); return err == nil && b == "hello" })
		}
		if a := f.status(app); a.Reason != "" && app != "held" {
			t.Errorf("%s: %+v", app, a)
		}
	}
}

// A link on the way to an app folder that is switched is an edit: the app works in
// the new folder, its log is there.
func TestAppFolderBehindALinkIsSwitched(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	link := f.Path("blog")
	for _, n := range []string{"1", "2"} {
		f.App("r"+n, strings.Replace(reconciletest.Hello, `b"hello"`, `b"release `+n+`"`, 1))
	}
	relink(t, "r1", link)
	f.Spec("blog", `wsgi_app = "m:app"`)
	f.daemon(Options{})
	stop := loadOf(f, "blog")
	within(t, "the first release serves", func() bool { b, err := f.get("blog"); return err == nil && b == "release 1" })
	relink(t, "r2", link)
	within(t, "the second release serves", func() bool { b, err := f.get("blog"); return err == nil && b == "release 2" })
	if bad := stop(); len(bad) > 0 {
		t.Errorf("%d requests were lost: %v", len(bad), bad[0])
	}
	eventually(t, "one master is left", func() bool {
		ms, err := runner.FindMasters(f.State, "blog")
		return err == nil && len(ms) == 1
	})
	if _, err := os.Stat(filepath.Join(f.Path("r2"), "logs", "wsgid.log")); err != nil {
		t.Errorf("the log of the new release: %v", err)
	}
	if err := os.RemoveAll(f.Path("r1")); err != nil {
		t.Fatal(err)
	}
	if b, err := f.get("blog"); err != nil || b != "release 2" {
		t.Errorf("without the old release: %q, %v", b, err)
	}
}

// loadOf asks an app until stop, whatever it answers.
func loadOf(f *fleetDir, app string) (stop func() []string) {
	end := underLoad(2, func() (string, error) {
		b, err := f.get(app)
		if strings.HasPrefix(b, "release ") {
			b = "hello"
		}
		return b, err
	})
	return func() []string {
		good, bad := end()
		if good == 0 {
			bad = append(bad, "nothing was asked")
		}
		return bad
	}
}

func TestPlanOfDisturbedSurroundings(t *testing.T) {
	spec := testSpec()
	at := func(o plan.Observed, folder string) plan.Observed {
		o.App = "blog"
		o.Masters = []plan.Master{{Record: runner.Record{App: "blog", PID: 7, SpecDigest: runner.Digest(spec)},
			Status: runner.Status{State: runner.StateReady, SpecDigest: runner.Digest(spec), WantDigest: runner.Digest(spec), Folder: folder,
				Min: spec.Workers.Min, Max: spec.Workers.Max}}}
		return o
	}
	gone := plan.Surroundings{Folder: "1:1", Gone: []string{"unix:/x.sock"}}
	failed := &state.Failure{Digest: runner.Digest(spec), Folder: "1:2", Reason: "no module", At: time.Now()}
	for _, tc := range []struct {
		name string
		o    plan.Observed
		want []plan.ActionKind
	}{
		{"as it was", at(plan.Observed{Surroundings: plan.Surroundings{Folder: "1:1"}}, "1:1"), nil},
		{"a master that does not tell", at(plan.Observed{Surroundings: plan.Surroundings{Folder: "1:1"}}, ""), nil},
		{"a folder that is gone", at(plan.Observed{}, "1:1"), nil},
		{"another folder", at(plan.Observed{Surroundings: plan.Surroundings{Folder: "1:2"}}, "1:1"), []plan.ActionKind{plan.ActionReplace}},
		{"another folder, tried", at(plan.Observed{Surroundings: plan.Surroundings{Folder: "1:2"}, AppState: state.AppState{Failure: failed}}, "1:1"), nil},
		{"a third folder", at(plan.Observed{Surroundings: plan.Surroundings{Folder: "1:3"}, AppState: state.AppState{Failure: failed}}, "1:1"), []plan.ActionKind{plan.ActionReplace}},
		{"a reload into another folder", at(plan.Observed{Surroundings: plan.Surroundings{Folder: "1:2"}, Request: plan.Request{Reload: true}}, "1:1"), []plan.ActionKind{plan.ActionReplace}},
		{"a socket's file is gone", at(plan.Observed{Surroundings: gone}, "1:1"), []plan.ActionKind{plan.ActionReplace}},
	} {
		var got []plan.ActionKind
		for _, a := range plan.MakePlan(spec, tc.o, time.Now()).Actions {
			got = append(got, a.Kind)
		}
		if fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
