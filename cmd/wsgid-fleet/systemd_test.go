package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const helloApp = `import time
time.sleep(0.3)  # a start that takes its time

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]
`

const helloSpec = `app "hello" {
  path     = "/srv/hello"
  wsgi_app = "hello:application"
  user     = "www-data"
  sockets {
    http { listen = "127.0.0.1:8899" }
  }
  workers { count = 2 }
  limits {
    memory = "512MiB"
    cpu    = 1.5
    tasks  = 100
  }
}
`

// The units as they are shipped say nothing that systemd does not know.
func TestUnitsVerify(t *testing.T) {
	dir := t.TempDir()
	files, err := filepath.Glob("../../examples/systemd/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no units", err)
	}
	var units []string
	for _, file := range files {
		if ext := filepath.Ext(file); ext == ".md" || ext == ".yml" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The program may not be installed on this machine.
		b = []byte(strings.ReplaceAll(string(b), "/usr/local/bin/wsgid-fleet", "/bin/true"))
		unit := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(unit, b, 0o644); err != nil {
			t.Fatal(err)
		}
		units = append(units, unit)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestSystemd is the service, as examples/systemd/README.md has it, on a real systemd. The parts follow
// each other on one machine.
func TestSystemd(t *testing.T) {
	m := bootMachine(t)
	m.write("/srv/hello/app/hello.py", helloApp)
	m.write("/etc/wsgid.d/hello.hcl", helloSpec)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.try("journalctl", "-u", "wsgid-fleet", "--no-pager", "-o", "short-precise", "-n", "300")
			t.Logf("journal:\n%s", out)
		}
	})
	for i, part := range []struct {
		name string
		run  func(*testing.T, *machine)
	}{
		{"start waits for READY", systemdStart},
		{"scope holds processes and limits", systemdScope},
		{"limits change in place", systemdLimits},
		{"another master joins the scope", systemdReplace},
		{"journal has fields", systemdJournal},
		{"an app logs to the journal", systemdAppJournal},
		{"reload passes through RELOADING", systemdReload},
		{"restart refuses no connection", systemdRestart},
		{"killed daemon loses nothing", systemdKill},
		{"USR2 upgrades in place", systemdUpgrade},
		{"watchdog replaces a stuck daemon", systemdWatchdog},
		{"socket unit is served", systemdSocket},
		{"stop drains everything", systemdStop},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, m.with(t)) }) && i == 0 {
			return // what follows builds on it
		}
	}
}

const hello = "http://127.0.0.1:8899/"

// status is status -o json of one app.
func (m *machine) status() map[string]any {
	m.t.Helper()
	out, _ := m.try("wsgid-fleet", "status", "hello", "-o", "json")
	var status struct {
		Apps []map[string]any `json:"apps"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Apps) != 1 {
		m.t.Fatalf("status: %v\n%s", err, out)
	}
	return status.Apps[0]
}

// master is the pid of the app's master.
func (m *machine) master() string {
	m.t.Helper()
	master, ok := m.status()["master"].(map[string]any)
	if !ok {
		m.t.Fatalf("no master runs: %v", m.status())
	}
	return fmt.Sprint(master["pid"])
}

// notified waits until systemd was told this by the daemon.
func (m *machine) notified(what string) {
	m.t.Helper()
	m.until("systemd is told "+what, time.Minute, func() error {
		if out, err := m.try("journalctl", "--no-pager", "-o", "cat", "_PID=1"); err != nil || !strings.Contains(out, what) {
			return fmt.Errorf("not yet (%w)", err)
		}
		return nil
	})
}

func systemdStart(t *testing.T, m *machine) {
	m.run("systemctl", "start", "wsgid-fleet")
	// No waiting here: start has waited.
	if got := m.run("curl", "-sS", "-m", "5", hello); got != "hello\n" {
		t.Errorf("the app answers %q", got)
	}
	m.until("the status text tells it", time.Minute, func() error {
		if got := m.property("wsgid-fleet", "StatusText"); got != "1 app: 1 ready" {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	if got := m.property("wsgid-fleet", "NFileDescriptorStore"); got != "1" {
		t.Errorf("%s descriptors are stored, want 1", got)
	}
}

func systemdScope(t *testing.T, m *machine) {
	const unit = "wsgid-hello.scope"
	m.until("all three processes are in the scope", time.Minute, func() error {
		pids := m.cgroupPids("/wsgid.slice/" + unit)
		if len(pids) != 3 || !slices.Contains(pids, m.master()) {
			return fmt.Errorf("pids %v", pids)
		}
		return nil
	})
	for name, want := range map[string]string{
		"Slice": "wsgid.slice", "MemoryMax": "536870912", "CPUQuotaPerSecUSec": "1.500000s", "TasksMax": "100",
	} {
		if got := m.property(unit, name); got != want {
			t.Errorf("%s of %s is %s, want %s", name, unit, got, want)
		}
	}
	if pids := m.cgroupPids(m.property("wsgid-fleet", "ControlGroup")); len(pids) != 1 {
		t.Errorf("the daemon's control group holds %v, want the daemon alone", pids)
	}
}

// cgroupPids are the processes of a control group and those below it, by the pids
// of the machine.
func (m *machine) cgroupPids(group string) []string {
	m.t.Helper()
	out := m.run("sh", "-c", `for p in /proc/[0-9]*; do grep -q -e "name=systemd:.*$1\$" -e "^0::.*$1\$" $p/cgroup 2>/dev/null && echo ${p#/proc/}; done; true`, "sh", group)
	return strings.Fields(out)
}

func systemdLimits(t *testing.T, m *machine) {
	master := m.master()
	m.write("/etc/wsgid.d/hello.hcl", strings.Replace(helloSpec, `"512MiB"`, `"768MiB"`, 1))
	m.until("the scope has the new limit", time.Minute, func() error {
		if got := m.property("wsgid-hello.scope", "MemoryMax"); got != "805306368" {
			return fmt.Errorf("MemoryMax is %s", got)
		}
		return nil
	})
	if now := m.master(); now != master {
		t.Errorf("master %s was replaced by %s for a limit", master, now)
	}
}

// systemdReplace changes what only another master can take over: it comes into
// the scope of the one before, which leaves it.
func systemdReplace(t *testing.T, m *machine) {
	master := m.master()
	m.write("/etc/wsgid.d/hello.hcl", strings.Replace(helloSpec, "8899\" }", "8899\" }\n    http { listen = \"127.0.0.1:8900\" }", 1))
	m.until("another master and its workers alone are in the scope", time.Minute, func() error {
		now := m.master()
		pids := m.cgroupPids("/wsgid.slice/wsgid-hello.scope")
		if now == master || len(pids) != 3 || !slices.Contains(pids, now) {
			return fmt.Errorf("master %s, before %s, in the scope %v", now, master, pids)
		}
		return nil
	})
	if pids := m.cgroupPids(m.property("wsgid-fleet", "ControlGroup")); len(pids) != 1 {
		t.Errorf("the daemon's control group holds %v, want the daemon alone", pids)
	}
	m.write("/etc/wsgid.d/hello.hcl", helloSpec)
	m.until("the socket is gone again", time.Minute, func() error {
		if _, err := m.try("curl", "-sS", "-m", "5", "http://127.0.0.1:8900/"); err == nil {
			return fmt.Errorf("it answers")
		}
		return nil
	})
}

func systemdReload(t *testing.T, m *machine) {
	// From here on the journal tells each notification that systemd took. (Not
	// before: then the journal takes the daemon for the systemd that forked it.)
	m.run("systemd-analyze", "log-level", "debug")
	m.run("systemctl", "reload", "wsgid-fleet")
	m.notified("RELOADING=1")
	m.until("the reload has ended", time.Minute, func() error {
		if got := m.property("wsgid-fleet", "ActiveState"); got != "active" {
			return fmt.Errorf("the service is %s", got)
		}
		return nil
	})
}

func systemdJournal(t *testing.T, m *machine) {
	m.until("the journal has an entry of the app", time.Minute, func() error {
		out := m.run("journalctl", "--no-pager", "-o", "json", "-n", "1", "-u", "wsgid-fleet", "WSGID_APP=hello", "WSGID_STATE=ready")
		var entry map[string]any
		if err := json.Unmarshal([]byte(out), &entry); err != nil {
			return fmt.Errorf("%w in %q", err, out)
		}
		if entry["PRIORITY"] != "6" || entry["SYSLOG_IDENTIFIER"] != "wsgid-fleet" {
			t.Errorf("the entry is %v", entry)
		}
		return nil
	})
}

func systemdRestart(t *testing.T, m *machine) {
	l := m.load(hello)
	before := m.property("wsgid-fleet", "MainPID")
	for range 3 {
		m.run("systemctl", "restart", "wsgid-fleet")
	}
	if now := m.property("wsgid-fleet", "MainPID"); now == before {
		t.Error("the daemon is the same")
	}
	l.lost()
}

func systemdKill(t *testing.T, m *machine) {
	l := m.load(hello)
	master, before := m.master(), m.property("wsgid-fleet", "MainPID")
	m.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "wsgid-fleet")
	m.until("another daemon runs", time.Minute, func() error {
		if got := m.property("wsgid-fleet", "MainPID"); got == before || got == "0" || m.property("wsgid-fleet", "ActiveState") != "active" {
			return fmt.Errorf("main pid %s", got)
		}
		return nil
	})
	if now := m.master(); now != master {
		t.Errorf("master %s was replaced by %s, not taken over", master, now)
	}
	l.lost()
}

func systemdUpgrade(t *testing.T, m *machine) {
	l := m.load(hello)
	master, before := m.master(), m.property("wsgid-fleet", "MainPID")
	// A new file in the old one's place, as a package manager puts it.
	m.run("sh", "-c", "cp /usr/local/bin/wsgid-fleet /usr/local/bin/new && mv /usr/local/bin/new /usr/local/bin/wsgid-fleet")
	old := m.run("stat", "-L", "-c", "%i", "/proc/"+before+"/exe")
	m.run("systemctl", "kill", "--kill-whom=main", "-s", "USR2", "wsgid-fleet")
	m.until("the new program runs in the old one's process", time.Minute, func() error {
		if now := m.run("stat", "-L", "-c", "%i", "/proc/"+before+"/exe"); now == old {
			return fmt.Errorf("it is the old program")
		}
		_, err := m.try("wsgid-fleet", "status")
		return err
	})
	if now := m.property("wsgid-fleet", "MainPID"); now != before {
		t.Errorf("pid %s became %s", before, now)
	}
	if now := m.master(); now != master {
		t.Errorf("master %s was replaced by %s", master, now)
	}
	if got := m.property("wsgid-fleet", "NFileDescriptorStore"); got != "1" {
		t.Errorf("%s descriptors are stored, want 1", got)
	}
	l.lost()
}

func systemdWatchdog(t *testing.T, m *machine) {
	m.write("/etc/systemd/system/wsgid-fleet.service.d/watchdog.conf", "[Service]\nWatchdogSec=1\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "wsgid-fleet")
	m.notified("WATCHDOG=1")
	l := m.load(hello)
	master, before := m.master(), m.property("wsgid-fleet", "MainPID")
	m.run("kill", "-STOP", before)
	m.until("the stuck daemon is replaced", time.Minute, func() error {
		if got := m.property("wsgid-fleet", "MainPID"); got == before || got == "0" || m.property("wsgid-fleet", "ActiveState") != "active" {
			return fmt.Errorf("main pid %s", got)
		}
		return nil
	})
	if now := m.master(); now != master {
		t.Errorf("master %s was replaced by %s", master, now)
	}
	l.lost()
	m.run("rm", "-r", "/etc/systemd/system/wsgid-fleet.service.d")
	m.run("systemctl", "daemon-reload")
}

func systemdSocket(t *testing.T, m *machine) {
	m.run("systemctl", "stop", "wsgid-fleet")
	m.write("/etc/wsgid.d/hello.hcl", strings.Replace(helloSpec, "127.0.0.1:8899", "systemd:blog", 1))
	m.run("systemctl", "start", "wsgid-fleet-blog.socket", "wsgid-fleet")
	const url = "http://127.0.0.1:8000/"
	if got := m.run("curl", "-sS", "-m", "5", url); got != "hello\n" {
		t.Errorf("the app answers %q", got)
	}
	l := m.load(url)
	m.run("systemctl", "restart", "wsgid-fleet")
	m.run("systemctl", "kill", "--kill-whom=main", "-s", "USR2", "wsgid-fleet")
	m.run("wsgid-fleet", "reload", "hello")
	l.lost()
	if got := m.property("wsgid-fleet", "NFileDescriptorStore"); got != "0" {
		t.Errorf("%s descriptors are stored, want 0: the unit holds the socket", got)
	}
}

func systemdStop(t *testing.T, m *machine) {
	m.run("systemctl", "stop", "wsgid-fleet", "wsgid-fleet-blog.socket")
	// systemd forgets an empty scope when the kernel tells that it is empty, which
	// on cgroup v1 may be never: that no process is left is what counts.
	m.until("the scope is empty", time.Minute, func() error {
		if m.property("wsgid-hello.scope", "LoadState") == "not-found" {
			return nil
		}
		if out, err := m.try("pgrep", "-f", "^wsgid: master hello|wsgid_worker.py hello"); err == nil {
			return fmt.Errorf("processes are left: %s", out)
		}
		return nil
	})
	if out, err := m.try("curl", "-sS", "-m", "5", "http://127.0.0.1:8000/"); err == nil {
		t.Errorf("a stopped app answers %q", out)
	}
	if got := m.property("wsgid-fleet", "Result"); got != "success" {
		t.Errorf("the service ended with %s", got)
	}
}
