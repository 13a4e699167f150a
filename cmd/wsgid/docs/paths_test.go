package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// A page that says where something is names a file that is there.
func TestFilesThatPagesNameExist(t *testing.T) {
	const root = "../../.."
	pages := []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"}
	// A file below a folder; one alone is named beside its folder, or is an app's.
	named := regexp.MustCompile("`((?:appspec|cmd|examples|fleet|runner)/[\\w./-]*\\.(?:go|py|md|hcl))`")
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, string(m[1]))); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
