package venv

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClassify(t *testing.T) {
	for line, want := range map[string]kind{
		"django": plain, "django>=4.2,<5 ; python_version > '3.8'": plain, "a[b,c]==1.0 --hash=sha256:00ab": plain, "a == 1.0": plain,
		"--index-url https://h/simple": plain, "--no-index": plain, "-i https://h/simple": plain, "zope.interface~=5.0": plain,
		"-r other.txt": nested, "-rother.txt": nested, "--requirement=other.txt": nested, "-c c.txt": nested, "--constraint c.txt": nested,
		"-e .": elsewhere, "--editable=./x": elsewhere, ".": elsewhere, "./x": elsewhere, "../x[y]": elsewhere, "/srv/x": elsewhere, "x/y": elsewhere,
		"--no-index --pre": plain, "--pre": plain, "--requ other.txt": nested, "-r 'a b.txt'": nested, `-r a\ b.txt`: nested, "--require-hashes": plain,
		"git+https://h/x": elsewhere, "x @ git+https://h/x": elsewhere, "x@file:///y": elsewhere, "https://h/x.whl": elsewhere,
		"x-1.0-py3-none-any.whl": elsewhere, "x.tar.gz": elsewhere, "-f wheels": elsewhere, "--find-links=wheels": elsewhere,
	} {
		if got := classify(line); got.kind != want || got.dropped != nil {
			t.Errorf("%q is %+v, want %d", line, got, want)
		}
	}
	got := lines("# c\na # c\nb==1 \\\n  --hash=x\r\n\n  # c\nc#d\n-r x \\")
	if want := []string{"a", "b==1   --hash=x", "c#d", "-r x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// One thing of a line is taken, and the rest is told.
func TestClassifyWhatPipDrops(t *testing.T) {
	for text, want := range map[string]line{
		"-r a.txt -r b.txt":           {kind: nested, arg: "a.txt", dropped: []string{"--requirement b.txt"}},
		`-r "a b.txt" --no-index`:     {kind: nested, arg: "a b.txt", dropped: []string{"--no-index"}},
		"--no-index -r a.txt":         {kind: nested, arg: "a.txt", dropped: []string{"--no-index"}},
		"-c c.txt -ra.txt":            {kind: nested, arg: "a.txt", dropped: []string{"--constraint c.txt"}},
		"-c c.txt beta":               {kind: nested, arg: "c.txt", dropped: []string{"beta"}},
		"-e ./x -e ./y":               {kind: elsewhere, arg: "./x", dropped: []string{"--editable ./y"}},
		"alpha -r b.txt":              {kind: plain, arg: "", dropped: []string{"--requirement b.txt"}},
		"alpha --hash=sha256:00 beta": {kind: plain, arg: "", dropped: []string{"beta"}},
		"-r a.txt -i https://u:p@h/":  {kind: nested, arg: "a.txt", dropped: []string{"--index-url"}},
		"--no-index -f wheels":        {kind: elsewhere, arg: "wheels", dropped: nil},
		"-r":                          {},
		"--hash=sha256:00":            {dropped: []string{"--hash"}, lonely: true},
	} {
		if diff := cmp.Diff(want, classify(text), cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", text, diff)
		}
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadRequirements(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"requirements.txt": "-r req/base.txt\n-c constraints.txt\na\n", "req/base.txt": "-r ../requirements.txt\n-r more.txt\n",
		"req/more.txt": "b\n", "constraints.txt": "a==1\n", "own.txt": "./pkg\n", "url.txt": "-r https://h/r.txt\n",
		"uv/uv.lock": "", "uv/pyproject.toml": "", "lists.txt": "-r Pipfile\n", "out.txt": "-r ../../x.txt\n", "abs.txt": "-r /etc/hostname\n", "missing.txt": "-r none.txt\n",
	})
	if err := os.Symlink("req/more.txt", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "leaves.txt")); err != nil {
		t.Fatal(err)
	}
	tree, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	r, err := readRequirements(tree, []string{"requirements.txt", "link.txt"})
	if want := []string{"requirements.txt", "req/base.txt", "req/more.txt", "constraints.txt", "link.txt"}; err != nil || !slices.Equal(r.order, want) || r.own != "" {
		t.Errorf("%v %q, %v; want %v", r.order, r.own, err, want)
	}
	for _, name := range []string{"own.txt", "url.txt"} {
		if r, err := readRequirements(tree, []string{name}); err != nil || !strings.Contains(r.own, name+" names ") {
			t.Errorf("%s: %q, %v", name, r.own, err)
		}
	}
	write(t, dir, map[string]string{"cut.txt": "a==1 \\\n  # why\n  --hash=sha256:00\nb==1 \\\n  --hash=sha256:00\n"})
	r, err = readRequirements(tree, []string{"cut.txt"})
	if want := []string{"cut.txt: --hash, as no requirement stands before it: a comment or an empty line above it ends the one that it belongs to"}; err != nil || !slices.Equal(r.dropped, want) {
		t.Errorf("%q, %v; want %q", r.dropped, err, want)
	}
	for name, says := range map[string]string{
		"out.txt": "../x.txt, which out.txt names, is not in the release", "abs.txt": "is not in the release", "missing.txt": "none.txt, which missing.txt names, is not there",
		"uv/requirements.txt": "beside it there is: pyproject.toml; commit one that is made of uv.lock: uv export --frozen --no-dev --no-emit-project -o requirements.txt",
		"uv/uv.lock":          "uv/uv.lock is no requirements file, and pip reads it as none: uv export", "pyproject.toml": "pyproject.toml is no requirements file, and pip reads it as none: a file with the line . installs",
		"lists.txt":       "Pipfile, which lists.txt names, is no requirements file",
		"requirement.txt": "beside it there is: abs.txt", "req": "not a file", "leaves.txt": "cannot read",
	} {
		if _, err := readRequirements(tree, []string{name}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
}

func TestName(t *testing.T) {
	base := func() (Inputs, Interpreter, requirements, []string) {
		return Inputs{Requirements: []string{"r"}, Release: "1"}, Interpreter{Path: "/p", Version: "3.11.2 (x)", ABI: "a", Machine: "m", Libc: "l"},
			requirements{files: map[string][]byte{"r": []byte("a")}, order: []string{"r"}}, []string{"w 1 2"}
	}
	in, py, files, wheels := base()
	was := name("/d", in, py, "23.0", files, wheels)
	in.Release, in.Env = "2", []string{"SECRET=1"}
	if got := name("/d", in, py, "23.0", files, wheels); got != was {
		t.Error("another release of equal requirements has another name")
	}
	for what, change := range map[string]func(*Inputs, *Interpreter, *requirements, *[]string){
		"path":         func(_ *Inputs, py *Interpreter, _ *requirements, _ *[]string) { py.Path = "/q" },
		"version":      func(_ *Inputs, py *Interpreter, _ *requirements, _ *[]string) { py.Version = "3.11.3" },
		"abi":          func(_ *Inputs, py *Interpreter, _ *requirements, _ *[]string) { py.ABI = "b" },
		"machine":      func(_ *Inputs, py *Interpreter, _ *requirements, _ *[]string) { py.Machine = "b" },
		"libc":         func(_ *Inputs, py *Interpreter, _ *requirements, _ *[]string) { py.Libc = "b" },
		"index":        func(in *Inputs, _ *Interpreter, _ *requirements, _ *[]string) { in.Index = "https://h" },
		"wheels":       func(_ *Inputs, _ *Interpreter, _ *requirements, w *[]string) { *w = []string{"w 1 3"} },
		"bytes":        func(_ *Inputs, _ *Interpreter, r *requirements, _ *[]string) { r.files["r"] = []byte("b") },
		"pip's option": func(in *Inputs, _ *Interpreter, _ *requirements, _ *[]string) { in.Env = []string{"PIP_PRE=1"} },
		"pip's file":   func(in *Inputs, _ *Interpreter, _ *requirements, _ *[]string) { in.config = []byte("a") },
		"own":          func(_ *Inputs, _ *Interpreter, r *requirements, _ *[]string) { r.own = "x" },
	} {
		in, py, files, wheels := base()
		change(&in, &py, &files, &wheels)
		if name("/d", in, py, "23.0", files, wheels) == was {
			t.Errorf("another %s has the same name", what)
		}
	}
	in, py, files, wheels = base()
	if name("/d", in, py, "23.1", files, wheels) == was {
		t.Error("another pip has the same name")
	}
	if name("/moved", in, py, "23.0", files, wheels) == was {
		t.Error("one that was moved has the same name")
	}
}

func TestChoosePip(t *testing.T) {
	has := func(v string) func() (Interpreter, error) {
		return func() (Interpreter, error) { return Interpreter{Path: "/usr/bin/python3", Pip: v}, nil }
	}
	if p, v, err := choosePip(Interpreter{Path: "/p", Pip: "23.0.1"}, has("24.0")); p != "/p" || v != "23.0.1" || err != nil {
		t.Error(p, v, err)
	}
	if p, v, err := choosePip(Interpreter{Path: "/p", Pip: "20.3"}, has("22.3")); p != "/usr/bin/python3" || v != "22.3" || err != nil {
		t.Error(p, v, err)
	}
	if _, _, err := choosePip(Interpreter{Path: "/p", Pip: "20.3"}, has("22.2.2")); err == nil || !strings.Contains(err.Error(), "too old") {
		t.Error(err)
	}
	if p, v, err := choosePip(Interpreter{Path: "/p", Version: "3.12.1 (main)"}, has("23.1.2")); p != "/usr/bin/python3" || v != "23.1.2" || err != nil {
		t.Error(p, v, err)
	}
	if p, v, err := choosePip(Interpreter{Path: "/p", Version: "3.11.9 (main)"}, has("23.0.1")); p != "/usr/bin/python3" || v != "23.0.1" || err != nil {
		t.Error(p, v, err)
	}
	if _, _, err := choosePip(Interpreter{Path: "/p", Version: "3.13.0 (main)"}, has("23.0.1")); err == nil ||
		err.Error() != "/p has no pip, and pip 23.0.1 of /usr/bin/python3 does not run in Python 3.13.0, for which 23.1.2 is the oldest: run /p -m ensurepip" {
		t.Error(err)
	}
	none := func() (Interpreter, error) { return Interpreter{}, errors.New("none") }
	if _, _, err := choosePip(Interpreter{Path: "/p"}, none); err == nil || !strings.Contains(err.Error(), "python3-pip") {
		t.Error(err)
	}
}
