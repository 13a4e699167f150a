// Package shortdir makes folders for tests that those of the testing package do not do for:
// of a name that leaves room for sockets in it, and that other users may enter.
package shortdir

import (
	"os"
	"testing"
)

// New is an empty one, which is removed with all that is in it when the test is over.
func New(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
