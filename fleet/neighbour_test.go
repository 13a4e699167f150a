package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// neighbour makes the state directory of another user's daemon, which a process
// of that user stands for.
func neighbour(t *testing.T, specs string) (stateDir string, pid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes processes and directories of another user")
	}
	const uid = 54321
	stateDir = filepath.Join(shortdir.New(t), "system")
	if err := os.Mkdir(stateDir, 0o711); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	start, err := appdir.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"pid":%d,"start":%d,"dir":%q}`, cmd.Process.Pid, start, specs)
	if err := os.WriteFile(filepath.Join(stateDir, noticeFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(stateDir, uid, uid); err != nil {
		t.Fatal(err)
	}
	return stateDir, cmd.Process.Pid
}

func TestFleetOfAnotherUserIsNotSpokenFor(t *testing.T) {
	f := newFleetDir(t)
	system, pid := neighbour(t, f.Dir)
	want := fmt.Sprintf("cannot reach the fleet of user 54321: its daemon (pid %d) runs here on %s (state directory %s), and this program runs as root, who may not speak to it",
		pid, f.Dir, system)
	for what, o := range map[string]Options{
		"nothing named":         {StateDir: f.State, Dir: f.Dir, systemDir: system},
		"its state directory":   {StateDir: system, Dir: f.Dir, systemDir: "/nowhere"},
		"its own spec dir only": {StateDir: f.State, Dir: f.Dir + "/.", systemDir: system},
	} {
		op, err := Connect(context.Background(), o)
		if err == nil {
			op.Close()
		}
		if _, ok := errors.AsType[*NeighbourError](err); !ok || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", what, err, want)
		}
	}
	if err := NewDaemon(Options{StateDir: f.State, Dir: f.Dir, systemDir: system}).Run(context.Background()); err == nil || err.Error() != want {
		t.Errorf("a second daemon:\ngot  %v\nwant %s", err, want)
	}

	// Another directory is a fleet of one's own.
	op, err := Connect(context.Background(), Options{StateDir: f.State, Dir: t.TempDir(), systemDir: system})
	if err != nil {
		t.Fatal(err)
	}
	op.Close()
}

func TestNoticeOfADaemonThatIsGone(t *testing.T) {
	f := newFleetDir(t)
	system, pid := neighbour(t, f.Dir)
	old, err := os.ReadFile(filepath.Join(system, noticeFile))
	if err != nil {
		t.Fatal(err)
	}
	// The same number, another process.
	text := strings.Replace(string(old), `"start":`, `"start":1`, 1)
	if err := os.WriteFile(filepath.Join(system, noticeFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if e := neighbourOf(system); e != nil {
		t.Errorf("process %d is taken for the daemon: %v", pid, e)
	}
}

func TestADaemonTellsOthersOfItself(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	stop := f.daemon(Options{})
	defer stop()
	path := filepath.Join(f.State, noticeFile)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o644 {
		t.Fatalf("%v, %v", fi, err)
	}
	if n, ok := readNotice(f.State, uint32(os.Geteuid())); !ok || n.PID != os.Getpid() || n.Dir != f.Dir {
		t.Errorf("notice %+v, %v", n, ok)
	}
	stop()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the notice outlives the daemon: %v", err)
	}
}
