package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder that is a link by the time it is mounted is not followed.
func TestChrootMountsNoLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := os.Symlink("/root", filepath.Join(dir, "app")); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	target := filepath.Join(t.TempDir(), "target")
	if mounted, err := bindEntry(int(f.Fd()), "app", target); err != nil || mounted {
		t.Errorf("mounted %v, %v", mounted, err)
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("a place to mount was made")
	}
}
