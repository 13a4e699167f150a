package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// TestAGateThatWasTakenOut: a daemon that finds a gate of its predecessor which no spec
// wants any more ends it, as it does with an app.
func TestAGateThatWasTakenOut(t *testing.T) {
	b, _ := gated(t, someone(t), "")
	d := b.run()
	b.awaitGate(0)
	records := func() []string {
		left, err := filepath.Glob(filepath.Join(b.state, "apps/_gate/master-*.json"))
		b.must(err)
		return left
	}
	if len(records()) != 1 {
		t.Fatalf("records of the gate: %v", records())
	}
	d.kill(t)
	for _, name := range sites {
		b.write("wsgid.d/"+name+".hcl", fmt.Sprintf("app %q {\n  path     = %q\n  wsgi_app = \"site_%s:application\"\n  sockets {\n    http { listen = %q }\n  }\n  workers {\n    count = 1\n  }\n}\n",
			name, filepath.Join(b.demo, "apps", name), name, freeport.Addr(t)))
	}
	b.must(os.Remove(filepath.Join(b.specs, "gate.hcl")))
	b.run()
	eventually(t, patience, "the gate to end", func() error {
		if left := records(); len(left) > 0 {
			return fmt.Errorf("there are %v", left)
		}
		return nil
	})
}
