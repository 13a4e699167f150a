package peertest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
)

// WriteFiles makes files below a folder of the test's, and returns it. Links of the
// temporary folder are followed: a peer prints paths so.
func WriteFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// RunPeer runs a peer to its end, or kills it.
func RunPeer(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the machine may be busy
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil || err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v\n%s", name, err, out.String())
	}
	return out.String()
}

// Need returns the path of a peer's program. It skips a short run, and fails where the peer is
// missing.
func Need(t *testing.T, peer string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("asks the real " + peer)
	}
	return componenttest.Program(t, peer)
}
