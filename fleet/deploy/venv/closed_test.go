package venv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWheelsInAClosedFolder: what keeps pip's user from the wheels is named, and what to do.
func TestWheelsInAClosedFolder(t *testing.T) {
	s := newSite(t)
	if s.store.Account == nil {
		t.Skip("needs root: pip is to run as another user")
	}
	closed := filepath.Join(filepath.Dir(s.wheels), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, s.tree, map[string]string{"requirements.txt": "one\n"})
	inside := filepath.Join(closed, "wheels")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		inside: "user nobody may not enter folder " + closed + " (mode 0700, owner root): chmod o+x " + closed + ", or move it to a folder that the user may enter",
		closed: "user nobody may not read it (mode 0700, owner root): chmod -R a+rX " + closed,
	} {
		in := s.inputs()
		in.Wheels = dir
		want = "wheels " + dir + " cannot be read by nobody, the user that pip runs as: " + want
		if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}
