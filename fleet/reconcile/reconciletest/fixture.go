package reconciletest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// Fixture is a spec directory under a test's hand.
type Fixture struct {
	T     *testing.T
	Root  string // holds d (specs), s (state) and a (app folders)
	Dir   string
	State string
}

// New is an empty one.
func New(t *testing.T) *Fixture {
	t.Helper()
	root := shortdir.New(t)
	f := &Fixture{T: t, Root: root, Dir: filepath.Join(root, "d"), State: filepath.Join(root, "s")}
	for _, d := range []string{f.Dir, filepath.Join(root, "a")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// File is the spec file of an app.
func (f *Fixture) File(app string) string { return filepath.Join(f.Dir, app+".hcl") }

// Path is the folder of an app.
func (f *Fixture) Path(app string) string { return filepath.Join(f.Root, "a", app) }

// Write replaces a spec file as editors do.
func (f *Fixture) Write(app, content string) {
	f.T.Helper()
	tmp := f.File(app) + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		f.T.Fatal(err)
	}
	if err := os.Rename(tmp, f.File(app)); err != nil {
		f.T.Fatal(err)
	}
}

// Read reads one.
func (f *Fixture) Read(app string) string {
	f.T.Helper()
	b, err := os.ReadFile(f.File(app))
	if err != nil {
		f.T.Fatal(err)
	}
	return string(b)
}

// Spec writes an app on a unix socket with the lines added.
func (f *Fixture) Spec(app string, lines ...string) {
	f.T.Helper()
	f.Write(app, fmt.Sprintf("app %q {\n  path = %q\n  sockets {\n    http {\n      listen = \"unix:%s\"\n    }\n  }\n  %s\n}\n",
		app, f.Path(app), filepath.Join(f.Root, app+".sock"), strings.Join(lines, "\n  ")))
}

// Count is a line of a spec: that many workers.
func Count(n int) string { return fmt.Sprintf("workers {\n    count = %d\n  }", n) }

// RestartFast is one that has failures tried again within milliseconds.
const RestartFast = "restart {\n    min_delay = \"10ms\"\n    max_delay = \"40ms\"\n  }"

// Remove removes a spec file.
func (f *Fixture) Remove(app string) {
	f.T.Helper()
	if err := os.Remove(f.File(app)); err != nil {
		f.T.Fatal(err)
	}
}

// Hello is the module of a real app that says hello.
const Hello = `
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
`

// App makes the folder of a real app with that module m.
func (f *Fixture) App(name, code string) {
	f.T.Helper()
	if testing.Short() {
		f.T.Skip("starts masters and Python workers")
	}
	dir := filepath.Join(f.Path(name), "app")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.T.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "m.py"), []byte(code), 0o644); err != nil {
		f.T.Fatal(err)
	}
}

// Real writes code and spec of a real app, whose masters EndMasters ends.
func (f *Fixture) Real(name string, lines ...string) {
	f.T.Helper()
	f.App(name, Hello)
	f.Spec(name, append([]string{`wsgi_app = "m:app"`}, lines...)...)
}

// EndMasters has the masters that a test has left be ended after it.
func (f *Fixture) EndMasters() {
	f.T.Cleanup(func() {
		es, _ := os.ReadDir(filepath.Join(f.State, "apps"))
		for _, e := range es {
			ms, _ := runner.FindMasters(f.State, e.Name())
			for _, m := range ms {
				_ = m.Kill()
				ctx, cancel := context.WithTimeout(context.Background(), fleettest.Patience)
				_ = m.Wait(ctx)
				cancel()
			}
		}
	})
}
