package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// A browser before the console of a real fleet: browser/tour.mjs is what it does and
// sees, this is what happens meanwhile.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	who := account{name: "user"}
	if os.Geteuid() == 0 {
		who = account{name: "root", apps: credential(t, "www-data")}
	}
	b := newHarness(t, who)
	modules := browserModules(t)
	b.only("hello")
	const secret, hidden = "inline-pa55word", "process-pa55word"
	const timed = "schedule-pa55word"
	b.replace("wsgid.d/hello.hcl", `GREETING = "Hello"`, fmt.Sprintf(`GREETING = "Hello", KEY = sensitive(%q)`, secret))
	b.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http { listen = %q }\n}\n", freeport.Addr(t)))
	b.replace("wsgid.d/hello.hcl", "  workers {", fmt.Sprintf("  process \"queue\" {\n    command = [\"sh\", \"-c\", %q, sensitive(%q)]\n  }\n\n  schedule \"yearly\" {\n    cron    = \"0 3 1 1 *\"\n    command = [\"true\", sensitive(%q)]\n  }\n\n  workers {\n    request_timeout = \"1h\"",
		"exec sleep 1000", hidden, timed))
	// A request that goes on until a file is there.
	goOn := filepath.Join(b.demo, "go-on")
	b.replace("apps/hello/app/hello.py", "import os\n", "import os, time\n\ndef napping():\n    while not os.path.exists("+strconv.Quote(goOn)+"):\n        time.sleep(0.1)\n")
	b.replace("apps/hello/app/hello.py", "    text = ", "    if environ[\"PATH_INFO\"] == \"/nap\":\n        napping()\n    text = ")
	addr := freeport.Addr(t)
	b.equip = func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "--hold", "--console", addr)
		return nil
	}
	d := b.run()
	b.ok("apply")
	b.await("hello", "ready", 2)

	// Traffic, for the charts.
	ctx, cancel := context.WithCancel(t.Context())
	traffic := make(chan struct{})
	go func() {
		defer close(traffic)
		for ctx.Err() == nil {
			_, _, _ = get(b.hello, "/") // it is broken, and stopped, for a while
			time.Sleep(50 * time.Millisecond)
		}
	}()
	defer func() { cancel(); <-traffic }()

	good, err := os.ReadFile(filepath.Join(b.demo, "apps/hello/app/hello.py"))
	b.must(err)
	napped := make(chan error, 1)
	acts := map[string]func(){
		"break hello": func() {
			b.write("apps/hello/app/hello.py", "def application(:\n")
			b.must(syscall.Kill(b.await("hello", "ready", 2).Master.PID, syscall.SIGKILL))
		},
		"mend hello":   func() { b.write("apps/hello/app/hello.py", string(good)); b.ok("restart", "hello") },
		"write a line": func() { b.appendLog("hello", "needle <img src=x>\n") },
		"write more than a page of lines": func() {
			for i := range 151 {
				b.appendLog("hello", fmt.Sprintf("line %d\n", i))
			}
		},
		"edit hello":             func() { b.replace("wsgid.d/hello.hcl", "count = 2", "count = 3"); b.awaitWaiting("hello") },
		"edit hello again":       func() { b.replace("wsgid.d/hello.hcl", "count = 3", "count = 1"); b.awaitPlan("1") },
		"see that it is applied": func() { b.await("hello", "ready", 1) },
		"stop hello":             func() { b.ok("stop", "hello") },
		"start hello":            func() { b.ok("start", "hello") },
		"kill the daemon":        func() { d.kill(t) },
		"start hello without the daemon": func() {
			b.ok("start", "hello")
			b.await("hello", "ready", 1)
		},
		"run the daemon": func() { d = b.run() },
		"nap": func() {
			go func() {
				resp, err := http.Get("http://" + b.hello + "/nap") // however long the browser takes meanwhile
				if err == nil {
					resp.Body.Close()
				}
				if err == nil && resp.StatusCode != http.StatusOK {
					err = fmt.Errorf("status %s", resp.Status)
				}
				napped <- err
			}()
		},
		"see it by the command": func() {
			if out := b.ok("status", "hello", "--stack"); !strings.Contains(out.stdout, ": GET /nap for ") || !strings.Contains(out.stdout, " in napping\n") {
				t.Errorf("status --stack: %s", out)
			}
		},
		"wake up": func() {
			b.must(os.WriteFile(goOn, nil, 0o644))
			b.must(<-napped)
		},
	}
	b.browse("tour.mjs", acts,
		"MODULES="+modules, "LOGIN="+b.oneTime(), "VIEWER="+b.oneTime("--viewer"), "SECRETS="+strings.Join([]string{secret, hidden, timed}, "\n"))
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	if strings.Contains(d.text(), hidden) || strings.Contains(d.text(), secret) || strings.Contains(d.text(), timed) {
		t.Error("the daemon's log has a secret")
	}
}

// needBrowser leaves a test out where there is to be no browser.
func needBrowser(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters, Python workers and a browser")
	}
	componenttest.Wanted(t, "chromium")
}

// browserModules is where what drives the browser lies.
func browserModules(t *testing.T) string {
	t.Helper()
	dir, err := makeBrowser()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// makeBrowser is run once: two of make would take each other's files away.
var makeBrowser = sync.OnceValues(func() (string, error) {
	top, err := filepath.Abs("../../..")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), "make", "-s", "browser", "modules")
	cmd.Dir = top
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make browser modules: %w\n%s", err, out)
	}
	return filepath.Join(top, ".cache/browser"), nil
})

// oneTime is a URL that logs in.
func (b *harness) oneTime(args ...string) string {
	b.t.Helper()
	return strings.TrimSpace(b.ok("console", args...).stdout)
}

// appendLog has an app's log have a line more.
func (b *harness) appendLog(app, line string) {
	b.t.Helper()
	f, err := os.OpenFile(filepath.Join(b.demo, "apps", app, "logs/wsgid.log"), os.O_APPEND|os.O_WRONLY, 0)
	b.must(err)
	_, err = f.WriteString(line)
	b.must(err)
	b.must(f.Close())
}

// awaitWaiting waits until an edit of an app waits for apply.
func (b *harness) awaitWaiting(app string) {
	b.t.Helper()
	eventually(b.t, patience, "an edit of "+app+" to wait", func() error {
		out := b.fleet("status", app)
		if !strings.Contains(out.stdout, "apply") {
			return fmt.Errorf("status: %s", out)
		}
		return nil
	})
}

// awaitPlan waits until the plan leads to that value.
func (b *harness) awaitPlan(value string) {
	b.t.Helper()
	eventually(b.t, patience, "the plan to lead to "+value, func() error {
		if out := b.fleet("plan"); !strings.Contains(out.stdout, "→ "+value) {
			return fmt.Errorf("plan: %s", out)
		}
		return nil
	})
}

// browse runs a script that drives a browser, and does what it asks for.
func (b *harness) browse(script string, acts map[string]func(), env ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 3*patience)
	defer cancel()
	home := b.t.TempDir()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("browser", script))
	cmd.Env = append(os.Environ(), append(env, "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "CHROMIUM=/usr/bin/chromium")...)
	// The browser goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	b.must(err)
	stdout, err := cmd.StdoutPipe()
	b.must(err)
	b.must(cmd.Start())
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }() // it has ended
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		what, ok := strings.CutPrefix(lines.Text(), "do ")
		act := acts[what]
		if !ok || act == nil {
			b.t.Errorf("%s says %q", script, lines.Text())
		} else {
			act()
		}
		_, _ = stdin.Write([]byte("\n")) // it may have ended
	}
	if err := cmd.Wait(); err != nil {
		b.t.Fatalf("%s: %v\n%s", script, err, complaints.String())
	}
	b.t.Log(complaints.String())
}
