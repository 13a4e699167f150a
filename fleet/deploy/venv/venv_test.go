package venv

import (
	"archive/zip"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// python is Debian's, for which the packages of the tests are.
const python = "/usr/bin/python3"

type site struct {
	t      *testing.T
	store  *Store
	dir    string
	wheels string
	tree   string
}

func newSite(t *testing.T) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("runs pip")
	}
	base := t.TempDir()
	if err := os.Chmod(filepath.Dir(base), 0o755); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, store: &Store{}, dir: filepath.Join(base, "venvs"), wheels: filepath.Join(base, "wheels"), tree: filepath.Join(base, "tree")}
	for _, dir := range []string{s.dir, s.wheels, s.tree} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.store.Root = s.open(s.dir)
	// A configuration that would break every install.
	home := filepath.Join(base, "home")
	write(t, home, map[string]string{".config/pip/pip.conf": "[global]\nindex-url = https://127.0.0.1:1/\nprefix = /nonexistent\n"})
	t.Setenv("PIP_PREFIX", "/nonexistent")
	t.Setenv("PYTHONPATH", "/nonexistent")
	if os.Geteuid() == 0 {
		s.store.Account = &child.Account{UID: 65534, GID: 65534, Home: home, Name: "nobody"}
	}
	return s
}

func (s *site) open(dir string) *os.Root {
	s.t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = root.Close() })
	return root
}

func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	s.t.Cleanup(cancel)
	return ctx
}

// wheel makes a package of one module; a wheel is a zip.
func (s *site) wheel(name, version string, requires ...string) {
	s.t.Helper()
	f, err := os.Create(filepath.Join(s.wheels, fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	meta := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	for _, r := range requires {
		meta += "Requires-Dist: " + r + "\n"
	}
	for _, file := range [][2]string{
		{name + ".py", fmt.Sprintf("V = %q\n", version)},
		{info + "METADATA", meta},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", name + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(file[0])
		if err == nil {
			_, err = w.Write([]byte(file[1]))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) inputs() Inputs {
	return Inputs{Python: python, Tree: s.open(s.tree), Requirements: []string{"requirements.txt"}, Wheels: s.wheels, Release: "1"}
}

func (s *site) find(in Inputs) Virtualenv {
	s.t.Helper()
	v, err := s.store.Find(s.ctx(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *site) build(in Inputs) Virtualenv {
	s.t.Helper()
	v := s.find(in)
	if err := s.store.Build(s.ctx(), v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// run asks the Python of a virtualenv.
func (s *site) run(v Virtualenv, code string) string {
	s.t.Helper()
	out, err := exec.Command(filepath.Join(v.Path, "bin/python"), "-I", "-c", code).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *site) left() []string {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestBuild(t *testing.T) {
	s := newSite(t)
	s.wheel("one", "1.0", "two>=1")
	s.wheel("two", "1.5")
	write(t, s.tree, map[string]string{"requirements.txt": "-r base.txt\n", "base.txt": "one==1.0\n"})
	v := s.find(s.inputs())
	if v.Ready || v.Own != "" {
		t.Errorf("%+v", v)
	}
	v = s.build(s.inputs())
	if got := s.run(v, "import one, two, sys; print(one.V, two.V, sys.prefix)"); got != "1.0 1.5 "+v.Path {
		t.Errorf("%q", got)
	}
	if got := s.run(v, "import importlib.util as u; print(u.find_spec('pip'))"); got != "None" {
		t.Errorf("pip is installed: %s", got)
	}
	// The second word of a .pyc says whether it carries the hash of its source,
	// and is checked.
	got := s.run(v, "import one, importlib.util as u; print(open(u.cache_from_source(one.__file__), 'rb').read()[4])")
	if got != "3" {
		t.Errorf("the flags of the bytecode are %s, want 3", got)
	}
	if a := s.store.Account; a != nil {
		fi, err := os.Stat(filepath.Join(v.Path, "bin"))
		if err != nil || int(fi.Sys().(*syscall.Stat_t).Uid) != a.UID {
			t.Errorf("not the account's: %v, %v", fi, err)
		}
	}
	// Another release of the same requirements builds nothing.
	other := filepath.Join(filepath.Dir(s.tree), "tree2")
	write(t, other, map[string]string{"requirements.txt": "-r base.txt\n", "base.txt": "one==1.0\n"})
	in := s.inputs()
	in.Tree, in.Release = s.open(other), "2"
	if again := s.find(in); !again.Ready || again.Path != v.Path {
		t.Errorf("%+v", again)
	}
	// Nested bytes, and the wheels, count.
	write(t, other, map[string]string{"base.txt": "two\n"})
	second := s.build(in)
	if second.Name == v.Name || s.run(second, "import two; print(two.V)") != "1.5" {
		t.Errorf("%+v", second)
	}
	s.wheel("two", "1.6")
	if third := s.build(in); third.Name == second.Name || s.run(third, "import two; print(two.V)") != "1.6" {
		t.Errorf("%+v", third)
	}
	if err := s.store.Sweep(v.Name); err != nil || len(s.left()) != 1 {
		t.Errorf("left: %v, %v", s.left(), err)
	}
	// No requirements are a virtualenv too.
	in.Requirements = nil
	if got := s.run(s.build(in), "print(1)"); got != "1" {
		t.Error(got)
	}
}

func TestHalfMade(t *testing.T) {
	s := newSite(t)
	s.wheel("one", "1.0")
	write(t, s.tree, map[string]string{"requirements.txt": "one\n"})
	v := s.find(s.inputs())
	write(t, v.Path, map[string]string{"lib/python3.11/site-packages/ghost.py": "", "pyvenv.cfg": "home = /nonexistent\n"})
	if s.find(s.inputs()).Ready {
		t.Error("a half-made one is taken")
	}
	v = s.build(s.inputs())
	if got := s.run(v, "import importlib.util as u; print(u.find_spec('ghost'))"); got != "None" {
		t.Errorf("made over the old one: %s", got)
	}
	if err := os.Remove(filepath.Join(v.Path, marker)); err != nil {
		t.Fatal(err)
	}
	write(t, s.dir, map[string]string{"README": "somebody's"})
	if err := s.store.Sweep(v.Name); err != nil || len(s.left()) != 1 {
		t.Errorf("left: %v, %v", s.left(), err)
	}
}

// A folder that was moved has virtualenvs whose scripts begin with a path that is not
// there any more: none of them is taken.
func TestMovedVirtualenv(t *testing.T) {
	s := newSite(t)
	s.wheel("one", "1.0")
	write(t, s.tree, map[string]string{"requirements.txt": "one\n"})
	v := s.build(s.inputs())
	moved := filepath.Join(filepath.Dir(s.dir), "moved")
	if err := os.Rename(s.dir, moved); err != nil {
		t.Fatal(err)
	}
	s.dir = moved
	s.store.Root = s.open(moved)
	if s.find(s.inputs()).Ready {
		t.Error("a virtualenv that was moved is taken")
	}
	if now := s.build(s.inputs()); now.Name == v.Name || s.run(now, "import sys; print(sys.prefix)") != now.Path {
		t.Errorf("%+v", now)
	}
}

// pyvenv.cfg may name a Python that is not the one in bin: the binary counts.
func TestVersionInPyvenvCfg(t *testing.T) {
	s := newSite(t)
	write(t, s.tree, map[string]string{"requirements.txt": ""})
	v := s.build(s.inputs())
	cfg := filepath.Join(v.Path, "pyvenv.cfg")
	text, err := os.ReadFile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(text), "version = ")
	if i < 0 {
		t.Fatalf("pyvenv.cfg: %s", text)
	}
	write(t, v.Path, map[string]string{"pyvenv.cfg": string(text[:i]) + "version = 2.7.1\n"})
	got, err := ask(s.ctx(), s.store.Account, filepath.Join(v.Path, "bin/python"))
	if err != nil || got.Version != v.Python.Version {
		t.Errorf("%+v, %v; want version %s", got, err, v.Python.Version)
	}
	if !s.find(s.inputs()).Ready {
		t.Error("what pyvenv.cfg says makes another virtualenv")
	}
}

func TestBuildFails(t *testing.T) {
	s := newSite(t)
	s.wheel("one", "1.0", "two==1")
	s.wheel("two", "1.0")
	s.wheel("two", "2.0")
	for text, says := range map[string]string{
		"one\ntwo==2.0\n": "conflict",
		"three\n":         "No matching distribution found for three",
		"one=1\n":         "requirements.txt",
	} {
		write(t, s.tree, map[string]string{"requirements.txt": text})
		err := s.store.Build(s.ctx(), s.find(s.inputs()))
		if err == nil || !strings.Contains(err.Error(), says) || len(s.left()) != 0 {
			t.Errorf("%q: %v, left %v; want %q", text, err, s.left(), says)
		}
	}
	in := s.inputs()
	in.Wheels = filepath.Join(s.wheels, "two-1.0-py3-none-any.whl")
	if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Error(err)
	}
	in.Wheels = filepath.Join(s.wheels, "nothing")
	if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), "is not there; create it") {
		t.Error(err)
	}
	in = s.inputs()
	in.Python = "/nonexistent/python3"
	if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), "there is no /nonexistent/python3") {
		t.Error(err)
	}
	in.Python = "/bin/echo"
	if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), "is not a Python") {
		t.Error(err)
	}
}

func TestBuildOnAFullDisk(t *testing.T) {
	s := newSite(t)
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	s.wheel("one", "1.0")
	write(t, s.tree, map[string]string{"requirements.txt": "one\n"})
	if err := unix.Mount("small", s.dir, "tmpfs", 0, "size=24k,mode=0755"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(s.dir, unix.MNT_DETACH) }()
	s.store.Root = s.open(s.dir)
	err := s.store.Build(s.ctx(), s.find(s.inputs()))
	if err == nil || !strings.Contains(err.Error(), "No space left on device") || len(s.left()) != 0 {
		t.Errorf("%v, left %v", err, s.left())
	}
}

// An index that takes the connection and says nothing.
func TestBuildIsBounded(t *testing.T) {
	s := newSite(t)
	write(t, s.tree, map[string]string{"requirements.txt": "one\n"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	in := s.inputs()
	in.Wheels, in.Index = "", "http://"+l.Addr().String()+"/simple"
	v := s.find(in)
	s.store.Time = 4 * time.Second
	began := time.Now()
	err = s.store.Build(s.ctx(), v)
	if err == nil || !strings.Contains(err.Error(), "exceeded its time limit") || len(s.left()) != 0 {
		t.Errorf("%v, left %v", err, s.left())
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
