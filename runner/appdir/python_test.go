package appdir

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func TestResolvePython(t *testing.T) {
	ordinary(t)
	s := bareSpec(t)
	path, err := ResolvePython(s)
	if err != nil || executable(path) != nil || !filepath.IsAbs(path) {
		t.Fatalf("default: %s, %v", path, err)
	}
	s.Python = path
	if got, err := ResolvePython(s); err != nil || got != path {
		t.Errorf("python: %s, %v", got, err)
	}
	s.Virtualenv = "venv"
	venv := Join(s.Path, "venv/bin/python")
	if err := os.MkdirAll(filepath.Dir(venv), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, venv); err != nil {
		t.Fatal(err)
	}
	if got, err := ResolvePython(s); err != nil || got != venv {
		t.Errorf("virtualenv wins: %s, %v", got, err)
	}
	s.Virtualenv = Join(s.Path, "venv") // absolute
	if got, err := ResolvePython(s); err != nil || got != venv {
		t.Errorf("absolute virtualenv: %s, %v", got, err)
	}
}

// The app owns its virtualenv's pyvenv.cfg: no matter what is there, it is
// neither waited for, nor read into memory, nor believed.
func TestResolvePythonReadsNothingOfTheApps(t *testing.T) {
	ordinary(t)
	for what, put := range map[string]func(name string) error{
		"a FIFO":         func(name string) error { return unix.Mkfifo(name, 0o644) },
		"a huge file":    func(name string) error { return errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, 1<<40)) },
		"a lie":          func(name string) error { return os.WriteFile(name, []byte("home = /etc\nversion = 2.7.1\n"), 0o644) },
		"a folder":       func(name string) error { return os.Mkdir(name, 0o755) },
		"an endless one": func(name string) error { return os.Symlink("/dev/zero", name) },
	} {
		t.Run(what, func(t *testing.T) {
			s := bareSpec(t)
			path, err := ResolvePython(s)
			if err != nil {
				t.Fatal(err)
			}
			s.Virtualenv = "venv"
			venv := Join(s.Path, "venv/bin/python")
			if err := errors.Join(os.MkdirAll(filepath.Dir(venv), 0o755), os.Symlink(path, venv), put(Join(s.Path, "venv/pyvenv.cfg"))); err != nil {
				t.Fatal(err)
			}
			got, err := ResolvePython(s)
			if _, stops := map[string]bool{"a FIFO": true, "a folder": true, "an endless one": true}[what]; stops {
				if want := "its pyvenv.cfg is "; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "recreate it: python3 -m venv --clear ") {
					t.Errorf("got %v, want %s", err, want)
				}
			} else if err != nil || got != venv {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

func TestResolvePythonSaysWhatToDo(t *testing.T) {
	ordinary(t)
	dir := shortdir.New(t)
	write(t, filepath.Join(dir, "plain"), "#!/bin/sh\n", 0o644)
	write(t, filepath.Join(dir, "python2.7"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "empty/lib/x"), "", 0o644)
	write(t, filepath.Join(dir, "noexec/bin/python"), "", 0o644)
	if err := os.MkdirAll(filepath.Join(dir, "broken/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/python3.1", filepath.Join(dir, "broken/bin/python")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ python, venv, want string }{
		{python: "none", want: "cannot use python DIR/none of app blog (line 3 of /etc/wsgid.d/blog.hcl): it does not exist; install it, or name another one (python3 -c 'import sys; print(sys.executable)' prints one's path)"},
		{python: "plain", want: "cannot use python DIR/plain of app blog (line 3 of /etc/wsgid.d/blog.hcl): it is not executable; name the interpreter itself, or make it executable: chmod +x"},
		{python: "empty", want: "cannot use python DIR/empty of app blog (line 3 of /etc/wsgid.d/blog.hcl): it is a folder; name the interpreter in it, such as bin/python3, or use virtualenv"},
		{python: "python2.7", want: "cannot use DIR/python2.7: it is Python 2.7, and workers need CPython 3.8 or newer; name a newer one with python or virtualenv"},
		{venv: "none", want: "cannot use virtualenv DIR/none of app blog: it does not exist; create it: python3 -m venv DIR/none"},
		{venv: "empty", want: "cannot use virtualenv DIR/empty of app blog: it has no bin/python; recreate it: python3 -m venv --clear DIR/empty"},
		{venv: "broken", want: "cannot use virtualenv DIR/broken of app blog: its bin/python leads to /usr/bin/python3.1, which does not exist, as after an upgrade of Python; recreate it: python3 -m venv --clear DIR/broken"},
		{venv: "venvs/00112233445566778899aabbccddeeff", want: "cannot use virtualenv DIR/venvs/00112233445566778899aabbccddeeff of app blog: it does not exist; a deploy makes it anew, with its packages: wsgid-fleet deploy blog --commit 0123abcd"},
		{venv: "noexec", want: "cannot use virtualenv DIR/noexec of app blog: its bin/python is not executable"},
	} {
		s := &appspec.Spec{Name: "blog", Path: dir, Virtualenv: tt.venv}
		if strings.HasPrefix(tt.venv, "venvs/") {
			s.Release = &appspec.Release{Commit: "0123abcd"}
		}
		if tt.python != "" {
			s.Python = filepath.Join(dir, tt.python)
			at(s, "python", 3)
		}
		want := strings.ReplaceAll(tt.want, "DIR", dir)
		if _, err := ResolvePython(s); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestPythonVersion(t *testing.T) {
	ordinary(t)
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := PythonVersion(t.Context(), DefaultPython, testOwner()); err != nil || !v.good() {
		t.Errorf("%s: %s, %v", path, v, err)
	}
	dir := shortdir.New(t)
	asked := filepath.Join(dir, "asked")
	if err := os.Mkdir(asked, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(asked, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ script, want string }{
		"old":   {"printf 'cpython 3.7'", "cannot use DIR/old: it is Python 3.7, and workers need CPython 3.8 or newer; name a newer one with python or virtualenv"},
		"two":   {"printf 'cpython 2.7'", "cannot use DIR/two: it is Python 2.7, and workers need CPython 3.8 or newer; name a newer one with python or virtualenv"},
		"pypy":  {"printf 'pypy 3.10'", "cannot use python DIR/pypy: it is pypy, and workers need CPython 3.8 or newer"},
		"cat":   {"echo hello", `cannot use python DIR/cat: it is not a Python interpreter: asked for its version, it wrote "hello\n"`},
		"fails": {"echo first >&2; echo 'no libpython' >&2; exit 3", "cannot use python DIR/fails as user USER: exit status 3: no libpython"},
	} {
		script := filepath.Join(dir, name)
		write(t, script, "#!/bin/sh\nid -u >> "+asked+"/"+name+"\n"+tt.script+"\n", 0o755)
		want := strings.ReplaceAll(strings.ReplaceAll(tt.want, "DIR", dir), "USER", testOwner().Name)
		for range 2 {
			if _, err := PythonVersion(t.Context(), script, testOwner()); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		}
		uids := strings.Fields(read(t, filepath.Join(asked, name)))
		if len(uids) != 1 {
			t.Errorf("%s was asked %d times, want once", name, len(uids))
		}
		if os.Geteuid() == 0 && uids[0] != "65534" {
			t.Errorf("%s ran as uid %s: the app's own code as root", name, uids[0])
		}
	}
}
