package source

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// upstream is a bare repository that a test fills by git's plumbing, so that it
// can hold what no checkout would make.
type upstream struct {
	t   *testing.T
	dir string
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	if testing.Short() {
		t.Skip("runs git")
	}
	u := &upstream{t: t, dir: filepath.Join(shortdir.New(t), "up.git")}
	u.git("", "init", "-q", "--bare", "-b", "main", u.dir)
	return u
}

func (u *upstream) url() string { return "file://" + u.dir }

func (u *upstream) git(stdin string, args ...string) string {
	u.t.Helper()
	if args[0] != "init" {
		args = append([]string{"--git-dir=" + u.dir}, args...)
	}
	cmd := fleettest.GitCommand(u.t, ".", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		u.t.Fatalf("git %q: %v\n%s", args, err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

func (u *upstream) blob(content string) string {
	u.t.Helper()
	return u.git(content, "hash-object", "-w", "--stdin")
}

// item is an entry of a tree: mode, name and object.
type item struct{ mode, name, id string }

// rawTree writes a tree without any check.
func (u *upstream) rawTree(items ...item) string {
	u.t.Helper()
	var b bytes.Buffer
	for _, it := range items {
		id, err := hex.DecodeString(it.id)
		if err != nil {
			u.t.Fatal(err)
		}
		b.WriteString(strings.TrimPrefix(it.mode, "0") + " " + it.name + "\x00")
		b.Write(id)
	}
	return u.git(b.String(), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
}

// files writes a tree of ordinary files, by path.
func (u *upstream) files(files map[string]string) string {
	u.t.Helper()
	index := filepath.Join(u.t.TempDir(), "index")
	var lines strings.Builder
	for name, content := range files {
		mode := "100644"
		if strings.HasPrefix(content, "#!") {
			mode = "100755"
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			mode, content = "120000", target
		}
		lines.WriteString(mode + " " + u.blob(content) + "\t" + name + "\x00")
	}
	u.t.Setenv("GIT_INDEX_FILE", index)
	u.git(lines.String(), "update-index", "-z", "--add", "--index-info")
	return u.git("", "write-tree")
}

// commit puts a tree on a branch; force leaves out what was there.
func (u *upstream) commit(branch, tree, message string, force bool) string {
	u.t.Helper()
	args := []string{"commit-tree", tree, "-m", message}
	if out, err := exec.Command("git", "--git-dir="+u.dir, "rev-parse", "-q", "--verify", "refs/heads/"+branch).Output(); err == nil && !force {
		args = append(args, "-p", strings.TrimSpace(string(out)))
	}
	id := u.git("", args...)
	u.git("", "update-ref", "refs/heads/"+branch, id)
	return id
}

// account is somebody else, where this process is root.
func account() *child.Account {
	if os.Geteuid() != 0 {
		return nil
	}
	return &child.Account{UID: 65534, GID: 65534, Home: "/nonexistent", Name: "nobody"}
}

type site struct {
	t        *testing.T
	store    *Store
	releases *os.Root
	path     string
}

func newSite(t *testing.T) *site {
	t.Helper()
	base := shortdir.New(t)
	// What a session has in its environment is nothing to a deploy.
	t.Setenv("GIT_DIR", "/nonexistent")
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
	t.Setenv("GIT_CONFIG_VALUE_0", base)
	s := &site{t: t, store: &Store{Dir: filepath.Join(base, "repositories", "git"), Account: account()}, path: filepath.Join(base, "releases")}
	for _, dir := range []string{filepath.Join(base, "repositories"), s.path} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if a := account(); a != nil {
		if err := os.Chown(filepath.Join(base, "repositories"), a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.releases, err = os.OpenRoot(s.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.releases.Close() })
	return s
}

func (s *site) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	s.t.Cleanup(cancel)
	return ctx
}

func (s *site) fetch(r Repository) Commit {
	s.t.Helper()
	c, err := s.store.Fetch(s.ctx(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// deploy fetches and unpacks.
func (s *site) deploy(r Repository, directory, id string) (Unpacked, error) {
	s.t.Helper()
	return s.store.Unpack(s.ctx(), r, s.fetch(r), directory, s.releases, id)
}

func (s *site) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.path, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// wants fails a test unless an error has all of some phrases in it.
func wants(t *testing.T, err error, phrases ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; it should say %q", phrases)
	}
	for _, p := range phrases {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error says\n  %v\nand not %q", err, p)
		}
	}
}
