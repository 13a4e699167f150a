package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// project makes the guide's repository one that is installed, which is built by a file
// of its own: there is nothing for pip to bring first. It writes its number to a file
// and, while another one is there, goes no further.
func (g *guide) project(running, slow string) {
	g.t.Helper()
	for name, text := range map[string]string{
		"pyproject.toml": `[build-system]
requires = []
build-backend = "build_it"
backend-path = ["."]
[project]
name = "wsgiapp"
version = "1"
`,
		"build_it.py": fmt.Sprintf(`import os, time, zipfile
running, slow = %q, %q

def build_wheel(folder, config_settings=None, metadata_directory=None):
    if os.path.exists(slow):
        with open(running, "w") as f:
            f.write("%%d\n" %% os.getpid())
        while os.path.exists(slow):
            time.sleep(0.02)
    name = "wsgiapp-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as z:
        z.write("wsgiapp/__init__.py")
        z.write("wsgiapp/main.py")
        z.writestr("wsgiapp-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: wsgiapp\nVersion: 1\n")
        z.writestr("wsgiapp-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("wsgiapp-1.dist-info/RECORD", "")
    return name
`, running, slow),
	} {
		g.must(os.WriteFile(filepath.Join(g.repo, name), []byte(text), 0o644))
	}
}

// Whoever deploys is killed while pip builds the project, the command and the daemon,
// twice each: pip and what it has started end with it, what served serves on, the half
// made virtualenv is nobody's, and the next deploy is as good as any.
func TestKilledInInstall(t *testing.T) {
	t.Parallel()
	g := newGuide(t, someone(t), `nice = 0
    install = true`)
	pids := filepath.Join(g.dir, "pids")
	g.must(os.Mkdir(pids, 0o777))
	g.must(os.Chmod(pids, 0o777))
	slow, running := filepath.Join(pids, "slow"), filepath.Join(pids, "build")
	g.project(running, slow)
	g.say("Hello")
	g.ok("deploy", "wsgiapp-dev")
	done := g.load("wsgiapp-dev", g.hello)

	// inside waits until pip builds.
	inside := func() {
		eventually(t, patience, "the project to be built", func() error {
			text, err := os.ReadFile(running)
			if err == nil && !strings.HasSuffix(string(text), "\n") {
				err = fmt.Errorf("it has written %q", text)
			}
			return err
		})
	}
	kill := func(n int, kills func(*os.Process)) output {
		t.Helper()
		g.say(fmt.Sprintf("Hello %d", n))
		g.must(os.WriteFile(slow, nil, 0o644))
		_ = os.Remove(running) // of the last deploy
		killed := false
		out := g.deploying("Install the project", func(p *os.Process) {
			inside()
			killed = true
			kills(p)
		})
		if !killed {
			t.Fatalf("it does not install: %v", out)
		}
		g.gone(running)
		g.must(os.Remove(slow))
		g.says("Hello")
		return out
	}
	for n := range 2 {
		kill(n, func(p *os.Process) { _ = p.Kill() })
	}
	d := g.run()
	for n := range 2 {
		out := kill(2+n, func(*os.Process) {
			d.kill(t)
			d = g.run()
		})
		if out.code == 0 || !strings.Contains(out.stderr, "wsgid-fleet: cannot deploy wsgiapp-dev: ") {
			t.Errorf("the command ends so: %v", out)
		}
	}
	g.await("wsgiapp-dev", "ready", 1)
	g.say("Hello at last")
	g.ok("deploy", "wsgiapp-dev")
	g.says("Hello at last")
	done()
	results := ""
	for _, e := range g.deploys() {
		results += e.Result + " "
	}
	if results != "ok interrupted interrupted interrupted interrupted ok " {
		t.Errorf("the deploys ended, the newest first, with: %s", results)
	}
	// The one that serves, and the one that can be gone back to.
	eventually(t, patience, "the half made virtualenvs to go", func() error {
		if left, _ := filepath.Glob(filepath.Join(g.demo, "apps/wsgiapp-dev/venvs/*")); len(left) != 2 {
			return fmt.Errorf("there are %v", left)
		}
		return nil
	})
	g.clean()
}
