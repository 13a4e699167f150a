package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// clean waits until nothing but releases is left of deploys in the app folder.
func (g *guide) clean() {
	g.t.Helper()
	folder := filepath.Join(g.demo, "apps/wsgiapp-dev")
	eventually(g.t, patience, "the app folder to be clean", func() error {
		if left, _ := filepath.Glob(filepath.Join(folder, ".*")); len(left) > 0 {
			return fmt.Errorf("left in the app folder: %v", left)
		}
		return nil
	})
	if left, err := filepath.Glob(filepath.Join(folder, "repository/*/*.lock")); err != nil || len(left) > 0 {
		g.t.Errorf("left by git: %v, %v", left, err)
	}
	if found, _ := filepath.Glob(filepath.Join(folder, "releases/*")); len(found) > 7 { // keep is 5; the failed ones go with the next good one
		g.t.Errorf("%d releases are left: %v", len(found), found)
	}
}

// deploying starts a deploy, and calls back when it says a line that begins so.
func (g *guide) deploying(line string, then func(*os.Process)) output {
	g.t.Helper()
	args := []string{"deploy", "--dir", g.specs, "wsgiapp-dev"}
	if g.who.root() {
		args = append(args, "--state-dir", g.state)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := g.make(ctx, g.program(), args...)
	out := &heard{line: line, then: func() { then(cmd.Process) }}
	var errs strings.Builder
	cmd.Stdout, cmd.Stderr = out, &errs
	_ = cmd.Run() // it may be killed
	if ctx.Err() != nil {
		g.t.Fatalf("the deploy does not end:\n%s%s", out.text.String(), errs.String())
	}
	return output{stdout: out.text.String(), stderr: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// heard is what a command says; then is called once, at a line.
type heard struct {
	text strings.Builder
	line string
	then func()
}

func (h *heard) Write(p []byte) (int, error) {
	h.text.Write(p)
	if h.then != nil && strings.Contains("\n"+h.text.String(), "\n"+h.line) {
		h.then()
		h.then = nil
	}
	return len(p), nil
}

// The command that deploys is killed in each stage, twice, without a daemon: what
// served serves on, and the next deploy, or a daemon, finishes or cleans up.
func TestCommandKilledInEachStage(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		g := newGuide(t, who, strings.Replace(everyStage, "echo migrated", "echo $$ >PIDS/migrate; test ! -e PIDS/slow || exec sleep 600", 1))
		g.must(os.WriteFile(filepath.Join(g.repo, "requirements.txt"), []byte("# nothing\n"), 0o644))
		pids := filepath.Join(g.dir, "pids")
		slow, running := filepath.Join(pids, "slow"), filepath.Join(pids, "migrate")
		g.must(os.Mkdir(pids, 0o777))
		g.must(os.Chmod(pids, 0o777))
		g.rewrite("wsgid.d/wsgiapp.hcl", "PIDS", pids)
		g.say("Hello")
		g.ok("deploy", "wsgiapp-dev")
		done := g.load("wsgiapp-dev", g.hello)
		n := 0
		rounds := []bool{false, true} // whether a daemon starts before the next deploy
		if !who.root() {
			rounds = rounds[1:] // it is the same but for whom the processes belong to
		}
		for _, settles := range rounds {
			for _, stage := range everyTitle {
				n++
				text := fmt.Sprintf("Hello %d", n)
				g.say(text)
				inside := stage == "Run migrate"
				if inside {
					g.must(os.WriteFile(slow, nil, 0o644))
				}
				_ = os.Remove(running) // of the last deploy
				g.deploying(stage, func(p *os.Process) {
					if inside {
						eventually(t, patience, "the stage to run", func() error {
							text, err := os.ReadFile(running)
							if err == nil && !strings.HasSuffix(string(text), "\n") {
								err = fmt.Errorf("it has written %q", text)
							}
							return err
						})
					}
					_ = p.Kill()
				})
				if inside {
					g.gone(running)
					g.must(os.Remove(slow))
				}
				if settles {
					d := g.run()
					eventually(t, patience, "no deploy to be left in the middle after "+stage, func() error {
						if out := g.fleet("deploys", "wsgiapp-dev"); out.code != 0 || strings.Contains(out.stdout, "  running  ") {
							return fmt.Errorf("%v", out)
						}
						return nil
					})
					g.await("wsgiapp-dev", "ready", 1)
					d.kill(t)
				}
				g.say(text + " at last")
				g.ok("deploy", "wsgiapp-dev")
				g.says(text + " at last")
			}
		}
		done()
		if out := g.ok("deploys", "wsgiapp-dev"); strings.Contains(out.stdout, "  running  ") {
			t.Errorf("%v", out)
		}
		g.clean()
	})
}

// gone waits until the process is gone whose number a file has.
func (g *guide) gone(file string) {
	g.t.Helper()
	text, err := os.ReadFile(file)
	g.must(err)
	pid := strings.TrimSpace(string(text))
	eventually(g.t, patience, "the stage to end with its deploy", func() error {
		if b, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(b), ") Z ") {
			return fmt.Errorf("process %s lives on", pid)
		}
		return nil
	})
}

// An upgrade of the daemon waits for the deploy under way. A command that only
// follows a deploy of the daemon may be killed: that asks the deploy to stop.
func TestUpgradeWaitsForADeploy(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		g := newGuide(t, who, `stage "migrate" {
      command = ["/bin/sh", "-c", "while test -e HOLD; do sleep 0.02; done"]
    }`)
		hold := filepath.Join(g.dir, "hold")
		g.rewrite("wsgid.d/wsgiapp.hcl", "HOLD", hold)
		g.say("Hello")
		d := g.run()
		g.must(os.WriteFile(hold, nil, 0o644))
		out := g.deploying("Run migrate", func(*os.Process) {
			g.must(d.Process.Signal(syscall.SIGUSR2))
			d.says(t, "re-executed when the deploys in progress have finished")
			if out := g.fleet("deploy", "wsgiapp-dev"); out.code != 1 || !strings.Contains(out.stderr, "the daemon is about to re-execute itself, and waits for the deploy of wsgiapp-dev; try again") {
				t.Error(out)
			}
			g.must(os.Remove(hold))
		})
		if out.code != 0 || !strings.Contains(out.stdout, "successfully deployed") {
			t.Errorf("%v\n%s", out, d.text())
		}
		d.says(t, "re-executing the program")
		eventually(t, patience, "a deploy by the new program", func() error {
			if out := g.fleet("deploy", "wsgiapp-dev"); out.code != 0 {
				return fmt.Errorf("%v", out)
			}
			return nil
		})
		g.says("Hello")

		g.say("Hello again")
		g.must(os.WriteFile(hold, nil, 0o644))
		g.deploying("Run migrate", func(p *os.Process) { _ = p.Kill() })
		g.must(os.Remove(hold))
		eventually(t, patience, "the deploy to stop at the next safe point", func() error {
			if out := g.ok("deploys", "wsgiapp-dev"); !strings.Contains(out.stdout, "interrupted") {
				return fmt.Errorf("%v", out)
			}
			return nil
		})
		g.says("Hello")
		g.clean()
	})
}

// says waits until the daemon has logged a text.
func (d *daemon) says(t *testing.T, want string) {
	t.Helper()
	eventually(t, patience, "the daemon to say "+want, func() error {
		if !strings.Contains(d.text(), want) {
			return fmt.Errorf("it says\n%s", d.text())
		}
		return nil
	})
}
