package host_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi/host"
)

func TestDigest(t *testing.T) {
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(host.Digest()) {
		t.Errorf("digest is %q", host.Digest())
	}
}

// tree lists what is below dir with modes and owners.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		found[rel] = info.Mode().String() + " " + strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestExtract(t *testing.T) {
	parent := t.TempDir()
	uid := os.Getuid()
	dir := filepath.Join(parent, host.Digest())
	if err := host.Extract(dir); err != nil {
		t.Fatal(err)
	}
	me := " " + strconv.Itoa(uid)
	got := tree(t, dir)
	for path, want := range map[string]string{
		".": "drwxr-xr-x" + me, host.Script: "-rw-r--r--" + me, "plugnplay.py": "-rw-r--r--" + me,
		"wsgid": "drwxr-xr-x" + me, "wsgid/__init__.py": "-rw-r--r--" + me, "wsgid/__pycache__": "drwxr-xr-x" + me,
		"wsgid/loaders/__init__.py": "-rw-r--r--" + me, "wsgid/interfaces/filters.py": "-rw-r--r--" + me,
	} {
		if got[path] != want {
			t.Errorf("%s is %q, want %q", path, got[path], want)
		}
	}

	// What is complete is left alone, bytecode and all.
	stat := func() uint64 {
		info, err := os.Stat(filepath.Join(dir, host.Script))
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Ino
	}
	before := stat()
	if err := host.Extract(dir); err != nil || stat() != before {
		t.Errorf("a second Extract wrote the files anew: %v", err)
	}

	// What is not is made anew.
	for _, harm := range []func(string) error{
		func(name string) error { return os.WriteFile(name, []byte("raise SystemExit"), 0o644) },
		os.Remove,
		func(name string) error { return os.Truncate(name, 0) },
	} {
		name := filepath.Join(dir, "wsgid", "serve.py")
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := harm(name); err != nil {
			t.Fatal(err)
		}
		if err := host.Extract(dir); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(name); err != nil || !bytes.Equal(again, good) {
			t.Errorf("Extract did not mend %s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("Extract left %v: %v", entries, err)
	}
}

func TestExtractAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "host")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = host.Extract(dir) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("Extract left %v: %v", entries, err)
	}
}

func TestExtractFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing", "host")
	err := host.Extract(dir)
	want := "cannot extract the Python host to " + dir + ": "
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

// The bytecode is there for every worker, and none can write it but as its owner.
func TestCompile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "host")
	if err := host.Extract(dir); err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o077)
	err := host.Compile(t.Context(), dir, "/usr/bin/python3")
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	me, compiled := " "+strconv.Itoa(os.Getuid()), 0
	for path, mode := range tree(t, dir) {
		if !strings.HasSuffix(mode, me) || mode[5] == 'w' || mode[8] == 'w' {
			t.Errorf("%s is %s", path, mode)
		}
		if strings.HasSuffix(path, ".pyc") {
			compiled++
			if !strings.HasPrefix(mode, "-rw-r--r--") {
				t.Errorf("%s is %s, and no worker can read it", path, mode)
			}
		}
	}
	if compiled < 10 {
		t.Errorf("%d files are compiled", compiled)
	}
	// Once is enough.
	if err := host.Compile(t.Context(), dir, "/bin/false"); err == nil {
		t.Error("an interpreter that fails is none")
	}
	if err := os.RemoveAll(filepath.Join(dir, "wsgid", "__pycache__")); err != nil {
		t.Fatal(err)
	}
	if err := host.Compile(t.Context(), dir, "/usr/bin/python3"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "wsgid", "__pycache__")); err == nil {
		t.Error("it was compiled again")
	}
}

// pythons finds every Python 3 interpreter on PATH, in the usual places and in
// WSGID_TEST_PYTHONS (a list like PATH, of programs).
func pythons(t *testing.T) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Python")
	}
	candidates := filepath.SplitList(os.Getenv("WSGID_TEST_PYTHONS"))
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin", "/usr/local/bin", "/opt/python/bin")
	name := regexp.MustCompile(`^python3(\.\d+)?$`)
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if name.MatchString(e.Name()) {
				candidates = append(candidates, filepath.Join(dir, e.Name()))
			}
		}
	}
	found := map[string]string{} // version -> program
	for _, c := range candidates {
		// A program of that name may be a launcher for what is not installed, or
		// older than what we support.
		out, err := exec.Command(c, "-c",
			"import sys; sys.version_info >= (3, 8) and print(sys.version.split()[0], sys.executable)").Output()
		fields := strings.Fields(string(out))
		if err == nil && len(fields) == 2 && found[fields[0]] == "" {
			found[fields[0]] = fields[1]
		}
	}
	if len(found) == 0 {
		t.Fatal("there is no Python 3.8 or newer on this machine")
	}
	return found
}

func TestSyntaxOfPython38(t *testing.T) {
	var names []string
	for path := range tree(t, hostDir(t)) {
		if strings.HasSuffix(path, ".py") {
			names = append(names, path)
		}
	}
	slices.Sort(names)
	cmd := exec.Command(python, append([]string{"-c", `
import ast, sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as f:
        ast.parse(f.read(), name, feature_version=(3, 8))
`}, names...)...)
	cmd.Dir = hostDir(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPyflakes(t *testing.T) {
	cmd := exec.Command(python, "-m", "pyflakes", hostDir(t))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The whole host on every Python of the machine.
func TestEveryPython(t *testing.T) {
	for version, program := range pythons(t) {
		t.Run(version, func(t *testing.T) {
			dir := appFolder(t, map[string]string{
				"app/web.py": routes + `
def stream(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"a"
    yield b"b"

def file(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))

def broken(environ, start_response):
    raise ValueError("broken")

def header(environ, start_response):
    start_response("200 OK", [("X", "a\r\nb")])
    return [b""]

def echo(environ, start_response):
    start_response("200 OK", TEXT)
    return [environ["wsgi.input"].read(4)]
` + "# " + strings.Repeat("x", 70000) + "\n",
				"plugins/timing.py": filters,
				"plugins/broken.py": "import no_such_thing\n",
			})
			w, ready := startReady(t, dir, options{python: program, config: wsgi.Config{WSGIApp: "web:application", Threads: 2}})
			if ready.Python != version && !strings.HasPrefix(version, ready.Python) || !ready.Filters || len(ready.Warnings) != 1 {
				t.Errorf("ready is %+v", ready)
			}
			for _, s := range w.slots {
				if r := s.do(map[string]any{"PATH_INFO": "/stream"}, ""); r.String() != "200 OK ab filtered" {
					t.Errorf("got %s", r)
				}
				if r := s.do(map[string]any{"PATH_INFO": "/broken"}, ""); r.String() != serverError {
					t.Errorf("got %s", r)
				}
			}
			log := w.quit()
			if !strings.Contains(log, "blog: GET /broken: the application raised ValueError: broken\nTraceback") ||
				strings.Contains(log, hostDir(t)) {
				t.Errorf("log: %s", log)
			}

			if err := os.RemoveAll(dir + "/plugins"); err != nil {
				t.Fatal(err)
			}
			w, _ = startReady(t, dir, options{python: program, config: wsgi.Config{WSGIApp: "web:raw", Preload: true, Threads: 2}})
			f := w.fork(2)
			f.slots[0].ready()
			s := f.slots[1]
			for path, want := range map[string]string{"/stream": "200 OK ab hde", "/broken": serverError + " H", "/header": serverError + " H"} {
				if r := s.do(map[string]any{"PATH_INFO": path}, ""); r.String()+" "+r.way() != want {
					t.Errorf("%s: got %s %s", path, r, r.way())
				}
			}
			if r := s.do(map[string]any{"PATH_INFO": "/file"}, ""); r.way() != "hF" || len(r.body) < 70000 {
				t.Errorf("got %d bytes, messages %s", len(r.body), r.way())
			}
			body, err := os.Open(filepath.Join(dir, "app", "web.py"))
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			s.requestFile(map[string]any{"PATH_INFO": "/echo"}, body)
			if r := s.response(); r.String() != "200 OK impo" {
				t.Errorf("got %s", r)
			}
			f.quit() // a template ends after its workers
			w.quit()

			got := startFailing(t, dir, options{python: program, config: wsgi.Config{WSGIApp: "web:applicatio"}})
			if got.Hint != "did you mean application?" {
				t.Errorf("got %+v", got)
			}
		})
	}
}
