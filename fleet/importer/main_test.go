package importer

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeFiles makes files below a folder of the test's, and returns it. Links of the
// temporary folder are followed: a peer prints paths so.
func writeFiles(t *testing.T, files map[string]string) string {
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

// runPeer runs a peer to its end, or kills it.
func runPeer(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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

// importOne imports a path that holds one app.
func importOne(t *testing.T, o Options, path string) *Imported {
	t.Helper()
	all, err := o.Import(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d apps", len(all))
	}
	return all[0]
}

// holds checks what a text holds, whatever its blanks, and what it does not (with ! before).
func holds(t *testing.T, text string, want ...string) {
	t.Helper()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	flat := squeeze(text)
	for _, w := range want {
		w = squeeze(w)
		if not, ok := strings.CutPrefix(w, "!"); ok {
			if strings.Contains(flat, not) {
				t.Errorf("it holds %q:\n%s", not, text)
			}
		} else if !strings.Contains(flat, w) {
			t.Errorf("it does not hold %q:\n%s", w, text)
		}
	}
}
