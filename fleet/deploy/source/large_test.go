package source

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// full are the sizes of make large: 100,000 files, and one of 2 GiB.
var full = flag.Bool("large", false, "unpack 100,000 files and one of 2 GiB, not 1,000 and 32 MiB")

// Many files, and one that is large and compresses well: honest, and bounded all the
// same.
func TestUnpackLarge(t *testing.T) {
	folders, files, large := 5, 200, int64(32<<20)
	if *full {
		folders, files, large = 100, 1000, 2<<30
	}
	u, s := newUpstream(t), newSite(t)
	zeros := filepath.Join(t.TempDir(), "zeros")
	if err := os.WriteFile(zeros, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(zeros, large); err != nil {
		t.Fatal(err)
	}
	x := u.blob("x")
	var inner, outer []item
	for i := range files {
		inner = append(inner, item{"100644", fmt.Sprintf("f%06d", i), x})
	}
	tree := u.rawTree(inner...)
	for i := range folders {
		outer = append(outer, item{"040000", fmt.Sprintf("d%06d", i), tree})
	}
	outer = append(outer, item{"100644", "zeros", u.git("", "hash-object", "-w", zeros)})
	u.commit("main", u.rawTree(outer...), "large", false)
	r := Repository{URL: u.url()}
	s.store.Limits.Bytes = large
	_, err := s.deploy(r, "", "1")
	wants(t, err, "the tree has more than ")
	s.store.Limits.Bytes += int64(folders * files)
	done, err := s.deploy(r, "", "2")
	if err != nil || done.Files != folders*files+1 || done.Bytes != large+int64(folders*files) {
		t.Fatalf("%+v, %v", done, err)
	}
	if fi, err := os.Stat(filepath.Join(s.path, "2", "zeros")); err != nil || fi.Size() != large {
		t.Errorf("%v, %v", fi, err)
	}
	if err := Remove(s.releases, "2"); err != nil {
		t.Error(err)
	}
	t.Logf("%d files, %d bytes", done.Files, done.Bytes)
	if left, _ := os.ReadDir(s.path); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
