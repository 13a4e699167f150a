package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// gitInPath puts a program in the place of git that keeps a list of the commands it is
// called with. An older one does not know cat-file's commands.
func gitInPath(t *testing.T, older bool) (commands func() []string) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := shortdir.New(t)
	list := filepath.Join(dir, "list")
	script := "#!/bin/sh\n"
	if older {
		script += `case "$*" in *--batch-command*) echo "error: unknown option \` + "`" + `batch-command'" >&2; exit 129;; esac` + "\n"
	}
	script += "echo \"$*\" >>" + list + "\nexec " + git + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	commands = func() []string {
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(list, 0); err != nil {
			t.Fatal(err)
		}
		known := []string{"fetch", "cat-file", "ls-tree", "log"}
		var all []string
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); slices.Contains(words, "--no-replace-objects") { // it is not the test's own
				all = append(all, words[slices.IndexFunc(words, func(w string) bool { return slices.Contains(known, w) })])
			}
		}
		slices.Sort(all)
		return all
	}
	if err := os.WriteFile(list, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(list, 0o666); err != nil {
		t.Fatal(err)
	}
	return commands
}

// Each program that a deploy starts keeps what serves waiting: one git fetches, and one
// tells all the rest. An older git does the same by more.
func TestGitsOfADeploy(t *testing.T) {
	for name, c := range map[string]struct {
		older bool
		want  []string
	}{
		"git":          {false, []string{"cat-file", "fetch"}},
		"an older git": {true, []string{"cat-file", "cat-file", "fetch", "log", "ls-tree"}},
	} {
		t.Run(name, func(t *testing.T) {
			u, s := newUpstream(t), newSite(t)
			commands := gitInPath(t, c.older)
			r := Repository{URL: u.url()}
			u.commit("main", u.files(map[string]string{"a": "1"}), "first", false)
			if _, err := s.deploy(r, "", "1"); err != nil {
				t.Fatal(err)
			}
			id := u.commit("main", u.files(map[string]string{"a": "2", "run": "#!/bin/sh\n", "b/c/d": "3", "b/c/e\n": "4", "b/l": "-> c/d"}),
				"two\nlines\n\nand more", false)
			commands()
			got := s.fetch(r)
			if got.ID != id || got.Author != "Ann" || got.Subject != "two lines" || time.Since(got.Time) > time.Hour || got.Ref != "HEAD" {
				t.Errorf("%+v", got)
			}
			done, err := s.store.Unpack(s.ctx(), r, got, "", s.releases, "2")
			if err != nil || done.Files != 4 || done.Bytes != int64(len("2#!/bin/sh\n34c/d")) {
				t.Fatalf("%+v, %v", done, err)
			}
			if all := commands(); !slices.Equal(all, c.want) {
				t.Errorf("the gits of a deploy: %v, want %v", all, c.want)
			}
			for name, want := range map[string]string{"a": "2", "b/c/d": "3", "b/c/e\n": "4", "b/l": "3"} {
				if is := s.read("2/" + name); is != want {
					t.Errorf("%q holds %q, want %q", name, is, want)
				}
			}
			if fi, err := os.Stat(filepath.Join(s.path, "2/run")); err != nil || fi.Mode().Perm() != 0o755 {
				t.Errorf("run: %v, %v", fi, err)
			}
			if _, err = s.deploy(r, "b", "3"); err != nil || s.read("3/c/d") != "3" {
				t.Errorf("a folder of the repository: %v", err)
			}
			_, err = s.deploy(r, "nothing\nthere", "4")
			wants(t, err, "is not a folder of the repository")
		})
	}
}

// What a commit says of itself is read as git log tells it.
func TestCommitsAsGitTellsThem(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	tree := u.files(map[string]string{"a": "1"})
	for name, head := range map[string]string{
		"plain":            "author Å B <a@b> 1700000000 +0100\ncommitter C <c@d> 1700000001 -0330\n\nSubject\n",
		"no message":       "author A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\n\n",
		"blank lines":      "author A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\n\n\n\none\ntwo\n\nthree\n",
		"no author's name": "author <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\n\nx\n",
		"signed":           "author A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\ngpgsig -----BEGIN\n author X <y> 3 +0000\n \n -----END\n\nsigned\n",
		"latin":            "author \xc5 <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\nencoding ISO-8859-1\n\nGr\xfc\xdfe\n",
		"escapes":          "author A <a@b> 1 +0000\ncommitter C <c@d> 2 +0000\n\n\x1b[31mred\n",
	} {
		t.Run(name, func(t *testing.T) {
			id := u.git("tree "+tree+"\n"+head, "hash-object", "-w", "-t", "commit", "--literally", "--stdin")
			u.git("", "update-ref", "refs/heads/main", id)
			got := s.fetch(Repository{URL: u.url()})
			told, err := s.store.log(s.ctx(), Repository{URL: u.url()}, got.dir, "")
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != told.ID || !got.Time.Equal(told.Time) || got.Author != child.Printable(told.Author) || got.Subject != child.Printable(told.Subject) {
				t.Errorf("it is read as\n%+v, by git log as\n%+v", got, told)
			}
		})
	}
}
