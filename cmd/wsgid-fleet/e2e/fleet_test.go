package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// machine is one host of a fleet: a daemon with directories of its own.
type machine struct {
	t      *testing.T
	id     string
	dir    string
	source string
	cmd    *exec.Cmd
}

func (m *machine) flags() []string {
	return []string{"--state-dir", m.dir + "/s", "--data-dir", m.dir + "/data"}
}

func (m *machine) run() {
	m.t.Helper()
	log, err := os.OpenFile(m.dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	m.cmd = exec.Command(kit.fleet, append(m.flags(), "run", "--source", m.source, "--host-id", m.id, "--region", "eu1")...)
	m.cmd.Env = append(os.Environ(), "MACHINE="+m.dir)
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) end(sig syscall.Signal) {
	if m.cmd.ProcessState == nil {
		_ = m.cmd.Process.Signal(sig)
		_ = m.cmd.Wait()
	}
}

// masters are the pids of the masters that this host says it runs, by app.
func (m *machine) masters() map[string]int {
	out, err := exec.Command(kit.fleet, append(m.flags(), "status", "-o", "json")...).Output()
	var status struct {
		Apps []struct {
			Name   string
			State  string
			Master *struct{ PID int }
		}
	}
	if json.Unmarshal(out, &status) != nil {
		m.t.Logf("status of %s: %s, %v", m.id, out, err)
		return nil
	}
	pids := map[string]int{}
	for _, a := range status.Apps {
		if a.Master != nil && a.State == "ready" {
			pids[a.Name] = a.Master.PID
		}
	}
	return pids
}

// answers tells whether the app is served on that host.
func (m *machine) answers(app string) bool {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", m.dir+"/"+app+".sock")
		}}}
	resp, err := client.Get("http://localhost/")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// TestTwoMachines: apps are shared by two daemons, move when one is cordoned and not
// while etcd is away, when a daemon that is killed takes over what runs.
func TestTwoMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("starts daemons, masters and Python workers")
	}
	needKit(t)
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	_ = os.Chmod(dir, 0o755)
	server := etcdtest.Start(t)
	source := "etcd://" + server.Endpoint + "/wsgid/test"
	put := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fleet := func(args ...string) (string, int) {
		cmd := exec.Command(kit.fleet, append(args, "--source", source)...)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	user := ""
	if os.Geteuid() == 0 {
		user = `user = "www-data"`
	}
	apps := []string{"a", "b", "c", "d"}
	for _, app := range apps {
		put(dir+"/specs/"+app+".hcl", fmt.Sprintf("app %q {\n path = \"${env(\"MACHINE\")}/%[1]s\"\n wsgi_app = \"m:application\"\n %[2]s\n backends {\n region = \"eu1\"\n }\n sockets {\n http {\n listen = \"unix:${env(\"MACHINE\")}/%[1]s.sock\"\n }\n }\n}\n", app, user))
	}
	machines := []*machine{}
	for _, id := range []string{"one", "two"} {
		m := &machine{t: t, id: id, dir: filepath.Join(dir, id), source: source}
		for _, app := range apps {
			put(m.dir+"/"+app+"/app/m.py", "def application(e, s):\n s('200 OK', [])\n return [b'ok']\n")
		}
		machines = append(machines, m)
		t.Cleanup(func() {
			if t.Failed() {
				log, _ := os.ReadFile(m.dir + "/log")
				t.Logf("host %s:\n%s", m.id, log)
			}
		})
	}
	one, two := machines[0], machines[1]
	until := func(what string, is func() bool) {
		t.Helper()
		if !await.Until(2*time.Minute, 50*time.Millisecond, is) {
			out, _ := fleet("status", "--fleet")
			t.Fatalf("never seen: %s; one runs %v, two runs %v\n%s", what, one.masters(), two.masters(), out)
		}
	}
	if out, code := fleet("push", dir+"/specs"); code != 0 || !strings.Contains(out, "generation 1: 4 files, 4 apps") {
		t.Fatalf("push: %d\n%s", code, out)
	}
	for _, m := range machines {
		m.run()
		t.Cleanup(func() { m.end(syscall.SIGTERM) })
	}
	shared := func(first, second *machine) bool {
		x, y := first.masters(), second.masters()
		return len(x)+len(y) == len(apps) && len(x) > 0 && len(y) > 0
	}
	until("both share the apps", func() bool { return shared(one, two) })
	until("the fleet is as it should be", func() bool { // a host tells once a second what it serves
		out, code := fleet("status", "--fleet")
		return code == 0 && strings.Contains(out, "4 apps on 2 hosts")
	})
	if out, code := fleet("push", dir+"/specs", "--dry-run"); code != 0 {
		t.Errorf("a push of the same: %d\n%s", code, out)
	}
	// The plan says where each app goes, and what a push would move.
	var plan struct {
		Apps []struct{ App, Change string }
	}
	if out, code := fleet("plan", "-o", "json"); code != 0 || json.Unmarshal([]byte(out), &plan) != nil || len(plan.Apps) != len(apps) {
		t.Errorf("plan: %d\n%s", code, out)
	}
	put(dir+"/next/a.hcl", fmt.Sprintf("app \"a\" {\n path = \"/srv/a\"\n wsgi_app = \"m:application\"\n %s\n backends {\n region = \"us1\"\n }\n sockets {\n http {\n listen = \"127.0.0.1:1\"\n }\n }\n}\n", user))
	if out, code := fleet("plan", "--dir", dir+"/next"); code != 2 || !strings.Contains(out, "moves 4 apps of 4") || strings.Count(out, "removed") != 3 ||
		!strings.Contains(out, `warning: no host is in region "us1", which app a asks for; hosts are in eu1`) {
		t.Errorf("plan of another directory: %d\n%s", code, out)
	}
	// etcd away, a daemon killed: what runs is what ran.
	was := two.masters()
	server.Kill()
	two.end(syscall.SIGKILL)
	two.run()
	until("the next daemon has what ran", func() bool { return reflect.DeepEqual(two.masters(), was) })
	until("it says why nothing is moved", func() bool {
		out, code := two.by("status")
		return code == 0 && strings.Contains(out, "warning: this host is not in the fleet: cannot join etcd://") && strings.Contains(out, "; running apps continue, and none is started, stopped or moved until that is over")
	})
	server.Run()
	server.Wait()
	until("both are there", func() bool { _, code := fleet("status", "--fleet"); return code == 0 })
	if got := two.masters(); !reflect.DeepEqual(got, was) {
		t.Errorf("two runs %v, not %v", got, was)
	}
	// A cordon: each app is ready on the other host before it leaves this one.
	if out, code := fleet("cordon", "two"); code != 0 {
		t.Fatal(out)
	}
	until("one runs all", func() bool {
		for app := range was {
			// In this order: who serves it last is asked last.
			if !two.answers(app) && !one.answers(app) {
				t.Errorf("nobody serves %s", app)
				return true
			}
		}
		return len(one.masters()) == len(apps) && len(two.masters()) == 0
	})
	out, _ := fleet("endpoints", "-o", "haproxy")
	if strings.Count(out, "backend ") != len(apps) {
		t.Errorf("endpoints:\n%s", out)
	}
}
