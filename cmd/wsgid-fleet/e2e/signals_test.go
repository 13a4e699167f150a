package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// TestSignalsBehindAnUpgrade sends the daemon a signal in each moment of its
// executing itself anew. None is lost, none ends it with an app undrained, and what
// is started afterwards can be told to stop.
func TestSignalsBehindAnUpgrade(t *testing.T) {
	t.Parallel()
	needKit(t)
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("a/app/m.py", "def application(e, s):\n s('200 OK', [])\n return [b'ok']\n")
	_ = os.Chmod(dir, 0o755)
	user := ""
	if os.Geteuid() == 0 {
		user = `user = "www-data"`
	}
	put("d/a.hcl", fmt.Sprintf("app \"a\" {\n path = \"%[1]s/a\"\n wsgi_app = \"m:application\"\n %[2]s\n sockets {\n http {\n listen = \"unix:%[1]s/a.sock\"\n }\n }\n}\n", dir, user))
	flags := []string{"--dir", dir + "/d", "--state-dir", dir + "/s", "--data-dir", dir + "/data"}
	status := func() string {
		out, _ := exec.CommandContext(t.Context(), kit.fleet, append([]string{"status", "-o", "json"}, flags...)...).Output()
		return strings.NewReplacer(" ", "", "\n", "").Replace(string(out))
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		if !await.Until(patience, 10*time.Millisecond, ok) {
			log, _ := os.ReadFile(dir + "/log")
			t.Fatalf("never seen: %s; status:\n%s\nlog:\n%s", what, status(), log)
		}
	}
	ready := func() bool {
		return strings.Contains(status(), `"state":"ready"`) && strings.Contains(status(), `"daemon":{"pid"`)
	}
	masters := func() []string {
		found, _ := filepath.Glob(dir + "/s/apps/a/master-*.json")
		return found
	}
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var daemon *exec.Cmd
	var ended chan struct{}
	run := func() {
		t.Helper()
		daemon = exec.CommandContext(t.Context(), kit.fleet, append([]string{"run"}, flags...)...)
		daemon.Stdout, daemon.Stderr = log, log
		if err := daemon.Start(); err != nil {
			t.Fatal(err)
		}
		ended = make(chan struct{})
		cmd, done := daemon, ended
		go func() { defer close(done); _ = cmd.Wait() }()
		until("the app is ready", ready)
	}
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := daemon.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	run()
	for i := range 12 {
		delay := time.Duration(i*5) * time.Millisecond
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2} {
			send(syscall.SIGUSR2)
			time.Sleep(delay) // the moment is what is tried
			send(sig)
			until(fmt.Sprintf("the daemon is there, %v after USR2 came %v", delay, sig), func() bool {
				select {
				case <-ended:
					t.Fatalf("%v, %v after USR2, has ended the daemon: %v", sig, delay, daemon.ProcessState)
				default:
				}
				return ready()
			})
		}
		send(syscall.SIGUSR2)
		time.Sleep(delay)
		send(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("TERM, %v after USR2, is lost", delay)
		}
		if left := masters(); len(left) > 0 || !daemon.ProcessState.Success() {
			t.Fatalf("TERM, %v after USR2: the daemon ended with %v and left %v", delay, daemon.ProcessState, left)
		}
		run()
	}
	// Whatever an upgraded daemon starts takes signals as any process.
	send(syscall.SIGUSR2)
	until("the daemon is there again", ready)
	if out, err := exec.CommandContext(t.Context(), kit.fleet, append([]string{"restart", "a"}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var workers []string
	until("a worker", func() bool {
		workers = nil
		for _, m := range regexp.MustCompile(`"pid":(\d+),"state":"idle"`).FindAllStringSubmatch(status(), -1) {
			workers = append(workers, m[1])
		}
		return len(workers) > 0
	})
	for _, pid := range workers {
		b, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"SigBlk:\t0000000000000000", "SigPnd:\t0000000000000000"} {
			if !strings.Contains(string(b), line) {
				t.Errorf("worker %s, want %q:\n%s", pid, line, b)
			}
		}
	}
	send(syscall.SIGTERM)
	<-ended
}
