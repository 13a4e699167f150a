package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const hostApp = `
import json, os, sys

def application(environ, start_response):
    spec = sys.modules["wsgid.worker"].__spec__
    folder = os.path.dirname(os.path.dirname(spec.origin))
    wrote = []
    for top, folders, files in os.walk(folder):
        for name in files + ["new"]:
            try:
                open(os.path.join(top, name), "r+" if name in files else "w").close()
                wrote.append(os.path.join(top, name))
            except OSError:
                pass
    out = {"folder": folder, "cached": os.path.exists(spec.cached), "wrote": wrote}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(out).encode()]
`

// The Python host and its bytecode are the same for all apps: no app can write
// there, and each finds the bytecode ready.
func TestAppCannotWriteThePythonHost(t *testing.T) {
	needsRoot(t)
	for _, chroot := range []bool{false, true} {
		t.Run(fmt.Sprintf("chroot=%v", chroot), func(t *testing.T) {
			a := newTestApp(t, hostApp, func(s *appspec.Spec) { s.Chroot = chroot })
			a.start(StateReady)
			code, body := a.get("/")
			var is struct {
				Folder string
				Cached bool
				Wrote  []string
			}
			if err := json.Unmarshal([]byte(body), &is); code != 200 || err != nil {
				t.Fatalf("got %d %s: %v", code, body, err)
			}
			if len(is.Wrote) > 0 {
				t.Errorf("the app can write to %v", is.Wrote)
			}
			if !is.Cached {
				t.Error("there is no bytecode")
			}
			entries, err := os.ReadDir(is.Folder)
			if err != nil || len(entries) == 0 {
				t.Errorf("%s is not the Python host: %v", is.Folder, err)
			}
		})
	}
}
