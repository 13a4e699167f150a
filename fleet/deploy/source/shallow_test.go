package source

import (
	"os"
	"testing"
)

// A repository that is a shallow clone, as those are that run tests, is deployed from as
// any other, as far back as it goes (findings/git-fetch-drops-a-shallow-branch.sh).
func TestFetchFromAShallowClone(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	old := u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	u.commit("main", u.files(map[string]string{"v": "2"}), "second", false)
	last := u.commit("main", u.files(map[string]string{"v": "3"}), "third", false)
	clone := u.cloned("--depth=2")
	for _, r := range []Repository{{URL: clone}, {URL: clone, Branch: "main"}, {URL: clone, Commit: last[:8]}, {URL: clone, Branch: "main", Commit: last}} {
		if c := s.fetch(r); c.ID != last {
			t.Errorf("%+v: %s, want %s", r, c.ID, last)
		}
	}
	_, err := s.store.Fetch(s.ctx(), Repository{URL: clone, Commit: old})
	wants(t, err, "no branch and no tag has a commit "+old, "It is a shallow clone, which has the newest commits alone: run git fetch --unshallow there, or name the repository that it was cloned from")
}

// One that was cloned without the files lacks them, and git serves nothing that it would
// have to fetch itself (findings/git-partial-clone-looks-corrupt.sh).
func TestFetchFromAPartialClone(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	u.git("", "config", "uploadpack.allowFilter", "true")
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	_, err := s.store.Fetch(s.ctx(), Repository{URL: u.cloned("--filter=blob:none", "--no-checkout")})
	wants(t, err, "it is a partial clone, made with --filter, and lacks files: name the repository that it was cloned from, or run there: git fetch --refetch --no-filter")
}

// cloned is the URL of a clone of it.
func (u *upstream) cloned(args ...string) string {
	u.t.Helper()
	dir := u.dir + ".clone"
	u.git("", append(append([]string{"clone", "-q"}, args...), u.url(), dir)...)
	if _, err := os.Stat(dir); err != nil {
		u.t.Fatal(err)
	}
	return "file://" + dir
}
