package venv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is called python in a spec and answers without an end, or not at all, ends the
// deploy with a reason, and not the memory of the daemon.
func TestAnInterpreterThatDoesNotAnswer(t *testing.T) {
	was := answersWithin
	defer func() { answersWithin = was }()
	for name, tt := range map[string]struct {
		within       time.Duration
		script, want string
	}{
		"endless": {time.Minute, "exec cat /dev/zero", "is not a Python: it answers more than 1048576 bytes"},
		"mute":    {time.Second, "exec sleep 600", "it exceeded its time limit and was terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			answersWithin = tt.within
			path := filepath.Join(t.TempDir(), "python")
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil { //nolint:gosec // it is run
				t.Fatal(err)
			}
			_, err := ask(t.Context(), nil, path)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it says %v, want %s", err, tt.want)
			}
		})
	}
}
