package hclspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A virtualenv whose Python is gone, as after an upgrade of the machine, is not one that was
// never made.
func TestVirtualenvWhosePythonIsGone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"python3": "/usr/bin/python3.1", "python": "python3"} {
		if err := os.Symlink(to, filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	spec := appspec.Default("blog", "/srv/blog")
	spec.Virtualenv = dir
	found := pythonProblems(afero.NewOsFs(), spec, hcl.Range{})
	if len(found) != 1 || found[0].Summary != "there is no Python in the virtualenv "+dir+": its bin/python leads to one that does not exist, as after an upgrade of Python" ||
		!strings.Contains(found[0].Detail, "recreate it, and install its packages again: python3 -m venv --clear "+dir) {
		t.Errorf("got %+v", found)
	}
}
