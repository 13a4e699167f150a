package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
)

const procApp = `
import json, os, subprocess

def application(environ, start_response):
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    roots = {}
    for p in pids:
        try:
            roots[p] = sorted(os.listdir("/proc/%d/root" % p))
        except OSError as e:
            roots[p] = []
    out = {
        "pids": pids, "roots": sorted(set(sum(roots.values(), []))), "pid": os.getpid(), "self": os.readlink("/proc/self"),
        "fds": len(os.listdir("/proc/self/fd")), "cpus": "processor" in open("/proc/cpuinfo").read(),
        "memory": "MemTotal" in open("/proc/meminfo").read(), "exe": os.readlink("/proc/self/exe"),
        "status": "Name:" in open("/proc/self/status").read(),
        "child": subprocess.run(["/bin/echo", "of a child"], stdout=subprocess.PIPE).stdout.decode().strip(),
        "state": [os.listdir(d) for d in ["STATE"] if os.path.isdir(d)],
    }
    if environ["PATH_INFO"] == "/orphan":
        # One whose parent ends: the namespace's first process has to collect it.
        subprocess.run(["/bin/sh", "-c", "(sleep 0.1 &) ; exit 0"])
    body = json.dumps(out).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
`

type procAnswer struct {
	PIDs                 []int
	Roots                []string
	PID                  int
	Self, Exe, Child     string
	FDs                  int
	CPUs, Memory, Status bool
	State                [][]string
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: chroot does")
	}
}

// An app in a chroot finds no way out through /proc, though processes of the same
// user run outside; the master's numbers, files and signals are the host's.
func TestChrootHasItsOwnProc(t *testing.T) {
	needsRoot(t)
	outside := exec.Command("/bin/sleep", "300")
	outside.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 33, Gid: 33}}
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = outside.Process.Kill(); _ = outside.Wait() }()
	for _, preload := range []bool{false, true} {
		t.Run(fmt.Sprintf("preload=%v", preload), func(t *testing.T) {
			a := newTestApp(t, "", func(s *appspec.Spec) {
				s.Chroot, s.Workers.Preload = true, preload
				s.Workers.Min, s.Workers.Max = 2, 2
			})
			a.write("app.py", strings.Replace(procApp, "STATE", filepath.Join(a.state, "apps", "demo"), 1))
			h := a.start(StateReady)
			a.wait(h, func(st Status) bool {
				return len(st.Workers) == 2 && st.Workers[0].State == WorkerIdle && st.Workers[1].State == WorkerIdle
			})
			code, body := a.get("/orphan")
			if code != 200 {
				t.Fatalf("got %d %s", code, body)
			}
			var is procAnswer
			if err := json.Unmarshal([]byte(body), &is); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(is.PIDs, outside.Process.Pid) || len(is.PIDs) > 5 {
				t.Errorf("/proc shows processes from outside: %v", is.PIDs)
			}
			for _, no := range []string{"home", "root", "boot", "var"} {
				if slices.Contains(is.Roots, no) {
					t.Errorf("/proc leads to a root that holds %v", is.Roots)
				}
			}
			if is.Self != strconv.Itoa(is.PID) || is.FDs == 0 || !is.CPUs || !is.Memory || !is.Status || is.Child != "of a child" || !strings.Contains(is.Exe, "python") {
				t.Errorf("a normal program is not served: %+v", is)
			}
			for _, s := range is.State {
				if len(s) > 0 {
					t.Errorf("the workers see the state directory: %v", s)
				}
			}

			// Outside, all is as ever.
			st, err := h.Status(a.ctx(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range st.Workers {
				if p := procStatus(t, w.PID); p["Uid"] != "33\t33\t33\t33" || p["NoNewPrivs"] != "1" {
					t.Errorf("worker %d is %v", w.PID, p)
				}
				if w.RSS < 1<<20 {
					t.Errorf("worker %d has %d bytes", w.PID, w.RSS)
				}
				if _, err := os.Stat(filepath.Join(a.spec.Path, "pid", "worker", fmt.Sprintf("%d.pid", w.PID))); err != nil {
					t.Error(err)
				}
			}
			victim := st.Workers[0].PID
			if err := unix.Kill(victim, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			st = a.wait(h, func(n Status) bool {
				return len(n.Workers) == 2 && !pids(n)[victim] && n.Workers[0].State == WorkerIdle && n.Workers[1].State == WorkerIdle
			})

			// The first process of the namespace gone: so are the workers, and others come.
			inits := appdir.ChildrenOf(fmt.Sprintf("/proc/%d/task", h.PID))
			first := 0
			for _, pid := range inits {
				if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasPrefix(string(b), sandbox.InitName) {
					first = pid
				}
			}
			if first == 0 {
				t.Fatalf("the master's children are %v", inits)
			}
			t.Logf("the first process has %s", procStatus(t, first)["VmRSS"])
			old := pids(st)
			if err := unix.Kill(first, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			st = a.wait(h, func(n Status) bool {
				return len(n.Workers) == 2 && !old[n.Workers[0].PID] && !old[n.Workers[1].PID] && n.Workers[0].State == WorkerIdle && n.Workers[1].State == WorkerIdle
			})
			if code, body := a.get("/"); code != 200 {
				t.Fatalf("got %d %s", code, body)
			}

			// The master gone: nothing stays.
			all := appdir.ChildrenOf(fmt.Sprintf("/proc/%d/task", h.PID))
			for pid := range pids(st) {
				all = append(all, pid)
			}
			if err := unix.Kill(h.PID, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			await.Nil(t, patience, "the end of all", func() error {
				left := slices.DeleteFunc(slices.Clone(all), func(pid int) bool {
					b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
					return err != nil || strings.Contains(string(b), ") Z ")
				})
				if len(left) > 0 {
					return fmt.Errorf("processes %v outlive their master", left)
				}
				return nil
			})
		})
	}
}
