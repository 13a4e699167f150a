package venv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An interpreter is asked once what it is, and again when what it says may be another
// answer: another program behind its name, another pip, a folder of modules that has
// changed.
func TestInterpreterIsAskedOnce(t *testing.T) {
	s := newSite(t)
	s.store.Known = &Interpreters{}
	// A Python whose modules are in reach of this test.
	resolved, err := filepath.EvalSymlinks(systemPython)
	if err != nil {
		t.Fatal(err)
	}
	prefix := filepath.Join(s.dir, "prefix")
	python := filepath.Join(prefix, "bin", "python3")
	out, err := exec.Command(resolved, "-I", "-S", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(prefix, "lib", "python"+strings.TrimSpace(string(out)))
	shell(t, "-euc", `mkdir -p "$1/bin" "$(dirname "$2")"; cp "$0" "$1/bin/python3"; ln -s "/usr/lib/$(basename "$2")" "$2"
mkdir -p "$1/local/lib/$(basename "$2")/dist-packages"`, resolved, prefix, lib)
	modules := filepath.Join(prefix, "local", "lib", filepath.Base(lib), "dist-packages")
	pip := func(version string) {
		t.Helper()
		write(t, modules, map[string]string{"pip/__init__.py": fmt.Sprintf("__version__ = %q\n", version)})
	}
	// What an uninstalled pip leaves behind is no pip, and no reason to fail.
	if err := os.MkdirAll(filepath.Join(modules, "pip", "__pycache__"), 0o755); err != nil {
		t.Fatal(err)
	}
	if rest, err := s.store.Known.ask(s.ctx(), s.store.Account, python); err != nil || rest.Pip != "" || rest.Path != python {
		t.Fatalf("with a folder named pip, and nothing in it: %+v, %v", rest, err)
	}
	pip("30.1")
	asked := func() (Interpreter, bool) {
		t.Helper()
		key := question{python: python, uid: -1}
		if a := s.store.Account; a != nil {
			key.uid = a.UID
		}
		before := s.store.Known.known[key]
		answer, err := s.store.Known.ask(s.ctx(), s.store.Account, python)
		if err != nil {
			t.Fatal(err)
		}
		after := s.store.Known.known[key]
		return answer, len(before.from) == 0 || &before.from[0] != &after.from[0]
	}
	first, _ := asked()
	if first.Pip != "30.1" || first.Path != python {
		t.Fatalf("%+v", first)
	}
	if again, anew := asked(); anew || again.Version != first.Version || again.Pip != first.Pip {
		t.Errorf("asked anew: %v, %+v", anew, again)
	}
	pip("30.2") // of the same length
	if got, anew := asked(); !anew || got.Pip != "30.2" {
		t.Errorf("after another pip: asked anew: %v, %q", anew, got.Pip)
	}
	if err := os.Rename(python, python+".old"); err != nil {
		t.Fatal(err)
	}
	shell(t, "-euc", `cp "$0" "$1"`, resolved, python)
	if _, anew := asked(); !anew {
		t.Error("another program of that name was not asked")
	}
	write(t, modules, map[string]string{"other.py": ""})
	if _, anew := asked(); !anew {
		t.Error("a module came, and nobody asked")
	}
	// pip is upgraded while it is asked for: the old answer is not kept for the new one.
	write(t, modules, map[string]string{"upgrade.pth": "import upgrade\n", "upgrade.py": `
import atexit, os
def upgrade(name=os.path.join(os.path.dirname(__file__), "pip", "__init__.py")):
    with open(name, "w") as f:
        f.write('__version__ = "30.3"\n')
atexit.register(upgrade)
`})
	if err := os.Chmod(filepath.Join(modules, "pip", "__init__.py"), 0o666); err != nil { // the account upgrades it
		t.Fatal(err)
	}
	if got, _ := asked(); got.Pip != "30.2" {
		t.Fatalf("before the upgrade: %q", got.Pip)
	}
	if got, _ := asked(); got.Pip != "30.3" {
		t.Errorf("upgraded while it was asked for, and remembered as %q", got.Pip)
	}
}

func shell(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("sh", args...).CombinedOutput(); err != nil {
		t.Fatalf("sh: %v\n%s", err, out)
	}
}
