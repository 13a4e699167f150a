package source

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A web server that knows nothing of git gives its files out; git fetches all of them or
// nothing (findings/git-fetch-of-plain-files-takes-no-depth.sh).
func TestFetchOfPlainFiles(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	one := u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	two := u.commit("main", u.files(map[string]string{"v": "2"}), "second", false)
	u.git("", "tag", "v1", one)
	u.git("", "update-server-info")
	files := http.FileServer(http.Dir(filepath.Dir(u.dir)))
	url := gitServer(t, u, func(w http.ResponseWriter, r *http.Request) bool {
		files.ServeHTTP(w, r)
		return true
	})
	for _, c := range []struct{ branch, commit, id string }{{"", "", two}, {"main", "", two}, {"", "v1", one}, {"main", one, one}, {"", one[:8], one}} {
		r := Repository{URL: url, Branch: c.branch, Commit: c.commit}
		if got := s.fetch(r); got.ID != c.id {
			t.Errorf("%+v: %s", c, got.ID)
		}
	}
	_, err := s.store.Fetch(s.ctx(), Repository{URL: url, Branch: "main", Commit: strings.Repeat("ab", 20)})
	wants(t, err, "branch main has no commit abab")
}

// A bundle has a path as a repository has, and no URL (findings/git-fetch-of-plain-files-takes-no-depth.sh).
func TestFetchFromABundle(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	u.git("", "bundle", "create", "-q", u.dir+".bundle", "main")
	_, err := s.store.Fetch(s.ctx(), Repository{URL: "file://" + u.dir + ".bundle"})
	wants(t, err, "it is a file, and git serves folders: of a bundle make one by git clone --bare "+u.dir+".bundle, and name that")
}
