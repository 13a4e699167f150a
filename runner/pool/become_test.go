package pool

import (
	"os/exec"
	"strings"
	"testing"
)

// Where the service has less than the spec asks for, a process and a run get what there is,
// as a worker does, and it is said: they would not run at all.
func TestAProgramGetsTheLimitsThatThereAre(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -n 256; exec /usr/bin/python3 -c "$0" 022 4096 0 0 /bin/sh sh -c 'ulimit -n; ulimit -Hn'`, become)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	if got, want := out.String(), "256\n256\n"; got != want {
		t.Errorf("its limits are %q, want %q", got, want)
	}
	if got, want := said.String(), "cannot set limits.open_files to 4096: the service's own limit is 256\n"; got != want {
		t.Errorf("it is said %q, want %q", got, want)
	}
	cmd = exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -n 256; exec /usr/bin/python3 -c "$0" 022 128 0 0 /bin/sh sh -c 'ulimit -Hn'`, become)
	if got, err := cmd.CombinedOutput(); err != nil || string(got) != "128\n" {
		t.Errorf("a limit that can be had: %q, %v", got, err)
	}
}
