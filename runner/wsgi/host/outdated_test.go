package host_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// After an upgrade of the machine the Python of a virtualenv is another one, which does not
// see the packages there: they are not to be installed beside, it is to be made anew.
func TestVirtualenvOfAnotherPython(t *testing.T) {
	dir := appFolder(t, map[string]string{"app/web.py": "import flaskr\n"})
	venv := filepath.Join(dir, "venv")
	if out, err := exec.Command("/usr/bin/python3", "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	python := filepath.Join(venv, "bin", "python")
	fail := func() wsgi.Failure {
		t.Helper()
		return startFailing(t, dir, options{python: python, config: wsgi.Config{WSGIApp: "web:application"}})
	}
	want := "flaskr is not installed for " + python + ": install it there, or name the app's virtualenv"
	if f := fail(); f.Hint != want {
		t.Errorf("a new one: %+v", f)
	}
	libs, err := filepath.Glob(filepath.Join(venv, "lib", "python3.*", "site-packages"))
	if err != nil || len(libs) != 1 {
		t.Fatal(libs, err)
	}
	if err := os.MkdirAll(filepath.Join(venv, "lib", "python3.1", "site-packages", "flaskr"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := fail()
	if !strings.HasPrefix(f.Hint, "the packages of the virtualenv "+venv+" are those of Python 3.1, and its Python is 3.") ||
		!strings.HasSuffix(f.Hint, "make it anew, and install them again: python3 -m venv --clear "+venv) {
		t.Errorf("of another Python: %+v", f)
	}
	// Where this one has packages too it is not the whole virtualenv that is old.
	if err := os.Mkdir(filepath.Join(libs[0], "blinker"), 0o755); err != nil {
		t.Fatal(err)
	}
	if f := fail(); f.Hint != want {
		t.Errorf("of both: %+v", f)
	}
}
