package fleet

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

func TestLosses(t *testing.T) {
	set := func(specs string, empty ...string) *hclspec.Set {
		s := &hclspec.Set{Dir: "/d", Specs: map[string]*appspec.Spec{}, Empty: empty}
		for n := range strings.FieldsSeq(specs) {
			s.Specs[n] = &appspec.Spec{Name: n}
		}
		return s
	}
	homes := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for _, p := range pairs {
			app, file, _ := strings.Cut(p, "@")
			out[app] = "/d/" + file
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		set   *hclspec.Set
		homes map[string]string
		moved bool
		want  []string // file: apps
	}{
		{"a file is deleted", set("b"), homes("a@a.hcl", "b@b.hcl"), false, nil},
		{"the only file is deleted", set(""), homes("a@a.hcl", "b@a.hcl"), false, nil},
		{"an app of a file is deleted", set("b"), homes("a@a.hcl", "b@a.hcl"), false, nil},
		{"an app moves to another file", set("a", "/d/a.hcl"), homes("a@b.hcl"), false, nil},
		{"a file is emptied", set("b", "/d/a.hcl"), homes("a@a.hcl", "c@a.hcl", "b@b.hcl"), false, []string{"/d/a.hcl: a c"}},
		{"the only file is emptied", set("", "/d/a.hcl"), homes("a@a.hcl"), false, []string{"/d/a.hcl: a"}},
		{"a file without apps is new", set("", "/d/new.hcl"), nil, false, nil},
		{"all files go at once", set(""), homes("a@a.hcl", "b@b.hcl"), false, []string{"/d: a b"}},
		{"one is emptied, the other goes", set("", "/d/a.hcl"), homes("a@a.hcl", "b@b.hcl"), false, []string{"/d/a.hcl: a", "/d: b"}},
		{"another directory, empty", set(""), homes("a@a.hcl"), true, []string{"/d: a"}},
		{"another directory, with an app", set("b"), homes("a@a.hcl", "b@b.hcl"), true, nil},
		{"the first file is back", set("b"), homes("late@a.hcl", "b@b.hcl"), false, []string{"/d: late"}},
		{"the last lost file", set(""), homes("late@a.hcl"), false, []string{"/d: late"}},
		{"another directory by name", set(""), map[string]string{"a": "/e/a.hcl", "b": "/e/b.hcl"}, false, nil},
	} {
		var got []string
		for _, f := range losses(tc.set, tc.homes, tc.moved, []string{"late"}) {
			if !f.Lost || !strings.HasPrefix(f.Summary, f.File+": ") || !strings.Contains(f.Summary, "wsgid-fleet apply") {
				t.Errorf("%s: %+v", tc.name, f)
			}
			got = append(got, f.File+": "+strings.Join(f.Apps, " "))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What damage takes away is kept over restarts of the daemon until apply confirms
// it; what is deleted goes.
func TestDamageIsNotRemoval(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	truncate := func(app string) {
		t.Helper()
		if err := os.Truncate(f.file(app), 0); err != nil {
			t.Fatal(err)
		}
	}
	reason := func(app string) string { return f.status(app).Reason }
	for _, app := range []string{"one", "two", "three"} {
		f.spec(app)
	}
	specs := map[string]string{"one": f.read("one"), "two": f.read("two"), "three": f.read("three")}
	var d *Daemon
	stop := f.daemon(f.fakeOptions(m), func(x *Daemon) { d = x })
	started := map[string]*fakeMaster{}
	for app := range specs {
		started[app] = m.only(t, app)
	}
	same := func(when string, apps ...string) {
		t.Helper()
		for _, app := range apps {
			if m.count(app) != 1 || m.only(t, app) != started[app] {
				t.Errorf("%s: app %s was touched", when, app)
			}
		}
	}

	truncate("one")
	eventually(t, "it is said that a file is empty", func() bool { return strings.Contains(reason("one"), "it no longer defines any app") })
	d.e.loadMu.Lock() // at once: what is read in between has lost one app, which is a removal
	for app := range specs {
		if err := os.Rename(f.file(app), f.file(app)+".away"); err != nil {
			t.Fatal(err)
		}
	}
	d.e.loadMu.Unlock()
	eventually(t, "it is said that all is gone", func() bool { return strings.Contains(reason("two"), "all its files vanished at once") })
	same("after the loss", "one", "two", "three")

	// The next daemon has not seen what was there before.
	stop()
	if err := os.Remove(filepath.Join(f.state, "fleet.lock")); err != nil { // it is held as long as this process lives
		t.Fatal(err)
	}
	f.daemon(f.fakeOptions(m))
	eventually(t, "the next daemon says so too", func() bool { return strings.Contains(reason("three"), "all its files vanished at once") })
	for app := range specs {
		started[app] = m.only(t, app)
	}

	// They come back one by one.
	f.write("one", specs["one"])
	eventually(t, "one is as it was", func() bool { return reason("one") == "" })
	f.write("two", specs["two"])
	eventually(t, "two is as it was", func() bool { return reason("two") == "" })
	if r := reason("three"); !strings.Contains(r, "not back") {
		t.Errorf("reason of the one that is not back: %q", r)
	}
	same("while they came back", "one", "two", "three")
	f.write("three", specs["three"])
	eventually(t, "three is as it was", func() bool { return reason("three") == "" })
	f.remove("three")
	eventually(t, "what is deleted is stopped", func() bool { return m.count("three") == 0 })

	truncate("two")
	eventually(t, "an emptied file is kept", func() bool { return reason("two") != "" })
	op, err := Connect(context.Background(), Options{Dir: f.dir, StateDir: f.state})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	planned, err := op.Plan(context.Background(), nil)
	if err != nil || len(planned.Faults) != 0 {
		t.Fatalf("plan: %+v, %v", planned, err)
	}
	for _, a := range planned.Apps {
		if a.App == "two" && (len(a.Actions) != 1 || a.Actions[0].Kind != plan.ActionStop || !strings.Contains(a.Why, "two.hcl: it no longer defines any app")) {
			t.Errorf("plan of the app whose file is empty: %+v", a)
		}
	}
	if _, err := op.Apply(context.Background(), []string{"one"}, nil); err != nil {
		t.Fatal(err)
	}
	same("apply of another app", "one", "two")
	if _, err := op.Apply(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "apply confirms", func() bool { return m.count("two") == 0 && reason("two") == "" })
	same("after it was confirmed", "one")

	// One app is left: to delete its file is to remove it.
	f.remove("one")
	eventually(t, "the last one goes", func() bool { return m.count("one") == 0 })
}

// The only app of a directory is kept when another, empty one is in its place:
// the file system with it is not mounted.
func TestDirectoryThatIsNotMounted(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	f.spec("one")
	f.daemon(f.fakeOptions(m), func(d *Daemon) { d.Tick = 100 * time.Millisecond })
	was := m.only(t, "one")
	away := filepath.Join(f.root, "away")
	if err := os.Rename(f.dir, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is said", func() bool {
		return strings.Contains(f.status("one").Reason, "is it mounted?")
	})
	if m.only(t, "one") != was {
		t.Error("it was stopped")
	}
}
