package runner

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
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
	want := "its pyvenv.cfg is a FIFO; make it anew: python3 -m venv --clear " + venv
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
	log := filepath.Join(victim, logName)
	for _, d := range []string{"logs", "pid/master", "pid/worker"} {
		if err := os.MkdirAll(filepath.Join(victim, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := a.start(StateReady)
	real := a.spec.Path + ".real"
	if err := errors.Join(os.Rename(a.spec.Path, real), os.Symlink(victim, a.spec.Path)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.PID, unix.SIGHUP); err != nil { // opens the log anew, and writes pid files
		t.Fatal(err)
	}
	a.wait(h, func(Status) bool {
		text, _ := os.ReadFile(filepath.Join(real, logName))
		return strings.Contains(string(text), "SIGHUP")
	})
	if err := errors.Join(os.Remove(a.spec.Path), os.Rename(real, a.spec.Path)); err != nil {
		t.Fatal(err)
	}
	a.wait(h, func(s Status) bool { return s.State == StateReady })
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
