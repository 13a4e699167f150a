package systemd

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Without descriptors nothing can be found out about a process. That is not the
// answer that it is in its scope.
func TestScopesWithoutDescriptors(t *testing.T) {
	// No wsgid, nor a child of one, as this test is.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "sleep 600 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Kill(pid, unix.SIGKILL) }()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, group := controlGroup(pid)
	_, members := family(pid)
	_, outer := outside("wsgid-blog.scope", pid)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"its control group": group, "its descendants": members, "those outside a scope": outer,
	} {
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%s: %v, want that there are no descriptors", what, err)
		}
	}
}
