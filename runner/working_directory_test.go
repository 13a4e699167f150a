package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const cwdApp = `
import os
def application(environ, start_response):
    body = os.getcwd().encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`

func TestWorkingDirectory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ set, want string }{{"", "."}, {"app", "app"}, {"app/var", "app/var"}, {"/usr/share", "/usr/share"}} {
		for _, preload := range []bool{false, true} {
			t.Run(fmt.Sprintf("%q, preload %v", c.set, preload), func(t *testing.T) {
				t.Parallel()
				a := newTestApp(t, cwdApp, func(s *appspec.Spec) {
					s.WorkingDirectory, s.Workers.Preload = c.set, preload
				})
				if err := os.MkdirAll(filepath.Join(a.spec.Path, "app", "var"), 0o755); err != nil {
					t.Fatal(err)
				}
				want := c.want
				if !filepath.IsAbs(want) {
					want = filepath.Join(a.spec.Path, want)
				}
				a.start(StateReady)
				if status, body := a.get("/"); status != 200 || body != want {
					t.Errorf("%d %q, want %q", status, body, want)
				}
			})
		}
	}
}

// One that is not there is told with the name of the attribute.
func TestWorkingDirectoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, cwdApp, func(s *appspec.Spec) { s.WorkingDirectory = "nowhere" })
	a.start(StateBackoff)
	a.mustLogLine("nowhere: no such file or directory: does that folder exist? It is the working_directory of the spec")
}
