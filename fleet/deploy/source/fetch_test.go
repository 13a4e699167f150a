package source

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

func TestFetchWhatIsMeant(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	one := u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	two := u.commit("main", u.files(map[string]string{"v": "2"}), "second", false)
	other := u.commit("develop", u.files(map[string]string{"v": "d"}), "other", false)
	u.git("", "tag", "-a", "-m", "x", "v1", one)
	u.git("", "tag", "-a", "-m", "x", "v1again", "v1") // a tag of a tag
	u.git("", "tag", "light", one)
	u.git("", "tag", "deadbeef", one) // a name that could be an id
	// git 2.39.5 brings a tag by its short name before a branch, and lists a ref
	// by the end of its name.
	u.git("", "tag", "develop", one)
	u.git("", "update-ref", "refs/backup/refs/heads/develop", one)
	u.git("", "update-ref", "refs/backup/refs/tags/light", two)
	for _, c := range []struct {
		branch, commit, id, ref string
	}{
		{"", "", two, "HEAD"}, {"main", "HEAD", two, "branch main"}, {"develop", "", other, "branch develop"}, {"", "develop", one, "tag develop"},
		{"", "v1", one, "tag v1"}, {"main", "v1again", one, "tag v1again"}, {"", "light", one, "tag light"}, {"", "deadbeef", one, "tag deadbeef"},
		{"main", one, one, "commit " + one}, {"main", one[:8], one, "commit " + one[:8]}, {"", two[:8], two, "commit " + two[:8]},
		{"", other[:10], other, "commit " + other[:10]},
	} {
		got := s.fetch(Repository{URL: u.url(), Branch: c.branch, Commit: c.commit})
		if got.ID != c.id || got.Ref != c.ref {
			t.Errorf("branch %q, commit %q: %s by %s, want %s by %s", c.branch, c.commit, got.ID, got.Ref, c.id, c.ref)
		}
	}
	if c := s.fetch(Repository{URL: u.url()}); c.Subject != "second" || c.Author != "Ann" || time.Since(c.Time) > time.Hour {
		t.Errorf("%+v", c)
	}
	for _, c := range []struct {
		branch, commit string
		says           []string
	}{
		{"none", "", []string{`no branch "none"`, "develop, main"}},
		{"v1", "", []string{"a tag of that name", `commit = "v1"`}},
		{"", "main", []string{"a branch of that name", `branch = "main"`}},
		{"", "v9", []string{`no tag "v9"`, "deadbeef, develop, light, v1, v1again"}},
		{"main", strings.Repeat("12", 20), []string{"branch main has no commit"}},
		{"", "123456789", []string{"no branch and no tag has a commit"}},
	} {
		_, err := s.store.Fetch(s.ctx(), Repository{URL: u.url(), Branch: c.branch, Commit: c.commit})
		wants(t, err, append(c.says, "cannot fetch "+u.url())...)
	}
	u.git("", "tag", "tree", two+"^{tree}")
	_, err := s.store.Fetch(s.ctx(), Repository{URL: u.url(), Commit: "tree"})
	wants(t, err, "tag tree is not a commit")
}

// What a kept clone gets wrong.
func TestFetchWhatHasMoved(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	u.commit("rel", u.files(map[string]string{"v": "r"}), "rel", false)
	u.git("", "tag", "v", "main")
	all := Repository{URL: u.url(), Commit: "0123456789"} // makes all branches come here
	for _, r := range []Repository{{URL: u.url()}, {URL: u.url(), Branch: "rel"}, {URL: u.url(), Commit: "v"}} {
		s.fetch(r)
	}
	_, err := s.store.Fetch(s.ctx(), all)
	wants(t, err, "no branch and no tag")

	forced := u.commit("main", u.files(map[string]string{"v": "2"}), "forced", true)
	u.git("", "tag", "-f", "v", "main")
	u.git("", "update-ref", "-d", "refs/heads/rel")
	u.commit("rel/1", u.files(map[string]string{"v": "r1"}), "rel/1", false)
	if c := s.fetch(Repository{URL: u.url(), Branch: "main"}); c.ID != forced {
		t.Errorf("force-pushed branch: %s, want %s", c.ID, forced)
	}
	if c := s.fetch(Repository{URL: u.url(), Commit: "v"}); c.ID != forced {
		t.Errorf("moved tag: %s, want %s", c.ID, forced)
	}
	if c := s.fetch(Repository{URL: u.url(), Branch: "rel/1"}); c.Subject != "rel/1" {
		t.Errorf("%+v", c)
	}
	_, err = s.store.Fetch(s.ctx(), all)
	wants(t, err, "no branch and no tag") // and not that rel is in the way
}

func TestFetchOfNothing(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	_, err := s.store.Fetch(s.ctx(), Repository{URL: u.url()})
	wants(t, err, "the repository is empty")
	u.commit("work", u.files(map[string]string{"v": "1"}), "first", false)
	_, err = s.store.Fetch(s.ctx(), Repository{URL: u.url()})
	wants(t, err, "HEAD of the repository names a branch that it does not have", "work")
	_, err = s.store.Fetch(s.ctx(), Repository{URL: u.url() + "-not"})
	wants(t, err, "there is no repository")
}

// A git that was killed leaves locks, and a machine that went down half files.
func TestFetchAfterACrash(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	r := Repository{URL: u.url()}
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	dir := s.fetch(r).dir
	for _, name := range []string{"shallow.lock", "refs/wsgid/deploy.lock", "config.lock", "objects/pack/tmp_pack_x"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	two := u.commit("main", u.files(map[string]string{"v": "2"}), "second", false)
	if c := s.fetch(r); c.ID != two {
		t.Error(c)
	}
	if _, err := os.Stat(filepath.Join(dir, "objects/pack/tmp_pack_x")); !os.IsNotExist(err) {
		t.Errorf("a half pack stays: %v", err)
	}
	for _, name := range []string{"HEAD", "refs/wsgid/deploy", "config", "shallow"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("\x00\x00"), 0o644); err != nil {
			t.Fatal(err)
		}
		if c := s.fetch(r); c.ID != two {
			t.Error(c)
		}
	}
}

func TestFetchRunsAsTheAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this process is not root")
	}
	u, s := newUpstream(t), newSite(t)
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	dir := s.fetch(Repository{URL: u.url()}).dir
	out, err := exec.Command("find", dir, "!", "-user", "nobody").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("not the account's: %s, %v", out, err)
	}
	s.store.Account.UID = 0
	_, err = s.store.Fetch(s.ctx(), Repository{URL: u.url()})
	wants(t, err, "the account is root")
}

func TestFetchIsBounded(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	random, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	u.commit("main", u.rawTree(item{"100644", "big", u.blob(string(random))}), "big", false)
	r := Repository{URL: u.url()}
	c := s.fetch(r)
	s.store.Limits.Bytes = 1000
	_, err = s.store.Unpack(s.ctx(), r, c, "", s.releases, "1")
	wants(t, err, "the tree has more than 1000 bytes", `"big" has`)
	if left, _ := os.ReadDir(s.path); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}

	// A server that takes the connection and says nothing.
	l, err := net.Listen("tcp", freeport.Addr(t)) // it is let go, and then nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.store.Limits.Time = time.Second
	for _, scheme := range []string{"ssh", "https"} {
		began := time.Now()
		_, err = s.store.Fetch(s.ctx(), Repository{URL: scheme + "://" + l.Addr().String() + "/x.git"})
		if took := time.Since(began); took > 50*time.Second {
			t.Errorf("it took %v", took)
		}
		wants(t, err, "exceeded its time limit")
	}
	// Nobody is there.
	_ = l.Close()
	s.store.Limits.Time = time.Minute
	_, err = s.store.Fetch(s.ctx(), Repository{URL: "https://" + l.Addr().String() + "/x.git"})
	wants(t, err, "cannot fetch https://", "onnect")
}

// A repository whose objects are named by SHA-256 is fetched as any other, also where the
// server's was made anew with the other hash.
func TestFetchBySHA256(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	r := Repository{URL: u.url()}
	u.commit("main", u.files(map[string]string{"v": "1"}), "first", false)
	if c := s.fetch(r); len(c.ID) != 40 {
		t.Error(c)
	}
	if err := os.RemoveAll(u.dir); err != nil {
		t.Fatal(err)
	}
	u.git("", "init", "-q", "--bare", "--object-format=sha256", "-b", "main", u.dir)
	two := u.commit("main", u.files(map[string]string{"v": "2", "sub/w": "3"}), "second", false)
	if _, err := s.deploy(r, "", "one"); err != nil {
		t.Fatal(err)
	}
	if got := s.read("one/sub/w"); got != "3" || len(two) != 64 {
		t.Errorf("%q, of %s", got, two)
	}
	three := u.commit("main", u.files(map[string]string{"v": "4"}), "third", false)
	for _, r := range []Repository{r, {URL: u.url(), Commit: three}, {URL: u.url(), Branch: "main", Commit: three[:9]}} {
		if c := s.fetch(r); c.ID != three {
			t.Errorf("%+v: %v", r, c)
		}
	}
}
