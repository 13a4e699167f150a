package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waiting is a command that goes on while a test does other things.
type waiting struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout string // files
	stderr string
	done   chan struct{}
}

// deploy begins a deploy.
func (g *guide) deploy(args ...string) *waiting {
	g.t.Helper()
	all := append([]string{"deploy", "--dir", g.specs}, args...)
	if g.who.root() {
		all = append(all, "--state-dir", g.state)
	}
	dir := g.t.TempDir()
	w := &waiting{t: g.t, stdout: filepath.Join(dir, "out"), stderr: filepath.Join(dir, "err"), done: make(chan struct{})}
	w.cmd = g.make(context.Background(), g.program(), all...)
	for path, to := range map[string]func(*os.File){w.stdout: func(f *os.File) { w.cmd.Stdout = f }, w.stderr: func(f *os.File) { w.cmd.Stderr = f }} {
		f, err := os.Create(path)
		g.must(err)
		defer f.Close()
		to(f)
	}
	g.must(w.cmd.Start())
	go func() {
		_ = w.cmd.Wait() // the state is read from ProcessState
		close(w.done)
	}()
	g.t.Cleanup(func() {
		_ = w.cmd.Process.Kill() // it may have ended
		<-w.done
	})
	return w
}

func (w *waiting) output() output {
	stdout, _ := os.ReadFile(w.stdout)
	stderr, _ := os.ReadFile(w.stderr)
	return output{stdout: string(stdout), stderr: string(stderr), code: w.cmd.ProcessState.ExitCode()}
}

// says waits until the command has printed that.
func (w *waiting) says(want string) {
	w.t.Helper()
	eventually(w.t, patience, "the command to say "+want, func() error {
		if out := w.output(); !strings.Contains(out.stdout+out.stderr, want) {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
}

// ends waits for its end, and checks how it ends and what it has said.
func (w *waiting) ends(code int, says ...string) output {
	w.t.Helper()
	select {
	case <-w.done:
	case <-time.After(2 * patience):
		w.t.Fatalf("it does not end: %v", w.output())
	}
	out := w.output()
	for _, s := range says {
		if !strings.Contains(out.stdout+out.stderr, s) {
			w.t.Errorf("it does not say %q: %v", s, out)
		}
	}
	if out.code != code {
		w.t.Errorf("it ends with %d, want %d: %v", out.code, code, out)
	}
	return out
}

// held is a guide whose stage migrate goes on while a file is there.
func newHeldGuide(t *testing.T, who account) (g *guide, hold string) {
	g = newGuide(t, who, `stage "migrate" {
      command = ["/bin/sh", "-c", "while test -e HOLD; do sleep 0.02; done"]
    }`)
	hold = filepath.Join(g.dir, "hold")
	g.rewrite("wsgid.d/wsgiapp.hcl", "HOLD", hold)
	g.say("Hello")
	g.must(os.WriteFile(hold, nil, 0o644))
	return g, hold
}

// A command that waits for a deploy goes on when the daemon is killed and another one
// takes its place: it tells what became of the deploy.
func TestDeployIsFollowedAtTheNextDaemon(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		t.Parallel()
		g, hold := newHeldGuide(t, who)
		d := g.run()
		one, two := g.deploy("wsgiapp-dev"), (*waiting)(nil)
		one.says("Run migrate")
		two = g.deploy("--wait", "wsgiapp-dev")
		two.says("wsgid-fleet: wsgiapp-dev: waits: another deploy of it is in progress (deploy of ")
		pid := d.Process.Pid
		d.kill(t)
		gone := fmt.Sprintf("cannot read from the daemon (pid %d): ", pid)
		one.says(gone)
		two.says(gone)
		g.must(os.Remove(hold))
		d = g.run()
		one.ends(1, "waiting for the next one", "migrate: interrupted", "cannot deploy wsgiapp-dev: the process that ran it was terminated; before that migrate ran in the new release: its changes remain; the running app was not changed")
		// What had not begun yet begins now.
		two.ends(0, "Fetch the code", "migrate: completed", "wsgiapp-dev is successfully deployed on http://"+g.hello)
		g.says("Hello")

		// By -o json what it prints is the result, and nothing else.
		g.say("Hello again")
		g.must(os.WriteFile(hold, nil, 0o644))
		one = g.deploy("-o", "json", "wsgiapp-dev")
		eventually(t, patience, "the stage", func() error {
			if out := g.ok("deploys", "show", "wsgiapp-dev", g.deploys()[0].ID); !strings.Contains(out.stdout, "migrate: running") {
				return fmt.Errorf("%v", out)
			}
			return nil
		})
		d.kill(t)
		one.says("waiting for the next one")
		g.must(os.Remove(hold))
		g.run()
		if out := one.ends(1); !strings.HasPrefix(out.stdout, "{") || !strings.Contains(out.stdout, `"result": "interrupted"`) {
			t.Errorf("%v", out)
		}
		g.says("Hello")
	})
}

// An upgrade waits for the deploys that are under way, and those for which commands
// wait already; who comes later, and waits, is served by the new program. Of a daemon
// that is told to stop the next one serves those who wait.
func TestDeployWaitsForAnUpgrade(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		t.Parallel()
		g, hold := newHeldGuide(t, who)
		d := g.run()
		one := g.deploy("wsgiapp-dev")
		one.says("Run migrate")
		two := g.deploy("wsgiapp-dev", "--wait")
		two.says("waits: another deploy of it is in progress")
		g.must(d.Process.Signal(syscall.SIGUSR2))
		d.says(t, "re-executed when the deploys in progress have finished")
		three := g.deploy("wsgiapp", "dev", "--wait")
		three.says("the daemon is about to re-execute itself, and waits for the deploy of wsgiapp-dev")
		g.must(os.Remove(hold))
		deployed := "wsgiapp-dev is successfully deployed on http://" + g.hello
		one.ends(0, deployed)
		two.ends(0, "Run migrate", deployed)
		three.ends(0, "Run migrate", deployed)
		if !strings.Contains(d.text(), "re-executing the program") {
			t.Error(d.text())
		}

		g.must(os.WriteFile(hold, nil, 0o644))
		one = g.deploy("wsgiapp-dev")
		one.says("Run migrate")
		two = g.deploy("wsgiapp-dev", "--wait")
		two.says("waits: another deploy of it is in progress")
		if code := d.stop(t); code != 0 {
			t.Errorf("it ended with %d", code)
		}
		g.must(os.Remove(hold))
		g.run()
		one.ends(1, "migrate: interrupted", "cannot deploy wsgiapp-dev: ")
		two.ends(0, "Run migrate", deployed)
		g.says("Hello")
	})
}

// Ctrl-C stops a command that waits, for another deploy or for a daemon, at once, and
// a deploy at the next point where nothing is touched yet.
func TestDeployStopsByCtrlC(t *testing.T) {
	t.Parallel()
	g, hold := newHeldGuide(t, someone(t))
	d := g.run()
	one := g.deploy("wsgiapp-dev")
	one.says("Run migrate")
	two := g.deploy("wsgiapp-dev", "--wait")
	two.says("waits: another deploy of it is in progress")
	g.must(two.cmd.Process.Signal(syscall.SIGINT))
	two.ends(1, "interrupted")
	g.must(one.cmd.Process.Signal(syscall.SIGINT))
	one.ends(1, "interrupted; it stops before it changes what is being served")
	g.must(os.Remove(hold))
	eventually(t, patience, "the deploy to stop", func() error {
		if all := g.deploys(); len(all) != 1 || all[0].Result != "interrupted" {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
	g.must(os.WriteFile(hold, nil, 0o644))
	one = g.deploy("wsgiapp-dev")
	one.says("Run migrate")
	d.kill(t)
	one.says("waiting for the next one")
	g.must(one.cmd.Process.Signal(syscall.SIGINT))
	one.ends(1, "interrupted")
	g.must(os.Remove(hold))
	g.run()
	g.ok("deploy", "wsgiapp-dev", "--wait")
	g.says("Hello")
	// Once what serves was changed it is too late.
	g.rewrite("wsgid.d/wsgiapp.hcl", `stage "migrate" {`, "stage \"migrate\" {\n      when = \"after\"")
	g.must(os.WriteFile(hold, nil, 0o644))
	one = g.deploy("wsgiapp-dev")
	one.says("Run migrate")
	g.must(one.cmd.Process.Signal(syscall.SIGINT))
	one.ends(1, "interrupted; it goes on to its end, as it was changing what is being served: wsgid-fleet deploys wsgiapp-dev")
	g.must(os.Remove(hold))
	eventually(t, patience, "the deploy to end", func() error {
		if all := g.deploys(); all[0].Result != "ok" {
			return fmt.Errorf("%+v", all[0])
		}
		return nil
	})
}
