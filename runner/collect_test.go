package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
)

// A master that this process has started before it executed its program anew, as a daemon
// does at an upgrade, is its child still: who waits for its end takes it, and no zombie is left.
func TestAMasterOfAnEarlierProgramLeavesNoZombie(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := syscall.ForkExec(sleep, []string{"sleep", "600"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	start, err := appdir.StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	h := &Handle{Record: control.Record{App: "a", PID: pid, StartTime: start, BootID: control.BootID()}, dir: t.TempDir()}
	waited := make(chan error, 1)
	go func() { waited <- h.Wait(t.Context()) }()
	eventually(t, "it is waited for", func() bool {
		fds, _ := filepath.Glob("/proc/self/fdinfo/*")
		return slices.ContainsFunc(fds, func(name string) bool {
			b, _ := os.ReadFile(name)
			return strings.Contains(string(b), fmt.Sprintf("\nPid:\t%d\n", pid))
		})
	})
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("its end was not taken: %d, %v", got, err)
	}
}
