package docs

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file that is not a test has at most 400 lines, and a package that has more than 4,000
// says why in its doc.go.
func TestSizesOfFilesAndPackages(t *testing.T) {
	const longFile, longPackage, says = 400, 4000, "more than 4,000 lines"
	packages := map[string]int{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path != root && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		lines := bytes.Count(text, []byte("\n"))
		packages[filepath.Dir(name)] += lines
		if lines > longFile {
			t.Errorf("%s has %d lines, at most %d: cut it by what it holds", name, lines, longFile)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		if packages[name] <= longPackage {
			continue
		}
		doc, err := os.ReadFile(filepath.Join(root, name, "doc.go"))
		if err != nil {
			t.Error(err)
			continue
		}
		words := strings.Join(strings.Fields(strings.ReplaceAll(string(doc), "//", "")), " ")
		if !strings.Contains(words, says) {
			t.Errorf("%s has %d lines: cut a package out of it, or say in its doc.go why it has %s", name, packages[name], says)
		}
	}
	if len(packages) < 30 {
		t.Errorf("%d packages were found", len(packages))
	}
}
