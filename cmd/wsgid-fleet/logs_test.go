package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/logfile"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// logFolder is an app folder with an empty logs folder.
func logFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func appendLog(t *testing.T, dir, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, logfile.Name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// rotate does as the runner's log does.
func rotate(t *testing.T, dir string, keep int) {
	t.Helper()
	name := func(i int) string {
		if i == 0 {
			return filepath.Join(dir, logfile.Name)
		}
		return fmt.Sprintf("%s.%d", filepath.Join(dir, logfile.Name), i)
	}
	for i := keep - 1; i >= 0; i-- {
		if err := os.Rename(name(i), name(i+1)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// syncBuffer is a buffer that a test reads while a command writes.
type syncBuffer struct{ fleettest.Buffer }

// until waits until the text has this.
func (s *syncBuffer) until(t *testing.T, text string) {
	t.Helper()
	await.True(t, fmt.Sprintf("%q", text), func() bool { return strings.Contains(s.String(), text) }, func() any { return s })
}

func TestLogsFollowWakesUp(t *testing.T) {
	dir := logFolder(t)
	appendLog(t, dir, "old\n")
	l, err := logfile.Open("blog", dir, 0, logfile.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sources := []*logSource{{File: l}}
	var out syncBuffer
	c := newCLI()
	c.out = &out
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- followLogs(ctx, sources, c.newLogPrinter(sources)) }()
	appendLog(t, dir, "new\n")
	out.until(t, "new\n")
	rotate(t, dir, 3)
	appendLog(t, dir, "newer\n")
	out.until(t, "newer\n")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "new\nnewer\n" {
		t.Errorf("it printed %q", got)
	}
}
