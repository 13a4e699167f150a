package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// An application is in a file of any name, which is not run as from a shell.
func TestLoadsAFile(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"bin/keystone-wsgi-public": "#!/usr/bin/python3\n# -*- coding: latin-1 -*-\nif __name__ == '__main__':\n    raise SystemExit('a server of its own')\n" +
			"import library\nfrom wsgiref.util import setup_testing_defaults\n" + strings.ReplaceAll(hello, "def application", "def other") + "\ndef make(): return other\napplication = library.wrap(other)\n",
		"app/library.py": "def wrap(app): return app\n",
		"bin/broken":     "application = missing\n",
		"bin/empty:1":    "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'colon']\n",
	})
	script := filepath.Join(dir, "bin", "keystone-wsgi-public")
	for name, want := range map[string]string{
		script: "hello\n", script + ":other": "hello\n", script + ":make()": "hello\n", filepath.Join(dir, "bin", "empty:1") + ":app": "colon",
	} {
		w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: name}})
		if ready.App != name {
			t.Errorf("%s: ready is %+v", name, ready)
		}
		if r := w.get("/"); r.String() != "200 OK "+want {
			t.Errorf("%s: got %s", name, r)
		}
		w.quit()
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "__pycache__")); !os.IsNotExist(err) {
		t.Errorf("bytecode is left beside the file: %v", err)
	}
	for name, want := range map[string]string{
		script + ":nothing":                 "has no attribute nothing",
		filepath.Join(dir, "bin", "gone"):   "names the file " + filepath.Join(dir, "bin", "gone") + ": No such file or directory",
		filepath.Join(dir, "bin", "broken"): "missing",
		filepath.Join(dir, "bin"):           "Is a directory",
	} {
		if f := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: name}}); !strings.Contains(f.Reason, want) {
			t.Errorf("%s: %+v, want %q", name, f, want)
		}
	}
}
