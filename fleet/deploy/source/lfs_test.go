package source

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func TestLFS(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	work := filepath.Join(shortdir.New(t), "work")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = filepath.Dir(work)
		if _, err := os.Stat(work); err == nil {
			cmd.Dir = work
		}
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(work), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@b.c"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	run("git", "lfs", "install", "--skip-repo")
	run("git", "clone", "-q", u.url(), work)
	run("git", "lfs", "track", "*.bin")
	content := strings.Repeat("large\n", 1000)
	if err := os.WriteFile(filepath.Join(work, "a.bin"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	run("git", "add", ".")
	run("git", "commit", "-q", "-m", "x")
	run("git", "push", "-q", "origin", "HEAD:refs/heads/main")
	r := Repository{URL: u.url()}
	_, err := s.deploy(r, "", "1")
	wants(t, err, `"a.bin" is stored in Git LFS`, "lfs = true")
	r.LFS = true
	if _, err := s.deploy(r, "", "2"); err != nil {
		t.Fatal(err)
	}
	if got := s.read("2/a.bin"); got != content {
		t.Errorf("%d bytes, want %d", len(got), len(content))
	}
	// What lies in LFS's store is somebody else's word.
	err = filepath.WalkDir(filepath.Join(s.fetch(r).dir, "lfs", "objects"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.WriteFile(name, []byte(strings.Repeat("other\n", 1000)), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.deploy(r, "", "3")
	wants(t, err, "is not what the repository describes")

	// Where they are kept elsewhere .lfsconfig of the commit says so; what it says of files
	// that a developer does not fetch is not for a release.
	large, away := newUpstream(t), newSite(t)
	run("git", "config", "-f", ".lfsconfig", "lfs.url", large.url())
	run("git", "config", "-f", ".lfsconfig", "lfs.fetchexclude", "*.bin")
	content = strings.Repeat("moved\n", 1000)
	if err := os.WriteFile(filepath.Join(work, "a.bin"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	run("git", "add", ".")
	run("git", "commit", "-q", "-m", "moved")
	run("git", "push", "-q", "origin", "HEAD:refs/heads/main")
	if _, err := away.deploy(r, "", "1"); err != nil {
		t.Fatal(err)
	}
	if got := away.read("1/a.bin"); got != content {
		t.Errorf("of another place: %d bytes, want %d", len(got), len(content))
	}
	for url, want := range map[string]string{"http://lfs.example/a": ".lfsconfig, lfs.url: repository \"http://lfs.example/a\": http:// can be read", "ext::true": "a transport that runs a program"} {
		run("git", "config", "-f", ".lfsconfig", "lfs.url", url)
		run("git", "commit", "-q", "-a", "-m", url)
		run("git", "-c", "lfs.url="+large.url(), "push", "-q", "origin", "HEAD:refs/heads/main")
		_, err := away.deploy(r, "", "2")
		wants(t, err, want)
		if err := away.releases.RemoveAll("2"); err != nil {
			t.Fatal(err)
		}
	}
}
