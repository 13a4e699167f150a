package checkout

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// A configuration means what the real git reads of it, and what git refuses is refused.
func TestGitConfigIsGits(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git")
	}
	rng := rand.New(rand.NewPCG(20, 12))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	dir := t.TempDir()
	file := filepath.Join(dir, "config")
	read, refused := 0, 0
	for i := range 250 {
		text := pick("", "# c\n", "\n", "a = 1\n")
		if rng.IntN(8) > 0 && strings.HasPrefix(text, "a") {
			text = ""
		}
		for range 1 + rng.IntN(4) {
			text += pick("[remote \"origin\"]", "[Remote \"Origin\"]", "[core]", "[branch \"a\\\"b\"]", "[branch \"x/y\"]", "[branch.OLD]", " [a-b] ", "[core] # c", "[core]; x", "[b \"\"]") + pick("\n", "\n", " ", "\n\n")
			for range rng.IntN(4) {
				text += pick("", "\t", "  ") + pick("url", "URL", "fetch", "x-y", "bare", "k1") + pick(" = ", "=", " =", "\t=\t")
				for range rng.IntN(4) {
					text += pick("a", "git@h:p", "x y", `"a b"`, `"a # b"`, "# c", "; c", `\t`, `\"`, `\\`, "\\\n  ", " ", "  z ", `"q`, `\q`, "é", "=")
				}
				text += pick("\n", "\n", "\n", "\r\n")
			}
			text += pick("", "", "", "bare\n", "bare # c\n", "1x = 2\n", "[open\n")
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, gitErr := fleettest.GitCommand(t, dir, "config", "-f", file, "--list", "-z").CombinedOutput()
		want := map[string]string{}
		for one := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			if key, value, _ := strings.Cut(one, "\n"); one != "" {
				want[key] = value
			}
		}
		got, ok := gitConfig(text)
		switch {
		case ok != (gitErr == nil):
			t.Errorf("%d %q: read: %v, git: %v %s", i, text, ok, gitErr, out)
		case ok:
			read++
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d %q (-git +here):\n%s", i, text, diff)
			}
		default:
			refused++
		}
	}
	if read < 50 || refused < 20 {
		t.Errorf("%d are read, %d refused", read, refused)
	}
}

// clone makes a repository of files and a clone of it, by the real git.
func clone(t *testing.T, files map[string]string) (repository, dir string) {
	t.Helper()
	base := t.TempDir()
	repository, dir = filepath.Join(base, "blog.git"), filepath.Join(base, "blog")
	fleettest.Git(t, base, "init", "-q", "--bare", "-b", "main", repository)
	fleettest.Git(t, base, "clone", "-q", repository, dir)
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fleettest.Git(t, dir, "checkout", "-q", "-b", "main")
	fleettest.Git(t, dir, "add", ".")
	fleettest.Git(t, dir, "commit", "-q", "-m", "x")
	fleettest.Git(t, dir, "push", "-q", "-u", "origin", "main")
	return repository, dir
}

var djangoFiles = map[string]string{
	"requirements.txt": "django\n", "src/manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n",
	"src/site/settings.py": "STATIC_ROOT = BASE_DIR / 'static'\n",
}

// What a real clone says of where its code comes from: on a branch that follows one of
// another name, without a branch, and in a folder of the tree.
func TestRepositoryOfAClone(t *testing.T) {
	repository, dir := clone(t, djangoFiles)
	want := &Repository{Root: dir, Remote: repository, Branch: "main", Directory: "src", Requirements: []string{"requirements.txt"}, Migrate: true, Collect: true}
	if diff := cmp.Diff(want, RepositoryOf(filepath.Join(dir, "src"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = &Repository{Root: dir, Remote: repository, Branch: "main", Requirements: []string{"requirements.txt"}}
	if diff := cmp.Diff(want, RepositoryOf(dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fleettest.Git(t, dir, "checkout", "-q", "-b", "live", "--track", "origin/main")
	if r := RepositoryOf(dir); r == nil || r.Branch != "main" {
		t.Errorf("a branch that follows another: %+v", r)
	}
	commit := fleettest.Git(t, dir, "rev-parse", "HEAD")
	fleettest.Git(t, dir, "checkout", "-q", "--detach")
	if r := RepositoryOf(dir); r == nil || r.Commit != commit || r.Branch != "" || r.Remote != repository {
		t.Errorf("without a branch: %+v", r)
	}
}

// A checkout may be anybody's: nothing of it is run, no link is followed out of it, and
// nothing of it makes a reader wait or take more than its share.
func TestRepositoryOfAHostileCheckout(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	_, dir := clone(t, djangoFiles)
	hook := filepath.Join(dir, ".git/hooks/query")
	for name, text := range map[string]string{hook: "#!/bin/sh\ntouch " + ran + "\n", filepath.Join(dir, ".git/config"): fmt.Sprintf(
		"[core]\n\tfsmonitor = %s\n\tsshCommand = touch %s\n\tpager = touch %[2]s\n[remote \"origin\"]\n\turl = ext::touch %[2]s\n[include]\n\tpath = /etc/shadow\n", hook, ran)} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if r := RepositoryOf(dir); r == nil || !strings.HasPrefix(r.Remote, "ext::") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("something was run")
	}

	_, elsewhere := clone(t, djangoFiles)
	for name, make := range map[string]func(dir string) error{
		"a link to another .git": func(dir string) error {
			return os.Symlink(filepath.Join(elsewhere, ".git"), filepath.Join(dir, ".git"))
		},
		"a file that names another": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".git"), []byte("gitdir: "+elsewhere+"/.git\n"), 0o644)
		},
		"a configuration elsewhere": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(elsewhere, ".git/config"), filepath.Join(dir, ".git/config"))
		},
		"a configuration that waits": func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
				return err
			}
			return syscall.Mkfifo(filepath.Join(dir, ".git/config"), 0o644)
		},
	} {
		dir := t.TempDir()
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		if r := RepositoryOf(dir); r != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.MkdirAll(filepath.Join(large, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("#\n", 20<<20) + "[remote \"origin\"]\n\turl = file:///x\n"
	if err := os.WriteFile(filepath.Join(large, ".git/config"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := RepositoryOf(large); r == nil || r.Remote != "" {
		t.Errorf("more was read than a configuration may hold: %+v", r)
	}
}
