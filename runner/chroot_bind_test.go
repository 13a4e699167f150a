package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// fakeVenv is a virtualenv in the app folder, as the app can write it.
func fakeVenv(t *testing.T, a *testApp, home, python string) {
	t.Helper()
	bin := filepath.Join(a.spec.Path, "venv", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.spec.Path, "venv", "pyvenv.cfg"), []byte("home = "+home+"\nversion = 3.11.2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(python, filepath.Join(bin, "python")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"venv", "venv/pyvenv.cfg", "venv/bin", "venv/bin/python"} {
		if err := os.Lchown(filepath.Join(a.spec.Path, p), 33, 33); err != nil {
			t.Fatal(err)
		}
	}
	a.spec.Virtualenv = "venv"
}

// What a virtualenv calls its Python is the app's word: root shows the app no
// folder of the host for it that is not an installation of Python.
func TestChrootBindsNoFolderThatTheAppChose(t *testing.T) {
	needsRoot(t)
	secret := t.TempDir()
	if err := os.MkdirAll(filepath.Join(secret, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/python3", filepath.Join(secret, "bin", "python3")); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(secret, "bin", "python")
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ home, python string }{
		"home of pyvenv.cfg": {filepath.Join(secret, "bin"), "/usr/bin/python3"},
		"the link in bin":    {"/usr/bin", exe},
		"the root":           {"/nowhere", "/usr/bin/python3"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, chrootApp, func(s *appspec.Spec) { s.Chroot = true })
			fakeVenv(t, a, c.home, c.python)
			h, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state})
			if err == nil {
				_ = h.Kill()
				t.Fatal("the folder is bound")
			}
			for _, want := range []string{"which must not be visible inside", "name it in the spec: python = "} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
			}
		})
	}
	t.Run("/bin", func(t *testing.T) {
		a := newTestApp(t, chrootApp, func(s *appspec.Spec) { s.Chroot = true })
		fakeVenv(t, a, "/bin", "/bin/python3")
		a.start(StateReady)
		if code, body := a.get("/"); code != 200 || !strings.Contains(body, `"home": false`) || !strings.Contains(body, `"file": "/app/app.py"`) {
			t.Errorf("got %d %s", code, body)
		}
	})
}

// The names of the system's folders stay the system's, whatever the app folder
// holds: the master trusts /proc and /etc.
func TestChrootSystemNamesStay(t *testing.T) {
	needsRoot(t)
	a := newTestApp(t, chrootApp, func(s *appspec.Spec) { s.Chroot = true })
	for _, d := range []string{"proc", "etc", "usr", "lib", "mine"} {
		if err := os.Mkdir(filepath.Join(a.spec.Path, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a.start(StateReady)
	code, body := a.get("/")
	if code != 200 || !strings.Contains(body, `"mine"`) || !strings.Contains(body, `"localhost": "127.0.0.1"`) {
		t.Errorf("got %d %s", code, body)
	}
	a.mustLogLine("not visible inside the chroot: etc, lib, proc, usr of the app folder")
}

// A deployment that puts another folder at app/'s place is seen by the workers
// that start then.
func TestChrootFolderReplaced(t *testing.T) {
	needsRoot(t)
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Chroot = true })
	h := a.start(StateReady)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(a.spec.Path, "app")
	if err := os.Rename(app, app+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(app, 0o755); err != nil {
		t.Fatal(err)
	}
	a.write("app.py", strings.Replace(helloApp, `"hello"`, `"anew"`, 1))
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(n Status) bool { return n.Rollout == 0 && !pids(n)[st.Workers[0].PID] && len(n.Workers) == 1 })
	if code, body := a.get("/"); code != 200 || !strings.HasPrefix(body, "anew ") {
		t.Errorf("got %d %s", code, body)
	}
}

// A release that arrives later, and an app folder that becomes a link to it, as a first
// deploy makes them, are seen by the workers that start then.
func TestChrootFolderBecomesALink(t *testing.T) {
	needsRoot(t)
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Chroot = true })
	h := a.start(StateReady)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	app, release := filepath.Join(a.spec.Path, "app"), filepath.Join(a.spec.Path, "releases", "1")
	code := strings.Replace(helloApp, `"hello"`, `open("/releases/1/name").read()`, 1)
	if err := os.MkdirAll(release, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"app.py": code, "name": "release 1"} {
		if err := os.WriteFile(filepath.Join(release, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(app, app+".before"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("releases/1", app); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(n Status) bool { return n.Rollout == 0 && !pids(n)[st.Workers[0].PID] && len(n.Workers) == 1 })
	if code, body := a.get("/"); code != 200 || !strings.HasPrefix(body, "release 1 ") {
		t.Errorf("got %d %s", code, body)
	}
}

// Each entry of the app folder is mounted before the app serves: how many there may
// be is bounded, and who has more is told which folder and how many.
func TestChrootManyEntries(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("chroot needs root")
	}
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Chroot = true })
	for i := range 4096 {
		if err := os.WriteFile(filepath.Join(a.spec.Path, strconv.Itoa(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state})
	if err == nil || !strings.Contains(err.Error(), "cannot chroot to "+a.spec.Path) || !strings.Contains(err.Error(), "the folder has more than 4096 entries") {
		t.Fatalf("error %v", err)
	}
	for i := range 100 { // app, logs, pid and so on are entries, too
		if err := os.Remove(filepath.Join(a.spec.Path, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	a.start(StateReady)
	if code, body := a.get("/"); code != 200 {
		t.Errorf("got %d %q", code, body)
	}
}
