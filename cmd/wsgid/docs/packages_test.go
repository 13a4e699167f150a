package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each package has a page of its own, in doc.go or, where it is one file, at its head; and
// each but those that are for tests alone has a row in ARCHITECTURE.md, which names no other.
func TestEachPackageIsDescribed(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := packagesIn(string(page))
	var described int
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case name != root && strings.HasPrefix(d.Name(), "."), d.Name() == "testdata":
			return filepath.SkipDir
		}
		files, err := filepath.Glob(filepath.Join(name, "*.go"))
		if err != nil || len(files) == 0 {
			return err
		}
		pkg, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		described++
		begins := slices.DeleteFunc(slices.Clone(files), func(f string) bool { return strings.HasSuffix(f, "_test.go") })
		if doc := filepath.Join(name, "doc.go"); len(begins) != 1 {
			begins = []string{doc}
		}
		text, err := os.ReadFile(begins[0])
		if err != nil {
			t.Errorf("%s has no page: %v", pkg, err)
		} else if !regexp.MustCompile(`(?m)^//.+\npackage `).Match(text) {
			t.Errorf("%s does not say above its package clause what the package is", begins[0])
		}
		if !rows[pkg] && !strings.Contains(path.Base(pkg), "test") && !strings.Contains(pkg, "test/") {
			t.Errorf("ARCHITECTURE.md has no row for %s", pkg)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if described < 60 {
		t.Errorf("%d packages were found", described)
	}
	for pkg := range rows {
		if found, _ := filepath.Glob(filepath.Join(root, pkg, "*.go")); len(found) == 0 {
			t.Errorf("ARCHITECTURE.md has a row for %s, which is no package", pkg)
		}
	}
}

// packagesIn are the packages that the rows of the page's table of packages name. A name
// without a folder stands behind one, and is of the same.
func packagesIn(page string) map[string]bool {
	rows := map[string]bool{}
	_, table, _ := strings.Cut(page, "| package | holds |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		folder := ""
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			name := m[1]
			if folder != "" && !strings.Contains(name, "/") {
				name = path.Join(folder, name)
			}
			folder = path.Dir(name)
			rows[name] = true
		}
	}
	return rows
}
