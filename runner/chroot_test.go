package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const chrootApp = `
import json, os, socket, ssl, tempfile

def application(environ, start_response):
    def can_write(path):
        try:
            open(path, "a").close()
            return True
        except OSError as e:
            return e.strerror
    out = {
        "top": sorted(os.listdir("/")),
        "file": __file__,
        "etc": can_write("/etc/x"), "usr": can_write("/usr/x"), "root": can_write("/x"),
        "logs": can_write("/logs/mine"),
        "home": os.path.exists("/home") or os.path.exists("/root"),
        "ca": ssl.create_default_context().cert_store_stats()["x509_ca"] >= 0,
        "localhost": socket.getaddrinfo("localhost", 80, socket.AF_INET)[0][4][0],
        "tmp": tempfile.mkstemp()[1].startswith("/tmp/"),
        "urandom": len(open("/dev/urandom", "rb").read(4)),
        "uid": os.getuid(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(out).encode()]
`

// Needs root: without it the refusal is what is to be seen.
func TestChroot(t *testing.T) {
	a := newTestApp(t, chrootApp, func(s *appspec.Spec) { s.Chroot = true })
	if os.Geteuid() != 0 {
		_, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state})
		if err == nil || err.Error() != "cannot start master of demo: chroot needs root" {
			t.Errorf("error %v", err)
		}
		return
	}
	before, err := os.ReadDir(a.spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	h := a.start(StateReady)
	code, body := a.get("/")
	if code != 200 {
		t.Fatalf("got %d %q", code, body)
	}
	for _, want := range []string{
		`"file": "/app/app.py"`, `"etc": "Read-only file system"`, `"usr": "Permission denied"`, `"root": "Read-only file system"`,
		`"logs": true`, `"home": false`, `"ca": true`, `"localhost": "127.0.0.1"`, `"tmp": true`, `"urandom": 4`, `"uid": 33`,
	} {
		if strings.HasPrefix(want, `"usr"`) || strings.HasPrefix(want, `"etc"`) || strings.HasPrefix(want, `"root"`) {
			// Either refusal is one; which comes first is the kernel's choice.
			key := strings.SplitAfter(want, ":")[0]
			if !strings.Contains(body, key+` "Read-only file system"`) && !strings.Contains(body, key+` "Permission denied"`) {
				t.Errorf("%s can be written: %s", key, body)
			}
			continue
		}
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	st, _ := h.Status(a.ctx(), 0)
	for _, pid := range []int{h.PID, st.Workers[0].PID} {
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(mounts)) {
			f := strings.Fields(line)
			if (f[4] == "/usr" || f[4] == "/") && !strings.HasPrefix(f[5], "ro") {
				t.Errorf("process %d can write to %s: %s", pid, f[4], line)
			}
			if strings.HasPrefix(f[4], "/.old") {
				t.Errorf("process %d still sees the old root: %s", pid, line)
			}
		}
	}
	if err := h.Reload(a.ctx()); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(n Status) bool { return n.Rollout == 0 && !pids(n)[st.Workers[0].PID] })
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadDir(a.spec.Path)
	if err != nil || len(after) != len(before) {
		t.Errorf("the app folder has other entries than before: %v", after)
	}
	if left, _ := filepath.Glob(filepath.Join(a.spec.Path, "pid", "*", "*.pid")); len(left) > 0 {
		t.Errorf("pid files left: %v", left)
	}
}
