package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// The README's sequence: init, config, start, and then the rest of a life.
func TestLife(t *testing.T) {
	ordinary(t)
	s := newApp(t)
	s.ok("config", "--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:2", "--wsgi-app=hello.application", "--workers=2")
	address := s.listen() // so that it can be asked without a mongrel2

	if got := s.ok("start"); !strings.HasPrefix(got, "Started: master ") || !strings.HasSuffix(got, " worker(s), log DIR/logs/wsgid.log.\n") {
		t.Errorf("start prints %s", got)
	}
	pid, uid := get(t, address)
	if want := max(os.Geteuid(), nobody*btoi(os.Geteuid() == 0)); uid != want {
		t.Errorf("the worker runs as %d, want %d", uid, want)
	}
	eventually(t, "both workers", func() bool { return len(pids(t, s.ok("status"), "Worker")) == 2 })
	status := s.ok("status")
	masters, workers := pids(t, status, "Master"), pids(t, status, "Worker")
	if !strings.HasPrefix(status, "Status: Running\n") || len(masters) != 1 || !slices.Contains(workers, pid) {
		t.Errorf("%s\nthe worker is %d", status, pid)
	}
	for _, name := range []string{"pid/master/" + strconv.Itoa(masters[0]), "pid/worker/" + strconv.Itoa(workers[0])} {
		if _, err := os.Stat(filepath.Join(s.dir, name+".pid")); err != nil {
			t.Error(err)
		}
	}

	s.ok("restart")
	if now, _ := get(t, address); slices.Contains(workers, now) {
		t.Errorf("worker %d is still the old one", now)
	}
	if now := pids(t, s.ok("status"), "Master"); !slices.Equal(now, masters) {
		t.Errorf("the master was replaced: %v", now)
	}

	s.ok("stop")
	code, out, _ := s.run("status")
	if code != exitStopped || out != "Status: Stopped\nMaster pid(s): \nWorker pid(s): \n" {
		t.Errorf("exit %d, %s", code, out)
	}
	if got := s.instances(); got != "[]" {
		t.Errorf("the state directory still holds %s", got)
	}
	for _, command := range []string{"stop", "restart"} {
		if got := s.ok(command); got != "Nothing runs on DIR.\n" {
			t.Errorf("%s prints %s", command, got)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSeveralInstances(t *testing.T) {
	s := newApp(t)
	start := []string{"--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:2", "--wsgi-app=hello.application"}
	for range 3 {
		s.ok(start...)
	}
	status := s.ok("status")
	if n := len(pids(t, status, "Master")); n != 3 {
		t.Errorf("%d masters\n%s", n, status)
	}
	old := pids(t, status, "Worker")
	s.ok("restart")
	eventually(t, "the end of the old workers", func() bool {
		now := pids(t, s.ok("status"), "Worker")
		return len(now) == 3 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(old, pid) })
	})
	// A dead instance's number is taken again.
	master := pids(t, status, "Master")[0]
	if err := unix.Kill(master, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the master's end", func() bool { return !appdir.ProcAlive(master, 0) })
	if !strings.Contains(s.ok("status"), strconv.Itoa(master)+"(dead)") {
		t.Errorf("status does not tell the dead master:\n%s", s.ok("status"))
	}
	s.ok(start...)
	if got := strings.Count(s.instances(), "@"); got != 3 {
		t.Errorf("%d names: %s", got, s.instances())
	}
	s.ok("stop")
	if code, out, _ := s.run("status"); code != exitStopped {
		t.Errorf("after stop:\n%s", out)
	}
}

func TestStartFails(t *testing.T) {
	ordinary(t)
	s := newApp(t)
	const next = "; give --NAME=ENDPOINT, the SPEC of the mongrel2 handler, or keep it in wsgid.json: wsgid config --app-path=DIR --NAME=ENDPOINT\nTry \"wsgid --help\".\n"
	missing := func(name, spec string) string {
		return "wsgid: cannot start DIR: " + name + " is missing" + strings.NewReplacer("NAME", name, "SPEC", spec).Replace(next)
	}
	s.fails(64, missing("recv", "send_spec"))
	s.fails(64, missing("recv", "send_spec"), "--send=tcp://127.0.0.1:1")
	s.fails(64, missing("send", "recv_spec"), "--recv=tcp://127.0.0.1:1")
	s.fails(64, "wsgid: cannot start DIR: recv and send are both tcp://127.0.0.1:1; recv is the handler's send_spec and send its recv_spec, two endpoints\nTry \"wsgid --help\".\n",
		"--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:1")
	good := []string{"--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:2"}

	s.write("app/broken.py", "import no_such_module\n")
	code, _, errs := s.run(append(good, "--wsgi-app=broken.application")...)
	if code != 1 || !strings.HasPrefix(errs, "wsgid: cannot start DIR: ") || !strings.Contains(errs, "DIR/app/broken.py\", line 1") ||
		!strings.Contains(errs, "No module named 'no_such_module'") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if code, out, _ := s.run("status"); code != exitStopped || s.instances() != "[]" {
		t.Errorf("a failed start left something:\n%s%s", out, s.instances())
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.write("wsgid.json", `{"wsgi_app": "hello.application", "fleet": {"sockets": {"http": [{"listen": "`+l.Addr().String()+`"}]}}}`)
	s.fails(1, "wsgid: cannot start DIR: cannot listen on "+l.Addr().String()+": the port is taken by another process (ss -ltnp shows which)\n", "start")
	s.write("wsgid.json", `{"fleet": {"virtualenv": "venv", "sockets": {"http": [{"listen": "127.0.0.1:1"}]}}}`)
	code, _, errs = s.run("start")
	if code != 1 || !strings.Contains(errs, ": it does not exist; create it: python3 -m venv DIR/venv") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	s.write("wsgid.json", `{"workers": {}}`)
	s.fails(1, "wsgid: cannot read DIR/wsgid.json: workers is {} at line 1, column 13, want a number from 1\n", "start")
	if os.Geteuid() != 0 {
		s.write("wsgid.json", `{"chroot": true, "recv": "ipc:///a", "send": "ipc:///b"}`)
		code, _, errs = s.run("start")
		if code != 1 || !strings.Contains(errs, "with chroot: this needs root") {
			t.Errorf("exit %d\n%s", code, errs)
		}
	}
	if s.instances() != "[]" {
		t.Errorf("left: %s", s.instances())
	}
}

func TestFileWins(t *testing.T) {
	s := newApp(t)
	s.write("wsgid.json", `{"workers": "1", "recv": "tcp://127.0.0.1:1", "send": "tcp://127.0.0.1:2", "worker": 3, "wsgi_app": "hello.application"}`)
	s.own()
	code, _, errs := s.run("--workers=2", "--recv=tcp://127.0.0.1:1")
	want := `wsgid: warning: DIR/wsgid.json: unknown option "worker" at line 1, column 86; did you mean "workers"?
wsgid: warning: --workers has no effect: wsgid.json says workers = 1, and the file wins
`
	if code != 0 || errs != want {
		t.Errorf("exit %d\ngot  %s\nwant %s", code, errs, want)
	}
	if n := len(pids(t, s.ok("status"), "Worker")); n != 1 {
		t.Errorf("%d workers", n)
	}
}

// A folder that the fleet keeps can be started by hand, and is the same app.
func TestFolderOfTheFleet(t *testing.T) {
	ordinary(t)
	s := newApp(t)
	address := freeport.Addr(t)
	spec := appspec.Default("blog", s.dir)
	spec.WSGIApp = "hello:application"
	spec.Workers.Min, spec.Workers.Max = 2, 2
	spec.Sockets.HTTP = []appspec.HTTPSocket{appspec.NewHTTPSocket(address)}
	owner, err := appdir.ResolveOwner(spec, os.Geteuid() == 0)
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := appdir.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	if _, err := appdir.Repair(fsys, spec, owner, nil); err != nil {
		t.Fatal(err)
	}
	before := s.read("wsgid.json")
	s.ok("start")
	get(t, address)
	if after := s.read("wsgid.json"); after != before {
		t.Errorf("wsgid changed the fleet's file:\n%s", after)
	}
	// And the fleet finds nothing to mend while it runs.
	status := s.ok("status")
	live := func(pid int) bool {
		return slices.Contains(pids(t, status, "Master"), pid) || slices.Contains(pids(t, status, "Worker"), pid)
	}
	if p, err := appdir.Check(fsys, spec, owner, live); err != nil || len(p) > 0 {
		t.Errorf("%v, %v", p, err)
	}
}

func TestForeground(t *testing.T) {
	ordinary(t)
	for _, stream := range []string{"stderr", "stdout"} {
		t.Run(stream, func(t *testing.T) {
			s := newApp(t)
			address := s.listen()
			args := []string{"--no-daemon", "--wsgi-app=hello.application"}
			if stream == "stdout" {
				args = append(args, "--stdout")
			}
			cmd := s.command(args...)
			pipe, err := cmd.StderrPipe()
			if stream == "stdout" {
				pipe, err = cmd.StdoutPipe()
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(pipe)
			seen := func(what string) bool {
				for lines.Scan() {
					if strings.Contains(lines.Text(), what) {
						return true
					}
				}
				return false
			}
			if !seen("is ready") {
				t.Fatal("no worker was ready")
			}
			pid, _ := get(t, address)
			if err := cmd.Process.Signal(unix.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if !seen("generation 2 serves") {
				t.Fatal("SIGHUP was not passed on")
			}
			if now, _ := get(t, address); now == pid {
				t.Error("the worker was not replaced")
			}
			if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if !seen("master ends") {
				t.Error("the master did not say that it ends")
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if s.instances() != "[]" {
				t.Errorf("left: %s", s.instances())
			}
		})
	}
}

func TestNoKeepAlive(t *testing.T) {
	s := newApp(t)
	s.ok("--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:2", "--wsgi-app=hello.application", "--no-keep-alive", "--workers=2")
	eventually(t, "both workers", func() bool { return len(pids(t, s.ok("status"), "Worker")) == 2 })
	// wsgid's way to restart by force: the signal ends the workers, and here none
	// comes back.
	s.ok("restart", "--send-signal=KILL")
	eventually(t, "the end of the master", func() bool { code, _, _ := s.run("status"); return code == exitStopped })
}

func TestSignals(t *testing.T) {
	s := newApp(t)
	address := s.listen()
	s.ok("--wsgi-app=hello.application")
	pid, _ := get(t, address)
	s.ok("restart", "--send-signal", "9")
	eventually(t, "another worker", func() bool {
		w := pids(t, s.ok("status"), "Worker")
		return len(w) == 1 && w[0] != pid
	})
	s.ok("stop", "--send-signal=SIGTTIN") // one worker more
	eventually(t, "two workers", func() bool { return len(pids(t, s.ok("status"), "Worker")) == 2 })
	workers := pids(t, s.ok("status"), "Worker")
	s.ok("stop", "--send-signal=KILL")
	for _, w := range workers {
		eventually(t, "the worker's end", func() bool { return !appdir.ProcAlive(w, 0) })
	}
}

// A pid file proves nothing: the process it names is left alone.
func TestForeignPIDFile(t *testing.T) {
	ordinary(t)
	s := newApp(t)
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	pid := strconv.Itoa(cmd.Process.Pid)
	for _, kind := range []string{"master", "worker"} {
		s.write("pid/"+kind+"/"+pid+".pid", pid)
	}
	s.own()
	code, out, _ := s.run("status")
	if want := "Status: Stopped\nMaster pid(s): " + pid + "(dead)\nWorker pid(s): " + pid + "(dead)\n"; code != exitStopped || out != want {
		t.Errorf("exit %d, %s", code, out)
	}
	for _, args := range [][]string{{"stop"}, {"stop", "--send-signal=KILL"}, {"restart"}, {"restart", "--send-signal=KILL"}} {
		if got := s.ok(args...); got != "Nothing runs on DIR.\n" {
			t.Errorf("%v prints %s", args, got)
		}
	}
	select {
	case <-ended:
		t.Error("the foreign process was killed")
	case <-time.After(50 * time.Millisecond): // long enough for a signal that was sent to be seen
	}
	if !appdir.ProcAlive(cmd.Process.Pid, 0) {
		t.Error("the foreign process is gone")
	}
}

// A master that was started from another state directory is found through its
// pid file and proved by what it is.
func TestOtherStateDirectory(t *testing.T) {
	ordinary(t)
	s := newApp(t)
	address := s.listen()
	s.ok("--wsgi-app=hello.application")
	pid, _ := get(t, address)
	other := &site{t: t, dir: s.dir, state: s.state + "2"}
	if got := other.ok("status"); !strings.HasPrefix(got, "Status: Running\n") {
		t.Errorf("got %s", got)
	}
	other.ok("restart")
	eventually(t, "a new worker", func() bool { now, _ := get(t, address); return now != pid })
	other.ok("stop")
	if code, out, _ := s.run("status"); code != exitStopped {
		t.Errorf("got %s", out)
	}
}

func TestUntrustedStateDirectory(t *testing.T) {
	s := newApp(t)
	start := []string{"--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:2"}
	if err := os.Mkdir(s.state, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.state, 0o777); err != nil {
		t.Fatal(err)
	}
	s.fails(1, "wsgid: cannot use state directory "+s.state+": its mode 0777 allows others to write to it, and its contents are trusted; chmod 0700 it\n", start...)
	if err := os.Remove(s.state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.fails(1, "wsgid: cannot use state directory "+s.state+": it is not a directory; name another with --state-dir\n", start...)
	_ = os.Remove(s.state)
	if os.Geteuid() == 0 {
		if err := os.Mkdir(s.state, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(s.state, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		s.fails(1, "wsgid: cannot use state directory "+s.state+": it belongs to uid 65534, and its contents are trusted; name another with --state-dir\n", start...)
		_ = os.Remove(s.state)
	}
}

// A folder of root's runs as root, with a warning.
func TestRootsFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can; an ordinary user's apps run as himself, see TestLife")
	}
	s := newSite(t)
	s.ok("init")
	s.write("app/hello.py", "def application(environ, start_response): pass\n")
	code, _, errs := s.run("--recv=tcp://127.0.0.1:1", "--send=tcp://127.0.0.1:2", "--wsgi-app=hello.application")
	want := "wsgid: warning: DIR belongs to root, so the app runs as root: an attacker who gets into it controls the machine; chown -R USER DIR\n"
	if code != 0 || errs != want {
		t.Errorf("exit %d, %s", code, errs)
	}
}
