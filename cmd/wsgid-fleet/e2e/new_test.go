package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// A spec that is written into the directory that a daemon follows is the daemon's at once,
// also where the directory is named: what is to be done next says so.
func TestNewBesideADaemon(t *testing.T) {
	t.Parallel()
	b := newHarness(t, someone(t))
	b.only("hello")
	b.run()
	b.must(os.Mkdir(filepath.Join(b.demo, "late"), 0o755))
	b.write("late/app.py", "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'late']\n")
	out := b.ok("new", "late", filepath.Join(b.demo, "late"), "--app", "app:application", "--listen", freeport.Addr(t))
	if want := "the daemon has it now; review the file, and see: wsgid-fleet status late"; !strings.Contains(out.stderr, want) {
		t.Errorf("it does not say %q: %v", want, out)
	}
	b.await("late", "ready", 2)
}
