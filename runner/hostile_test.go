package runner

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// What an app puts into its virtualenv stops its own workers at most: the master
// answers, says why, and goes on when it is mended.
func TestVirtualenvThatStopsPython(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Virtualenv = "venv" })
	venv := filepath.Join(a.spec.Path, "venv")
	if out, err := exec.Command("/usr/bin/python3", "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conf := filepath.Join(venv, "pyvenv.cfg")
	h := a.start(StateReady)
	if err := errors.Join(os.Rename(conf, conf+".good"), unix.Mkfifo(conf, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(a.workerPID(t, h), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	want := "its pyvenv.cfg is a FIFO; recreate it: python3 -m venv --clear " + venv
	a.wait(h, func(s Status) bool { return strings.Contains(s.LastError, want) })
	if err := os.Rename(conf+".good", conf); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(s Status) bool { return s.State == StateReady })
	if code, body := a.get("/"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
}

// The app folder is what was judged when the master was started: what is put at
// its path afterwards gets no file and no owner of it.
func TestAppFolderThatIsSwapped(t *testing.T) {
	a := newTestApp(t, helloApp, nil)
	victim := filepath.Join(filepath.Dir(a.spec.Path), "victim")
	log := filepath.Join(victim, applog.FileName)
	for _, d := range []string{"logs", "pid/master", "pid/worker"} {
		if err := os.MkdirAll(filepath.Join(victim, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := a.start(StateReady)
	aside := a.spec.Path + ".real"
	if err := errors.Join(os.Rename(a.spec.Path, aside), os.Symlink(victim, a.spec.Path)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.PID, unix.SIGHUP); err != nil { // opens the log anew, and writes pid files
		t.Fatal(err)
	}
	a.wait(h, func(Status) bool {
		text, _ := os.ReadFile(filepath.Join(aside, applog.FileName))
		return strings.Contains(string(text), "SIGHUP")
	})
	if err := errors.Join(os.Remove(a.spec.Path), os.Rename(aside, a.spec.Path)); err != nil {
		t.Fatal(err)
	}
	// Its rollout may have found the other folder, without an application, and was given
	// up then. The next one finds its own.
	a.wait(h, func(s Status) bool { return s.Rollout == 0 })
	if err := unix.Kill(h.PID, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(s Status) bool { return s.State == StateReady && s.Rollout == 0 && s.RolloutError == "" })
	if text, err := os.ReadFile(log); err != nil || len(text) > 0 {
		t.Errorf("the other folder's log holds %q, %v", text, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(log, &st); err != nil || int(st.Uid) != os.Geteuid() || st.Mode&0o777 != 0o600 {
		t.Errorf("the other folder's log has mode %o and belongs to %d, %v", st.Mode, st.Uid, err)
	}
	for _, d := range []string{"pid/master", "pid/worker"} {
		if es, err := os.ReadDir(filepath.Join(victim, d)); err != nil || len(es) > 0 {
			t.Errorf("the other folder's %s holds %v, %v", d, es, err)
		}
	}
}

// lyingTemplate names, instead of the worker that it forked, the process whose
// number a file holds.
const lyingTemplate = `
import os, subprocess
from wsgid import link
lie = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lie")
tell = link.tell
def lying(sock, kind, fields):
    if kind == link.FORK and "pid" in fields and os.path.exists(lie):
        fields = {"pid": int(open(lie).read())}
    tell(sock, kind, fields)
link.tell = lying
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`

// The number of a process that a template names is a number that the application
// chose: a process that is not its own child is neither watched nor signalled.
func TestTemplateThatNamesAnotherProcess(t *testing.T) {
	for _, tt := range []struct {
		name string
		user uint32
		want string
	}{
		{"of root", 0, " is not its child, but a child of "},
		{"of the same user", 33, " is not its child, but a child of "},
		{"the master", 0, " is already known"},
		{"init", 0, " is already known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newTestApp(t, lyingTemplate, func(s *appspec.Spec) {
				s.Workers.Preload = true
				s.Workers.Min, s.Workers.Max = 0, 1
			})
			victim := exec.Command("sleep", "1000")
			victim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if os.Geteuid() == 0 && tt.user != 0 {
				victim.SysProcAttr.Credential = &syscall.Credential{Uid: tt.user, Gid: tt.user}
			}
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { _ = victim.Wait(); close(ended) }()
			t.Cleanup(func() { _ = victim.Process.Kill(); <-ended })
			h := a.start(StateIdle)
			pid := map[string]int{"the master": h.PID, "init": 1}[tt.name]
			if pid == 0 {
				pid = victim.Process.Pid
			}
			lie := filepath.Join(a.spec.Path, "lie")
			if err := os.WriteFile(lie, []byte(strconv.Itoa(pid)), 0o644); err != nil {
				t.Fatal(err)
			}
			go func() { // wakes it
				c, err := net.Dial("tcp", a.addr)
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
			}()
			a.wait(h, func(s Status) bool {
				for _, w := range s.Workers {
					if w.PID == pid {
						t.Fatalf("process %d is taken for a worker", pid)
					}
				}
				return strings.Contains(s.LastError, "reported a process that is not a worker: process "+strconv.Itoa(pid)+tt.want)
			})
			if err := os.Remove(lie); err != nil {
				t.Fatal(err)
			}
			a.wait(h, func(s Status) bool { return len(s.Workers) == 1 && s.Workers[0].State == WorkerIdle })
			if code, body := a.get("/"); code != 200 || body != "ok" {
				t.Errorf("%d %s", code, body)
			}
			if err := h.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := h.Wait(a.ctx()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
				t.Error("the other process was ended")
			default:
			}
		})
	}
}

// Another process of the app's user, such as another app's worker, reads neither
// the environment nor the memory of a worker. What the master reads of it goes on.
func TestWorkersAreHidden(t *testing.T) {
	for _, preload := range []bool{false, true} {
		t.Run(fmt.Sprintf("preload %v", preload), func(t *testing.T) {
			a := newTestApp(t, helloApp, func(s *appspec.Spec) {
				s.Workers.Preload = preload
				s.Env = map[string]string{"SECRET": "of this app"}
			})
			h := a.start(StateReady)
			pid := a.workerPID(t, h)
			for _, file := range []string{"environ", "mem", "maps", "fd/0"} {
				cat := exec.Command("head", "-c1", fmt.Sprintf("/proc/%d/%s", pid, file))
				if os.Geteuid() == 0 {
					cat.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 33, Gid: 33}}
				}
				out, err := cat.CombinedOutput()
				if err == nil || !strings.Contains(string(out), "Permission denied") {
					t.Errorf("%s: %v, %q", file, err, out)
				}
			}
			a.wait(h, func(s Status) bool { return len(s.Workers) == 1 && s.Workers[0].RSS > 1<<20 })
			if log := a.logText(); strings.Contains(log, "other processes of the app's user") {
				t.Errorf("the log says:\n%s", log)
			}
		})
	}
}
