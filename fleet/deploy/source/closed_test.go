package source

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRepositoryInAClosedFolder: what keeps git's user from it is named, and what to do.
func TestRepositoryInAClosedFolder(t *testing.T) {
	s := newSite(t)
	if account() == nil {
		t.Skip("needs root: git is to run as another user")
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.MkdirAll(filepath.Join(closed, "blog.git"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(filepath.Dir(closed)), filepath.Dir(closed)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := s.store.Fetch(s.ctx(), Repository{URL: "file://" + closed + "/blog.git"})
	wants(t, err, "nobody, the user that git runs as, cannot read the repository: user nobody may not enter folder "+closed+" (mode 0700, owner root): chmod o+x "+closed)
}
