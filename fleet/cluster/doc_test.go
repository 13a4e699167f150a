package cluster

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhatIsPromisedHasTests: the tests that doc.go names are there.
func TestWhatIsPromisedHasTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, dir := range []string{".", "../../cmd/wsgid-fleet/e2e"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, "_test.go") {
				b, rerr := os.ReadFile(path)
				all.Write(b)
				err = rerr
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	names := regexp.MustCompile(`\bTest\w+`).FindAllString(string(page), -1)
	if len(names) < 10 {
		t.Errorf("it names %v", names)
	}
	for _, name := range names {
		if !strings.Contains(all.String(), "\nfunc "+name+"(t ") {
			t.Errorf("doc.go names %s, and there is no such test", name)
		}
	}
}
