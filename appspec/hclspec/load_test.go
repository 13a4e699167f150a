package hclspec

import (
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"
)

// testOptions are an ordinary user's, on a host where nothing is set.
func testOptions() Options {
	return Options{User: "deploy", CPUs: 4, LookupEnv: func(string) (string, bool) { return "", false }}
}

// minimal is an app that is good.
func minimal(name, port string) string {
	return "app \"" + name + "\" {\n  sockets {\n    http {\n      listen = \"127.0.0.1:" + port + "\"\n    }\n  }\n}\n"
}

// memory is a spec directory in memory.
func memory(t testing.TB, files map[string]string) afero.Fs {
	t.Helper()
	fsys := afero.NewMemMapFs()
	if err := fsys.MkdirAll("/etc/wsgid.d", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if !filepath.IsAbs(name) {
			name = filepath.Join("/etc/wsgid.d", name)
		}
		if err := afero.WriteFile(fsys, name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return fsys
}

// load loads /etc/wsgid.d, which has to be possible, in bounded time.
func load(t testing.TB, o Options, fsys afero.Fs, dir string) *Set {
	t.Helper()
	type result struct {
		set *Set
		err error
	}
	done := make(chan result, 1)
	go func() {
		set, err := o.Load(fsys, dir)
		done <- result{set, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r.set
	case <-time.After(15 * time.Minute): // the race detector on a busy machine needs five
		t.Fatal("the load hangs")
		return nil
	}
}

// good fails the test unless the set has no fault.
func good(t testing.TB, set *Set) *Set {
	t.Helper()
	for _, f := range set.Faults {
		t.Errorf("fault:\n%s", f.Text)
	}
	return set
}

func names(set *Set) []string { return slices.Sorted(maps.Keys(set.Specs)) }

func TestLoadDirectoryErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	loop := filepath.Join(dir, "loop")
	check(t, os.WriteFile(file, nil, 0o644))
	check(t, os.Symlink("loop", loop))
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such directory: create it, or name another with --dir",
		file:                       "it is a file, not a directory: name its directory with --dir; validate takes files",
		loop:                       "its symlinks form a loop: correct them, or name another with --dir",
	} {
		_, err := Load(afero.NewOsFs(), path)
		if err == nil || err.Error() != "cannot read spec directory "+path+": "+want {
			t.Errorf("%s: %v", path, err)
		}
	}
	closed := denied{afero.NewMemMapFs(), "/etc/wsgid.d"}
	check(t, closed.MkdirAll("/etc/wsgid.d", 0o755))
	_, err := Load(closed, "/etc/wsgid.d")
	if want := "cannot read spec directory /etc/wsgid.d: permission denied: give this user the permission to read it, or name another with --dir"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// denied is a file system on which one path cannot be opened, whoever asks:
// root can read everything.
type denied struct {
	afero.Fs
	path string
}

func (d denied) Open(name string) (afero.File, error) {
	if name == d.path {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return d.Fs.Open(name)
}

func (d denied) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	if name == d.path {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return d.Fs.OpenFile(name, flag, perm)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOddFiles puts what is not a spec into a spec directory: each is one clear
// fault, none blocks, and the good file beside them is loaded.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	check(t, os.WriteFile(at("good.hcl"), []byte(minimal("good", "8000")), 0o644))
	check(t, os.Mkdir(at("dir.hcl"), 0o755))
	check(t, syscall.Mkfifo(at("fifo.hcl"), 0o644))
	check(t, os.Symlink("fifo.hcl", at("fifolink.hcl")))
	check(t, os.Symlink("loop.hcl", at("loop.hcl")))
	check(t, os.Symlink("gone-target", at("dangling.hcl")))
	check(t, os.Symlink("/dev/zero", at("device.hcl")))
	check(t, os.WriteFile(at("empty.hcl"), nil, 0o644))
	huge, err := os.Create(at("huge.hcl"))
	check(t, err)
	check(t, huge.Truncate(10<<30))
	check(t, huge.Close())
	l, err := net.Listen("unix", at("sock.hcl"))
	if err != nil { // a temporary directory with a long name
		t.Fatal(err)
	}
	defer l.Close()

	set := load(t, testOptions(), afero.NewOsFs(), dir)
	if got := names(set); !slices.Equal(got, []string{"good"}) {
		t.Errorf("loaded %v", got)
	}
	want := map[string]string{
		"dir.hcl":      "cannot read the file: it is a directory, not a file",
		"fifo.hcl":     "cannot read the file: it is a named pipe, not a file",
		"fifolink.hcl": "cannot read the file: it is a named pipe, not a file",
		"loop.hcl":     "cannot read the file: its symlinks form a loop",
		"dangling.hcl": "cannot read the file: it is a symlink to gone-target, which is not there",
		"device.hcl":   "cannot read the file: it is a device, not a file",
		"huge.hcl":     "cannot read the file: it has 10GiB, more than the 8MiB that are allowed",
		"sock.hcl":     "cannot read the file: it is a socket, not a file",
	}
	for _, f := range set.Faults {
		name := filepath.Base(f.File)
		if f.Summary != at(name)+": "+want[name] {
			t.Errorf("%s: %s", name, f.Summary)
		}
		if f.App != "" || f.File != at(name) || !strings.HasPrefix(f.Text, at(name)+": error: "+want[name]+"\n  ") {
			t.Errorf("%s: %+v", name, f)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s: no fault", name)
	}
}

func TestUnreadableFile(t *testing.T) {
	text := "/etc/wsgid.d/blog.hcl: error: cannot read the file: permission denied\n" +
		"  give the user of the daemon permission to read it: until then the apps of this file keep running as they are\n"
	fsys := denied{memory(t, map[string]string{"blog.hcl": minimal("blog", "8000"), "shop.hcl": minimal("shop", "8001")}), "/etc/wsgid.d/blog.hcl"}
	set := load(t, testOptions(), fsys, "/etc/wsgid.d")
	if len(set.Faults) != 1 || set.Faults[0].Text != text || !slices.Equal(names(set), []string{"shop"}) {
		t.Errorf("got %v, faults %+v", names(set), set.Faults)
	}
	if os.Geteuid() == 0 {
		return // root reads everything: the file system above had to say no
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "blog.hcl"), []byte(minimal("blog", "8000")), 0))
	set = load(t, testOptions(), afero.NewOsFs(), dir)
	if len(set.Faults) != 1 || !strings.Contains(set.Faults[0].Text, "cannot read the file: permission denied") {
		t.Errorf("faults %+v", set.Faults)
	}
}

func TestNamesPassedOver(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{
		".hidden.hcl", "a.hcl~", "a.hcl.swp", ".a.hcl.swp", "a.hcl.tmp", "a.hcl.bak", "a.hcl.dpkg-new", "a.hcl.dpkg-old", "a.hcl.rpmsave",
		"a.hcl.rpmnew", "README", "a.conf", "a.json", "hcl", "#a.hcl#", "a.HCL",
	} {
		files[name] = "this is not a spec {"
	}
	files["a.hcl"] = minimal("a", "8000")
	files["b.hcl.json"] = `{"app": {"b": {"sockets": {"http": [{"listen": "127.0.0.1:8001"}, {"listen": "127.0.0.1:8002"}]}}}}`
	set := good(t, load(t, testOptions(), memory(t, files), "/etc/wsgid.d"))
	if got := names(set); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("loaded %v", got)
	}
}

// TestSymlinks has the habit of sites-enabled: the links are the directory.
func TestSymlinks(t *testing.T) {
	base := t.TempDir()
	available, enabled := filepath.Join(base, "available"), filepath.Join(base, "enabled")
	check(t, os.Mkdir(available, 0o755))
	check(t, os.Mkdir(enabled, 0o755))
	check(t, os.WriteFile(filepath.Join(available, "blog"), []byte(minimal("blog", "8000")), 0o644))
	check(t, os.Symlink("../available/blog", filepath.Join(enabled, "blog.hcl")))
	set := good(t, load(t, testOptions(), afero.NewOsFs(), enabled))
	if got, want := set.Specs["blog"].File, filepath.Join(enabled, "blog.hcl"); got != want {
		t.Errorf("the file is %s, not %s", got, want)
	}
}

// TestSymlinkedFolders finds two names of one folder.
func TestSymlinkedFolders(t *testing.T) {
	base := t.TempDir()
	check(t, os.Mkdir(filepath.Join(base, "srv"), 0o755))
	check(t, os.Symlink("srv", filepath.Join(base, "www")))
	dir := filepath.Join(base, "d")
	check(t, os.Mkdir(dir, 0o755))
	for name, folder := range map[string]string{"blog": "srv/blog", "shop": "www/blog"} {
		text := strings.Replace(minimal(name, map[string]string{"blog": "8000", "shop": "8001"}[name]), "{\n", "{\n  path = \""+filepath.Join(base, folder)+"\"\n", 1)
		check(t, os.WriteFile(filepath.Join(dir, name+".hcl"), []byte(text), 0o644))
	}
	set := load(t, testOptions(), afero.NewOsFs(), dir)
	want := filepath.Join(dir, "blog.hcl") + ":2:10: the app folder " + filepath.Join(base, "srv/blog") + ", by symlinks the same as " + filepath.Join(base, "www/blog") +
		", is used twice, as in app \"shop\" (" + filepath.Join(dir, "shop.hcl") + ":2)"
	if len(set.Faults) != 2 || set.Faults[0].Summary != want {
		t.Errorf("faults %+v\nwant %s", set.Faults, want)
	}
}

// TestIsolation: what is broken stays with its file or its app.
func TestIsolation(t *testing.T) {
	set := load(t, testOptions(), memory(t, map[string]string{
		"a.hcl": minimal("a", "8000") + strings.Replace(minimal("broken", "8001"), "sockets", "sokets", 1),
		"b.hcl": minimal("b", "8002") + "app \"c\" {\n  path = \n}\n",
		"d.hcl": minimal("d", "8003"),
	}), "/etc/wsgid.d")
	if got := names(set); !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("loaded %v", got)
	}
	type short struct {
		File, App string
		Apps      []string
	}
	var got []short
	for _, f := range set.Faults {
		got = append(got, short{filepath.Base(f.File), f.App, f.Apps})
	}
	if diff := cmp.Diff([]short{{"a.hcl", "broken", nil}, {"b.hcl", "", []string{"b", "c"}}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestAppsOfBrokenFiles: the apps of a file that does not parse are known, so
// that nobody takes them for removed.
func TestAppsOfBrokenFiles(t *testing.T) {
	for name, text := range map[string]string{
		"x.hcl":      "app \"blog\" {\n  path = \n}\napp shop {\n}\napp \"news\" \n{",
		"y.hcl":      "# app \"no\"\napp \"blog\" {\n}\napp \"shop\" {\n  sockets {\n}\napp \"news\" {\n}\n",
		"x.hcl.json": `{"app": {"blog": {"path": "/srv", "env": {"app": "x"}}, "shop": {}, "news": [{}, ]}}`,
	} {
		set := load(t, testOptions(), memory(t, map[string]string{name: text}), "/etc/wsgid.d")
		if len(set.Faults) != 1 || !slices.Equal(set.Faults[0].Apps, []string{"blog", "shop", "news"}) {
			t.Errorf("%s: %+v", name, set.Faults)
		}
	}
}

func TestBrokenDefaults(t *testing.T) {
	set := load(t, testOptions(), memory(t, map[string]string{
		"defaults.hcl": "defaults {\n  debgu = true\n}\n",
		"a.hcl":        minimal("a", "8000"),
	}), "/etc/wsgid.d")
	if !set.DefaultsBroken || len(set.Specs) != 0 || len(set.Faults) != 1 || filepath.Base(set.Faults[0].File) != "defaults.hcl" {
		t.Errorf("broken %v, specs %v, faults %+v", set.DefaultsBroken, names(set), set.Faults)
	}
}

// TestOddDefaults: a defaults.hcl that cannot be read is broken, not absent.
func TestOddDefaults(t *testing.T) {
	for what, make := range map[string]func(path string) error{
		"a named pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":  func(path string) error { return os.Mkdir(path, 0o700) },
		"a symlink":    func(path string) error { return os.Symlink("gone", path) },
	} {
		dir := t.TempDir()
		check(t, make(filepath.Join(dir, "defaults.hcl")))
		check(t, os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(minimal("a", "8000")), 0o644))
		set := load(t, testOptions(), afero.NewOsFs(), dir)
		if !set.DefaultsBroken || len(set.Specs) != 0 || len(set.Faults) != 1 || !strings.Contains(set.Faults[0].Summary, "it is "+what) {
			t.Errorf("%s: broken %v, faults %+v", what, set.DefaultsBroken, set.Faults)
		}
	}
}

// TestLoadFiles reads files by name, with the defaults beside them.
func TestLoadFiles(t *testing.T) {
	fsys := memory(t, map[string]string{
		"defaults.hcl":  "defaults {\n  root = \"/srv\"\n  debug = true\n}\n",
		"a.hcl":         minimal("a", "8000"),
		"/tmp/b.hcl":    minimal("b", "8000"),
		"/bad/defaults": "",
	})
	o := testOptions()
	set := good(t, o.LoadFiles(fsys, "/etc/wsgid.d/a.hcl"))
	if s := set.Specs["a"]; s.Path != "/srv/a" || !s.Debug {
		t.Errorf("the defaults did not reach the app: %v", s)
	}
	set = o.LoadFiles(fsys, "/etc/wsgid.d/a.hcl", "/tmp/b.hcl", "/tmp/none.hcl")
	if len(set.Faults) != 3 || set.Faults[2].Summary != "/tmp/none.hcl: cannot read the file: no such file" {
		t.Errorf("faults %+v", set.Faults)
	}
}

func TestFIFOInFileFunction(t *testing.T) {
	dir := t.TempDir()
	check(t, syscall.Mkfifo(filepath.Join(dir, "key"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "blog.hcl"), []byte(strings.Replace(minimal("blog", "8000"), "{\n", "{\n  env = { KEY = file(\"key\") }\n", 1)), 0o644))
	set := load(t, testOptions(), afero.NewOsFs(), dir)
	if len(set.Faults) != 1 || !strings.Contains(set.Faults[0].Text, "cannot read "+dir+"/key: it is a named pipe, not a file") {
		t.Errorf("faults %+v", set.Faults)
	}
}

// A defaults.hcl that was truncated must not change every app.
func TestEmptyDefaultsAreBroken(t *testing.T) {
	for text, broken := range map[string]bool{"": true, "\n \n": true, "# none yet\n": false} {
		fsys := afero.NewMemMapFs()
		for name, content := range map[string]string{"defaults.hcl": text, "a.hcl": "app \"a\" {}\n"} {
			if err := afero.WriteFile(fsys, "/d/"+name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		set, err := Options{}.Load(fsys, "/d")
		if err != nil || set.DefaultsBroken != broken {
			t.Errorf("%q: broken %v, %v, %+v", text, set.DefaultsBroken, err, set.Faults)
		}
	}
}
