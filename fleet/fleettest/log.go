package fleettest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// LogFolder is an app folder with an empty logs folder.
func LogFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// AppendLog adds to the log of an app folder.
func AppendLog(t *testing.T, dir, text string) {
	t.Helper()
	f, err := os.OpenFile(logFile(dir, 0), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// RotateLog does as the runner's log does.
func RotateLog(t *testing.T, dir string, keep int) {
	t.Helper()
	for i := keep - 1; i >= 0; i-- {
		if err := os.Rename(logFile(dir, i), logFile(dir, i+1)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// logFile is the log, or its i-th rotated file.
func logFile(dir string, i int) string {
	name := filepath.Join(dir, "logs", "wsgid.log")
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s.%d", name, i)
}
