package venv

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The bytecode is what Python itself would write, to the byte, of all that it would
// write it of; what cannot be compiled is told and hinders nothing else.
func TestCompileWritesWhatPythonWould(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	dir, aside := t.TempDir(), t.TempDir()
	write(t, aside, map[string]string{"elsewhere.py": "x = 1\n"})
	write(t, dir, map[string]string{
		"app.py":                "V = 1\n\ndef application(environ, start_response):\n    \"\"\"It answers.\"\"\"\n    return [b'%d' % V]\n",
		"package/__init__.py":   "",
		"package/deep/part.py":  "# -*- coding: latin-1 -*-\nname = 'caf\xe9'\nassert name\n",
		"package/\xffname.py":   "y = 2\n",
		"broken.py":             "def f(:\n",
		"template.html.py":      "{% if x %}\n",
		"notes.txt":             "no code\n",
		"__pycache__/module.py": "z = 3\n",
		"folder.py/inner.py":    "w = 4\n",
	})
	for from, to := range map[string]string{"link.py": "app.py", "out": aside, "gone.py": "nothing"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	bytecode := func() map[string][]byte {
		all := map[string][]byte{}
		for _, top := range []string{dir, aside} {
			_ = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
				if err == nil && e.Type().IsRegular() && !strings.HasSuffix(path, ".py") && strings.Contains(path, "/__pycache__/") {
					all[path], err = os.ReadFile(path)
					err = firstOf(err, os.Remove(path))
				}
				return err
			})
		}
		return all
	}
	python := systemPython
	// Its own end says that there are files that do not compile.
	_ = exec.CommandContext(t.Context(), python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", dir).Run()
	want := bytecode()
	said, err := (&Store{}).Compile(context.Background(), nil, python, dir)
	if err != nil {
		t.Fatal(err)
	}
	got := bytecode()
	for path, b := range want {
		if !bytes.Equal(got[path], b) {
			t.Errorf("%q: %d bytes, Python writes %d", path, len(got[path]), len(b))
		}
	}
	if len(want) < 6 || len(got) != len(want) {
		t.Errorf("it has written %d files, Python %d", len(got), len(want))
	}
	for _, name := range []string{"broken.py", "template.html.py"} {
		if !strings.Contains(said, "cannot compile '"+filepath.Join(dir, name)+"'") || !strings.Contains(said, "SyntaxError") {
			t.Errorf("it does not say that %s cannot be compiled: %s", name, said)
		}
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
