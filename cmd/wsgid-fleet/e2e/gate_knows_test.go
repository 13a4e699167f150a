package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// When apply and start have said that an app is ready, the gate knows its names: who asks by one of
// them the next moment is answered by it.
func TestTheGateKnowsWhatACommandHasSaidIsReady(t *testing.T) {
	t.Parallel()
	b, addr := gated(t, someone(t), "")
	b.run()
	b.awaitGate(0)
	spec, beta := b.text("wsgid.d/alpha.hcl"), b.text("wsgid.d/beta.hcl")
	for n := range 6 {
		host := fmt.Sprintf("name%d.test", n)
		command := []string{"apply", "start"}[n%2]
		b.write("wsgid.d/alpha.hcl", strings.Replace(spec, `"alpha.test"`, fmt.Sprintf(`"alpha.test", %q`, host), 1))
		if n%3 == 0 { // of one that goes the gate waits whether it stays so
			b.must(os.Remove(filepath.Join(b.specs, "beta.hcl")))
		} else {
			b.write("wsgid.d/beta.hcl", beta)
		}
		said := b.ok(command, "alpha")
		if status, text := visit(t, addr, host); status != 200 || !strings.HasPrefix(text, "alpha ") {
			t.Errorf("%s after %s: %d %q; it said %v", host, command, status, text, said)
		}
	}
}

// So it is with a way back, which is a deploy: here the app gets a name, and another app goes, just before it.
func TestTheGateKnowsWhatARollbackHasSaidIsReady(t *testing.T) {
	t.Parallel()
	g, addr := newGuide(t, someone(t), ""), freeport.Addr(t)
	g.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http { listen = %q }\n}\n", addr))
	other := "app \"other\" {\n  wsgi_app = \"other:application\"\n  enabled = false\n}\n"
	g.write("wsgid.d/other.hcl", other)
	g.run()
	g.awaitGate(0)
	for _, text := range []string{"one", "two"} {
		g.say(text)
		g.ok("deploy", "wsgiapp-dev")
	}
	spec := g.text("wsgid.d/wsgiapp.hcl")
	for n := range 3 {
		host := fmt.Sprintf("name%d.test", n)
		g.write("wsgid.d/wsgiapp.hcl", strings.Replace(spec, `environment "dev" {`, fmt.Sprintf("environment \"dev\" {\n    hosts = [%q]", host), 1))
		g.must(os.Remove(filepath.Join(g.specs, "other.hcl")))
		g.ok("rollback", "wsgiapp-dev")
		if status, text := visit(t, addr, host); status != 200 || !strings.HasPrefix(text, "one\n") {
			t.Errorf("%d %q", status, text)
		}
		g.write("wsgid.d/other.hcl", other)
		g.ok("deploy", "wsgiapp-dev")
	}
}
