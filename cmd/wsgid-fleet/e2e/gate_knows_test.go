package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		b.ok(command, "alpha")
		if status, text := visit(t, addr, host); status != 200 || !strings.HasPrefix(text, "alpha ") {
			t.Errorf("after %s: %d %q", command, status, text)
		}
	}
}
