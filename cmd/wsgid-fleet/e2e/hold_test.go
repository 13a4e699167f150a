package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// answers waits until hello's answers begin so.
func (b *harness) answers(greeting string) {
	b.t.Helper()
	eventually(b.t, patience, "an answer that begins with "+greeting, func() error {
		code, body, err := get(b.hello, "/")
		if err != nil || code != 200 || !strings.HasPrefix(body, greeting) {
			return fmt.Errorf("%d %q, %w", code, body, err)
		}
		return nil
	})
}

// An edit that waits for apply waits over whatever happens to the daemon and to the
// machine: HUP, USR2, the death of a master, of the daemon, and a reboot.
func TestAnEditWaitsOverSignalsAndAReboot(t *testing.T) {
	t.Parallel()
	b := newHarness(t, someone(t))
	b.only("hello")
	b.equip = func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "--hold", "--data-dir", filepath.Join(b.dir, "data"))
		return nil
	}
	d := b.run()
	if a := b.await("hello", "waiting", 0); a.Waiting != "it is new" {
		t.Errorf("new: %+v", a)
	}
	b.ok("apply")
	before := b.await("hello", "ready", 2)
	const waits = "env.GREETING and workers.count change"
	b.replace("wsgid.d/hello.hcl", `GREETING = "Hello"`, `GREETING = "Moin"`)
	b.replace("wsgid.d/hello.hcl", "count = 2", "count = 3")

	held := func(after string) appStatus {
		t.Helper()
		var app appStatus
		eventually(t, patience, "the edit to wait after "+after, func() error {
			a, err := b.app("hello")
			if err == nil && (a.State != "ready" || a.Waiting != waits || len(a.Workers) != 2 || a.Master == nil) {
				err = fmt.Errorf("it is %+v", a)
			}
			app = a
			return err
		})
		b.answers("Hello from")
		return app
	}
	same := func(after string) {
		t.Helper()
		if a := held(after); fmt.Sprint(a.pids()) != fmt.Sprint(before.pids()) {
			t.Errorf("after %s other processes serve: %v, not %v", after, a.pids(), before.pids())
		}
	}
	same("the edit")

	b.must(d.Process.Signal(syscall.SIGHUP))
	same("HUP")

	s, err := b.status()
	b.must(err)
	b.must(d.Process.Signal(syscall.SIGUSR2))
	eventually(t, patience, "the daemon to be another program", func() error {
		now, err := b.status()
		if err == nil && (now.Daemon == nil || now.Daemon.PID != d.Process.Pid || now.Daemon.Since.Equal(s.Daemon.Since)) {
			err = fmt.Errorf("it is %+v, and was %+v", now.Daemon, s.Daemon)
		}
		return err
	})
	same("USR2")

	d.kill(t)
	d = b.run()
	same("the death of the daemon")

	b.must(syscall.Kill(before.Master.PID, syscall.SIGKILL))
	eventually(t, patience, "another master", func() error {
		if a := held("the death of its master"); a.Master.PID == before.Master.PID {
			return fmt.Errorf("it is %d still", a.Master.PID)
		}
		return nil
	})

	// All that runs ends at once, and /run is empty.
	d.kill(t)
	b.must(killAll(b.dir))
	b.must(os.RemoveAll(b.state))
	d = b.run()
	held("a reboot")

	b.ok("apply")
	b.answers("Moin from")
	if a := b.await("hello", "ready", 3); a.Waiting != "" {
		t.Errorf("applied, it waits: %+v", a)
	}
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}

// A release that a deployer switches by its link is served without a loss, stays the
// deployer's, and one that does not work changes nothing.
func TestALinkToAReleaseIsSwitched(t *testing.T) {
	t.Parallel()
	b := newHarness(t, someone(t))
	b.only("hello")
	releases := filepath.Join(b.demo, "releases")
	deployer := os.Geteuid()
	if deployer == 0 {
		deployer = int(credential(t, "games").Uid)
	}
	release := func(name, code string) {
		t.Helper()
		dir := filepath.Join(releases, name)
		b.must(os.MkdirAll(dir, 0o755))
		path := filepath.Join(dir, "hello.py")
		b.must(os.WriteFile(path, []byte(code), 0o644))
		b.must(os.Chown(path, deployer, -1))
		b.must(os.Chown(dir, deployer, -1))
	}
	code := func(name string) string {
		return "def application(environ, start_response):\n" +
			"    body = (\"" + name + " \" + environ[\"PATH_INFO\"]).encode()\n" +
			"    start_response(\"200 OK\", [(\"Content-Length\", str(len(body)))])\n    return [body]\n"
	}
	link := filepath.Join(releases, "current")
	point := func(name string) { // as deployers do: another link is renamed onto it
		t.Helper()
		b.must(os.Symlink(name, link+".new"))
		b.must(os.Rename(link+".new", link))
	}
	release("1", code("one"))
	release("2", code("two"))
	release("3", "def application(:\n")
	point("1")
	b.replace("wsgid.d/hello.hcl", `  wsgi_app = "hello:application"`, fmt.Sprintf("  wsgi_app = \"hello:application\"\n  path = %q\n  own_code = false", link))
	d := b.run()
	b.await("hello", "ready", 2)
	b.answers("one ")
	done := b.load("hello", b.hello)

	point("2")
	b.answers("two ")
	served := b.await("hello", "ready", 2)

	point("3")
	eventually(t, patience, "the release that does not work to be told", func() error {
		a, err := b.app("hello")
		if err == nil && (a.State != "degraded" || !strings.Contains(a.Reason, "SyntaxError")) {
			err = fmt.Errorf("it is %+v", a)
		}
		return err
	})
	b.answers("two ")
	if a, err := b.app("hello"); err != nil || a.Master == nil || a.Master.PID != served.Master.PID {
		t.Errorf("the master that served is another one: %+v, %v", a, err)
	}

	point("2")
	b.await("hello", "ready", 2)
	point("1")
	b.answers("one ")
	b.await("hello", "ready", 2)
	done()

	for _, name := range []string{"1", "2", "3"} {
		for _, path := range []string{filepath.Join(releases, name), filepath.Join(releases, name, "hello.py")} {
			info, err := os.Stat(path)
			b.must(err)
			if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != deployer || info.Mode().Perm()&0o022 != 0 {
				t.Errorf("%s is not its deployer's any more: %v", path, info.Sys())
			}
		}
	}
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}
