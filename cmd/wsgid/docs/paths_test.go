package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// root is the top of the repository, pages those for who reads the code.
const root = "../../.."

var pages = []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "README.md"}

// A page that says where something is names a file that is there.
func TestFilesThatPagesNameExist(t *testing.T) {
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

// A page that says what a file holds names a function, type or test that is in it.
func TestFilesHoldWhatPagesSay(t *testing.T) {
	name, file := "`(?:\\w+\\.)?([[:alnum:]]+)`", "`((?:appspec|cmd|fleet|runner)/[\\w./-]*\\.go)`"
	nameFirst := regexp.MustCompile(name + `(?:,?\s+|\s+in\s+|\s+\()` + file)
	fileFirst := regexp.MustCompile(file + `\s+\(` + name)
	pairs := 0
	check := func(page, file, name string) {
		pairs++
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return // the test above tells it
		}
		if !regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|type |const |var |\t)` + name + `\b`).Match(text) {
			t.Errorf("%s: %s holds no %s", page, file, name)
		}
	}
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range nameFirst.FindAllStringSubmatch(string(text), -1) {
			check(page, m[2], m[1])
		}
		for _, m := range fileFirst.FindAllStringSubmatch(string(text), -1) {
			check(page, m[1], m[2])
		}
	}
	if pairs < 6 {
		t.Errorf("the pages say so of %d files only: the test does not see them", pairs)
	}
}
