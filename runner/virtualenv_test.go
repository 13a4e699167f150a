package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// environmentApp says what it knows of its virtualenv, and what others see of it.
const environmentApp = `
import subprocess, sys, only_here
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    child = subprocess.run([sys.executable, "-c", "import sys, only_here; print(sys.prefix)"], stdout=subprocess.PIPE, text=True)
    title = open("/proc/self/comm").read().strip()
    return ["\n".join([sys.prefix, sys.executable, only_here.__file__, child.stdout.strip(), title]).encode()]
`

// Python finds its virtualenv by the first of its arguments, so that the title of a
// worker has another place: a worker has both its virtualenv and its title, preloaded
// or not, and the Pythons that it starts have the virtualenv.
func TestWorkersKnowTheirVirtualenv(t *testing.T) {
	for _, preload := range []bool{false, true} {
		t.Run(fmt.Sprintf("preload %v", preload), func(t *testing.T) {
			t.Parallel()
			var venv, python string
			a := newTestApp(t, environmentApp, func(s *appspec.Spec) {
				venv = filepath.Join(s.Path, "venv")
				python = filepath.Join(venv, "bin/python")
				s.Python, s.Workers.Preload = python, preload
			})
			if out, err := exec.Command("/usr/bin/python3", "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			packages, err := filepath.Glob(filepath.Join(venv, "lib/python3.*/site-packages"))
			if err != nil || len(packages) != 1 {
				t.Fatal(packages, err)
			}
			if err := os.WriteFile(filepath.Join(packages[0], "only_here.py"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			a.start(StateReady)
			status, body := a.get("/")
			got := strings.Split(body, "\n")
			if status != 200 || len(got) != 5 {
				t.Fatalf("%d %q", status, body)
			}
			if got[0] != venv || got[1] != python || got[2] != filepath.Join(packages[0], "only_here.py") || got[3] != venv {
				t.Errorf("the worker knows %q, want %s", got[:4], venv)
			}
			if !strings.HasPrefix(got[4], "wsgid") {
				t.Errorf("its title is %q", got[4])
			}
		})
	}
}
