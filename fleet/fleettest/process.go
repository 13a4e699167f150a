package fleettest

import (
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Background runs a script of sh that prints the number of a process; both end with the
// test.
func Background(t *testing.T, script string) (shell, printed int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscan(out, &printed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(printed, unix.SIGKILL) })
	return cmd.Process.Pid, printed
}

// WithoutDescriptors calls f while this process can open nothing.
func WithoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	f()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}
