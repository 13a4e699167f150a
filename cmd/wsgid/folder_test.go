package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// Whoever owns the folder above an app folder may put a link to a folder of root's
// there for a moment: it makes nobody root, and stops nobody else's masters.
func TestLinkOfAnAppsUserChoosesNoUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: an ordinary user chooses no user")
	}
	dir := t.TempDir()
	roots, site := filepath.Join(dir, "roots"), filepath.Join(dir, "site")
	if err := errors.Join(os.Mkdir(roots, 0o755), os.Symlink(roots, site), os.Lchown(site, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	c := &cli{path: site}
	s := appspec.Default("site", site)
	err := c.chooseUser(s)
	if want := "its path contains a symbolic link owned by nobody to a folder of root"; err == nil || !strings.Contains(err.Error(), want) || s.User != "" {
		t.Errorf("user %q, %v; want %s", s.User, err, want)
	}
	if _, err := c.folderInfo(); err == nil {
		t.Error("the link was followed to find what to stop")
	}
	c.path = roots
	if err := c.chooseUser(s); err != nil || s.User != "root" {
		t.Errorf("a folder of root's own: user %q, %v", s.User, err)
	}
}
