package source

import (
	"os"
	"path/filepath"
	"testing"
)

// An app whose repository is another one now keeps no copy of the one before, which may be
// large; what else lies there is somebody's.
func TestRepositoriesThatAreNotUsedAnyMore(t *testing.T) {
	u, inner, other, s := newUpstream(t), newUpstream(t), newUpstream(t), newSite(t)
	lib := inner.commit("main", inner.files(map[string]string{"lib.py": "lib"}), "one", false)
	modules := u.blob("[submodule \"x\"]\n\tpath = vendor\n\turl = " + inner.url() + "\n")
	u.commit("main", u.rawTree(item{"100644", ".gitmodules", modules}, item{"160000", "vendor", lib}), "one", false)
	other.commit("main", other.files(map[string]string{"main.py": "other"}), "one", false)
	copies := func() int {
		all, err := filepath.Glob(filepath.Join(s.store.Dir, "*-????????????.git"))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	first, second := Repository{URL: u.url(), Submodules: true}, Repository{URL: other.url()}
	for _, c := range []struct {
		r    Repository
		id   string
		want int
	}{{first, "1", 2}, {first, "2", 2}, {second, "3", 1}, {first, "4", 2}} {
		if _, err := s.deploy(c.r, "", c.id); err != nil {
			t.Fatal(err)
		}
		if n := copies(); n != c.want {
			t.Errorf("after deploy %s there are %d repositories, want %d", c.id, n, c.want)
		}
		if err := os.MkdirAll(filepath.Join(s.store.Dir, "mine.git"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.store.Dir, "mine.git")); err != nil {
		t.Error(err)
	}
}
