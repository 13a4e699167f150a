package appdir

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is known again by whoever has looked at it, by a descriptor or by its name.
func TestSameFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, err := os.Open(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	open, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "b": false} {
		named, err := root.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if SameFile(open, named) != want || SameFile(named, open) != want {
			t.Errorf("%s is the file: want %v", name, want)
		}
	}
}
