package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// What damage takes away is kept over restarts of the daemon until apply confirms
// it; what is deleted goes.
func TestDamageIsNotRemoval(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	truncate := func(app string) {
		t.Helper()
		if err := os.Truncate(f.File(app), 0); err != nil {
			t.Fatal(err)
		}
	}
	reason := func(app string) string { return f.status(app).Reason }
	for _, app := range []string{"one", "two", "three"} {
		f.Spec(app)
	}
	specs := map[string]string{"one": f.Read("one"), "two": f.Read("two"), "three": f.Read("three")}
	var d *Daemon
	stop := f.daemon(f.fakeOptions(m), func(x *Daemon) { d = x })
	started := map[string]*reconciletest.Master{}
	for app := range specs {
		started[app] = m.Only(t, app)
	}
	same := func(when string, apps ...string) {
		t.Helper()
		for _, app := range apps {
			if m.Count(app) != 1 || m.Only(t, app) != started[app] {
				t.Errorf("%s: app %s was touched", when, app)
			}
		}
	}

	truncate("one")
	eventually(t, "it is said that a file is empty", func() bool { return strings.Contains(reason("one"), "it no longer defines any app") })
	moved := make(chan error, 1)
	d.loop.Post(t.Context(), func() {
		d.loop.Reread(func() { // no load is under way: one in between has lost one app, which is a removal
			var errs []error
			for app := range specs {
				errs = append(errs, os.Rename(f.File(app), f.File(app)+".away"))
			}
			moved <- errors.Join(errs...)
		})
	})
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is said that all is gone", func() bool { return strings.Contains(reason("two"), "all its files vanished at once") })
	same("after the loss", "one", "two", "three")

	// The next daemon has not seen what was there before.
	stop()
	if err := os.Remove(filepath.Join(f.State, "fleet.lock")); err != nil { // it is held as long as this process lives
		t.Fatal(err)
	}
	f.daemon(f.fakeOptions(m))
	eventually(t, "the next daemon says so too", func() bool { return strings.Contains(reason("three"), "all its files vanished at once") })
	for app := range specs {
		started[app] = m.Only(t, app)
	}

	// They come back one by one.
	f.Write("one", specs["one"])
	eventually(t, "one is as it was", func() bool { return reason("one") == "" })
	f.Write("two", specs["two"])
	eventually(t, "two is as it was", func() bool { return reason("two") == "" })
	if r := reason("three"); !strings.Contains(r, "not back") {
		t.Errorf("reason of the one that is not back: %q", r)
	}
	same("while they came back", "one", "two", "three")
	f.Write("three", specs["three"])
	eventually(t, "three is as it was", func() bool { return reason("three") == "" })
	f.Remove("three")
	eventually(t, "what is deleted is stopped", func() bool { return m.Count("three") == 0 })

	truncate("two")
	eventually(t, "an emptied file is kept", func() bool { return reason("two") != "" })
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
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
	eventually(t, "apply confirms", func() bool { return m.Count("two") == 0 && reason("two") == "" })
	same("after it was confirmed", "one")

	// One app is left: to delete its file is to remove it.
	f.Remove("one")
	eventually(t, "the last one goes", func() bool { return m.Count("one") == 0 })
}

// The only app of a directory is kept when another, empty one is in its place:
// the file system with it is not mounted.
func TestDirectoryThatIsNotMounted(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("one")
	f.daemon(f.fakeOptions(m), func(d *Daemon) { d.Tick = 100 * time.Millisecond })
	was := m.Only(t, "one")
	away := filepath.Join(f.Root, "away")
	if err := os.Rename(f.Dir, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is said", func() bool {
		return strings.Contains(f.status("one").Reason, "is it mounted?")
	})
	if m.Only(t, "one") != was {
		t.Error("it was stopped")
	}
}
