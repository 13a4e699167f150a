package fleet

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// What an editor that renames, and a checkout, make missing for an instant is not missed:
// neither by the app, though its file was broken before, nor by the gate, which has its
// names. What a file has lost that is empty now is kept, and its names lead there.
func TestAnAppThatIsMissingForAnInstant(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("blog", `hosts = ["blog.test"]`)
	f.Spec("shop", `hosts = ["shop.test"]`)
	f.Write("gate", "gate {\n  http {\n    listen = \"127.0.0.1:1080\"\n  }\n}\n")
	f.daemon(f.fakeOptions(m), func(d *Daemon) { d.grace = patience }) // this machine may stand still in an instant
	blog, gate := m.Only(t, "blog"), m.Only(t, appspec.GateName)
	eventually(t, "all is well", func() bool { return f.status("blog").State == "ready" && f.status("shop").State == "ready" })
	told := len(gate.Called())
	good := f.Read("blog")
	for _, text := range []string{good, "app \"blog\" {\n  path = \n}\n"} {
		f.Write("blog", text)
		eventually(t, "the edit is read", func() bool { return (f.status("blog").State == "degraded") == (text != good) })
		for range 4 {
			aside := f.File("blog") + "~"
			if err := os.Rename(f.File("blog"), aside); err != nil {
				t.Fatal(err)
			}
			time.Sleep(60 * time.Millisecond) // longer than the watcher waits: the fleet reads that it is missing
			if err := os.Rename(aside, f.File("blog")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(60 * time.Millisecond)
		}
	}
	f.Write("blog", "")
	eventually(t, "the loss is told", func() bool { return strings.Contains(f.status("blog").Reason, "no longer defines") })
	f.Write("shop", "app \"shop\" {\n  path = \n}\n") // an edit later
	eventually(t, "it is read", func() bool { return f.status("shop").State == "degraded" })
	if m.Only(t, "blog") != blog || len(blog.Called()) != 0 {
		t.Errorf("the app was touched: %v", blog.Called())
	}
	if m.Only(t, appspec.GateName) != gate || len(gate.Called()) != told {
		t.Errorf("the gate was touched: %v", gate.Called())
	}
}
