package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that keeps the app's user out is named, with its mode, its owner and
// what to write, wherever it lies: the kernel and Python tell only that permission
// is denied, or that there is no such module.
func TestFolderThatKeepsTheUserOut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run it as root: workers are to be another user's")
	}
	venv := func(a *testApp, at string) {
		t.Helper()
		if out, err := exec.Command("/usr/bin/python3", "-m", "venv", "--without-pip", at).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		a.spec.Virtualenv = at
	}
	for _, tt := range []struct {
		name  string
		spoil func(a *testApp, base string) // base is /tmp/wN, the app folder base/demo
		want  string                        // BASE stands for base
	}{
		{"above the app folder", func(_ *testApp, base string) {
			chmod(t, base, 0o700)
		}, `user www-data may not enter folder BASE (mode 0700, owner root): chmod o+x BASE`},
		{"app/", func(_ *testApp, base string) {
			own(t, filepath.Join(base, "demo/app"), 1)
			chmod(t, filepath.Join(base, "demo/app"), 0o700)
		}, `user www-data cannot read folder BASE/demo/app (mode 0700, owner daemon): chmod -R o+rX BASE/demo/app, or chown -R www-data BASE/demo/app, or run the app as its owner: user = "daemon"`},
		{"app/ that may be passed and not read", func(_ *testApp, base string) {
			own(t, filepath.Join(base, "demo/app"), 1)
			chmod(t, filepath.Join(base, "demo/app"), 0o711)
		}, `user www-data cannot read folder BASE/demo/app (mode 0711, owner daemon): chmod -R o+rX`},
		{"behind the link app/", func(_ *testApp, base string) {
			mkdir(t, filepath.Join(base, "home"))
			rename(t, filepath.Join(base, "demo/app"), filepath.Join(base, "home/code"))
			symlink(t, filepath.Join(base, "home/code"), filepath.Join(base, "demo/app"))
			own(t, filepath.Join(base, "home"), 1)
			chmod(t, filepath.Join(base, "home"), 0o700)
		}, `user www-data may not enter folder BASE/home (mode 0700, owner daemon): chmod o+x BASE/home, or run the app as its owner: user = "daemon"`},
		{"a package of app/", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "demo/app/blog"))
			a.write("blog/wsgi.py", helloApp)
			a.spec.WSGIApp = "blog.wsgi:application"
			chmod(t, filepath.Join(base, "demo/app/blog"), 0o700)
		}, `user www-data cannot read folder BASE/demo/app/blog (mode 0700, owner root): chmod -R o+rX BASE/demo/app/blog`},
		{"a module", func(_ *testApp, base string) {
			own(t, filepath.Join(base, "demo/app/app.py"), 0)
			chmod(t, filepath.Join(base, "demo/app/app.py"), 0o600)
		}, `user www-data cannot read BASE/demo/app/app.py (mode 0600, owner root): chmod o+r BASE/demo/app/app.py`},
		{"a file that the code opens", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "secret"))
			a.write("app.py", fmt.Sprintf("open(%q)\n", filepath.Join(base, "secret/key")))
			chmod(t, filepath.Join(base, "secret"), 0o700)
		}, `user www-data may not enter folder BASE/secret (mode 0700, owner root): chmod o+x BASE/secret`},
		{"a folder that the code writes to", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "media"))
			a.write("app.py", fmt.Sprintf("open(%q, 'w')\n", filepath.Join(base, "media/x")))
		}, `user www-data cannot write to folder BASE/media (mode 0755, owner root): chown www-data BASE/media`},
		{"above the virtualenv", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "venvs"))
			venv(a, filepath.Join(base, "venvs/v"))
			chmod(t, filepath.Join(base, "venvs"), 0o700)
		}, `user www-data may not enter folder BASE/venvs (mode 0700, owner root): chmod o+x BASE/venvs`},
		{"the packages of the virtualenv", func(a *testApp, base string) {
			venv(a, filepath.Join(base, "v"))
			a.write("app.py", "import flask_of_mine\n")
			chmod(t, filepath.Join(base, "v/lib"), 0o700)
		}, `user www-data may not enter folder BASE/v/lib (mode 0700, owner root): chmod o+x BASE/v/lib`},
		{"above the interpreter that the virtualenv leads to", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "opt"))
			symlink(t, "/usr/bin/python3", filepath.Join(base, "opt/python3"))
			venv(a, filepath.Join(base, "v"))
			at := filepath.Join(base, "v/bin/python")
			if err := os.Remove(at); err != nil {
				t.Fatal(err)
			}
			symlink(t, filepath.Join(base, "opt/python3"), at)
			chmod(t, filepath.Join(base, "opt"), 0o700)
		}, `user www-data may not enter folder BASE/opt (mode 0700, owner root): chmod o+x BASE/opt`},
		{"above the interpreter", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "opt"))
			symlink(t, "/usr/bin/python3", filepath.Join(base, "opt/python3"))
			a.spec.Python = filepath.Join(base, "opt/python3")
			chmod(t, filepath.Join(base, "opt"), 0o700)
		}, `user www-data may not enter folder BASE/opt (mode 0700, owner root): chmod o+x BASE/opt`},
		{"above the state directory", func(a *testApp, base string) {
			mkdir(t, filepath.Join(base, "run"))
			a.state = filepath.Join(base, "run/s")
			chmod(t, filepath.Join(base, "run"), 0o700)
		}, `user www-data may not enter folder BASE/run (mode 0700, owner root): chmod o+x BASE/run, or choose another --state-dir`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newTestApp(t, helloApp, nil)
			base := filepath.Dir(a.spec.Path)
			tt.spoil(a, base)
			h := a.start(StateBackoff)
			want := strings.ReplaceAll(tt.want, "BASE", base)
			a.wait(h, func(st Status) bool { return strings.Contains(st.LastError+"\n"+st.Traceback, want) })
			a.mustLogLine("ERROR", want)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) { t.Helper(); must(t, os.Chmod(path, mode)) }
func own(t *testing.T, path string, uid int)            { t.Helper(); must(t, os.Lchown(path, uid, uid)) }
func mkdir(t *testing.T, path string)                   { t.Helper(); must(t, os.Mkdir(path, 0o755)) }
func rename(t *testing.T, from, to string)              { t.Helper(); must(t, os.Rename(from, to)) }
func symlink(t *testing.T, to, at string)               { t.Helper(); must(t, os.Symlink(to, at)) }
