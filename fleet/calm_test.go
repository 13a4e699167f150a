package fleet

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// Who looks again and again is shown an app that sleeps as it was seen last, without a
// file being read for it, and whatever happens to it at the next look.
func TestALookTakesOverWhatSleeps(t *testing.T) {
	f := newIdleFleet(t, "50ms")
	var d *Daemon
	f.daemon(Options{}, func(x *Daemon) { d, x.Tick = x, time.Hour })
	var last *Status
	look := func() AppStatus {
		t.Helper()
		last = d.lookAgain(context.Background(), last)
		if len(last.Apps) != 1 || last.Apps[0].Name != "blog" || last.Daemon == nil {
			t.Fatalf("%+v", last)
		}
		return last.Apps[0]
	}
	shows := func(what, want string) {
		t.Helper()
		eventually(t, what, func() bool { return look().State == want })
	}
	settled := func(what, want string) {
		t.Helper()
		eventually(t, what, func() bool {
			a := look()
			return !last.calm.apps["blog"].until.IsZero() && a.State == want && a.Master == nil
		})
	}
	settled("it sleeps", "idle")

	// A file that cannot be read shows that it is not read, until it is time again.
	path := d.core.Store.Path("blog", state.FileApplied)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := look(); len(a.Warnings) != 0 {
		t.Errorf("its files are read: %q", a.Warnings)
	}
	seen := *last.calm.apps["blog"]
	seen.until = time.Now().Add(-time.Second)
	last.calm.apps["blog"] = &seen
	if a := look(); len(a.Warnings) != 1 {
		t.Errorf("its files are not read after %v: %q", calmLife, a.Warnings)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	settled("it is well again", "idle")

	c, err := Connect(context.Background(), Options{StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Stop(context.Background(), []string{"blog"}, nil); err != nil {
		t.Fatal(err)
	}
	if a := look(); a.State != StateStopped {
		t.Errorf("stopped, it is shown as %s", a.State)
	}
	settled("it stays stopped", StateStopped)
	if _, err := c.Start(context.Background(), []string{"blog"}, nil); err != nil {
		t.Fatal(err)
	}
	if a := look(); a.State != "idle" {
		t.Errorf("started, it is shown as %s", a.State)
	}
	settled("it sleeps again", "idle")

	// What is said of another app is no reason to look at this one again; a glance looks
	// at nothing to which nothing has happened.
	until := last.calm.apps["blog"].until
	f.Spec("shop", `wsgi_app = "m:app"`, "enabled = false")
	eventually(t, "the other app is shown", func() bool {
		last = d.lookAgain(context.Background(), last)
		return len(last.Apps) == 2
	})
	if last.calm.apps["blog"].until != until {
		t.Error("an app is looked at again since another one has come")
	}
	eventually(t, "nothing happens", func() bool {
		before := last
		last = d.lookMoved(context.Background(), last)
		return last == before
	})
	if _, err := c.Stop(context.Background(), []string{"blog"}, nil); err != nil {
		t.Fatal(err)
	}
	if seen := d.lookMoved(context.Background(), last); seen.Apps[0].State != StateStopped || seen.Apps[1].State != StateDisabled {
		t.Errorf("at a glance after the stop: %s, %s", seen.Apps[0].State, seen.Apps[1].State)
	}
	if _, err := c.Start(context.Background(), []string{"blog"}, nil); err != nil {
		t.Fatal(err)
	}
	f.Remove("shop")
	eventually(t, "the other app is gone", func() bool {
		last = d.lookAgain(context.Background(), last)
		return len(last.Apps) == 1
	})
	settled("it sleeps as before", "idle")

	// The directory says otherwise.
	f.Spec("blog", `wsgi_app = "m:app"`, reconciletest.Count(1))
	shows("it is up", "ready")
	f.Spec("blog", `wsgi_app = "m:app"`, idleFor("50ms"))
	settled("it sleeps once more", "idle")
	f.Spec("blog", `wsgi_app = "m:app"`, idleFor("50ms"), "enabled = false")
	settled("it is disabled", StateDisabled)
	f.Spec("blog", `wsgi_app = "m:app"`, idleFor("50ms"), "enable = false")
	eventually(t, "the fault is shown", func() bool { return strings.Contains(look().Reason, `unknown attribute "enable"`) })
}
