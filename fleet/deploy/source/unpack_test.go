package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnpack(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	marker := filepath.Join(s.path, "ran")
	u.commit("main", u.files(map[string]string{
		"app/main.py":      "print()\r\n",
		"app/run":          "#!/bin/sh\n",
		"app/current":      "-> main.py",
		"app/up":           "-> ../top",
		"top":              "",
		"names/\xff\xfe":   "latin",
		"names/a b\n\t\"c": "odd",
		".gitattributes":   "*.py export-ignore\n*.txt export-subst filter=evil text eol=lf\n",
		"hooks/post-merge": "#!/bin/sh\ntouch " + marker + "\n",
		"subst.txt":        "$Format:%H$\r\n",
		"secret.py":        "\x00GITCRYPT\x00" + strings.Repeat("x", 4096), "small.py": "\x00GITCRYPT\x00", "nosecret": "\x00GITCRYPT",
		"same/A": "A", "same/a": "a", "same/B/in": "B", "same/b": "b",
	}), "first", false)
	old := unix.Umask(0o077) // whatever whoever started the daemon had
	defer unix.Umask(old)
	done, err := s.deploy(Repository{URL: u.url()}, "", "1")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(done.Encrypted)
	if done.Files != 15 || len(done.Skipped) != 0 || !slices.Equal(done.Encrypted, []string{"secret.py", "small.py"}) {
		t.Errorf("%+v", done)
	}
	for name, content := range map[string]string{
		"app/main.py": "print()\r\n", "app/current": "print()\r\n", "app/up": "", "names/\xff\xfe": "latin",
		"names/a b\n\t\"c": "odd", "subst.txt": "$Format:%H$\r\n", "same/A": "A", "same/a": "a", "same/B/in": "B", "same/b": "b",
		"secret.py": "\x00GITCRYPT\x00" + strings.Repeat("x", 4096),
	} {
		if got := s.read("1/" + name); got != content {
			t.Errorf("%q holds %q, want %q", name, got, content)
		}
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a hook ran")
	}
	uid := os.Geteuid()
	if a := account(); a != nil {
		uid = a.UID
	}
	err = filepath.WalkDir(filepath.Join(s.path, "1"), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o644)
		switch base := filepath.Base(name); {
		case d.IsDir(), base == "run", base == "post-merge":
			want = 0o755
		case fi.Mode()&fs.ModeSymlink != 0:
			want = 0o777
		}
		if fi.Mode().Perm() != want || int(fi.Sys().(*syscall.Stat_t).Uid) != uid {
			t.Errorf("%s: mode %v of user %d, want %v of %d", name, fi.Mode(), fi.Sys().(*syscall.Stat_t).Uid, want, uid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// A part of the tree.
	r := Repository{URL: u.url()}
	if _, err = s.deploy(r, "names/", "2"); err != nil {
		t.Fatal(err)
	}
	if got := s.read("2/\xff\xfe"); got != "latin" {
		t.Errorf("%q", got)
	}
	_, err = s.deploy(r, "app", "3")
	wants(t, err, `"up" points to "../top"`, "outside the part")
	_, err = s.deploy(r, "wsgiapp", "4")
	wants(t, err, `directory "wsgiapp" is not a folder`, ".gitattributes, app/, hooks/, names/")
	_, err = s.deploy(r, "top", "4")
	wants(t, err, `directory "top" is not a folder`)
	_, err = s.deploy(r, "../x", "4")
	wants(t, err, "leads elsewhere")
	// Nothing is written over what is there.
	_, err = s.deploy(r, "", "2")
	wants(t, err, "file exists")
	if err := Remove(s.releases, "2"); err != nil {
		t.Error(err)
	}
	if err := Remove(s.releases, "2"); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.path); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// Repositories that no honest git makes. None may leave anything.
func TestUnpackRefuses(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	x := u.blob("x")
	sub := u.rawTree(item{"100644", "f", x})
	link := func(target string) string { return u.rawTree(item{"120000", "l", u.blob(target)}) }
	for name, c := range map[string]struct {
		tree string
		says string
	}{
		"absolute link":       {link("/etc/hostname"), `"l" points to "/etc/hostname"`},
		"link out":            {link("../../etc/hostname"), "outside the part"},
		"link to the parent":  {link(".."), "outside the part"},
		"empty link":          {link(""), "not a path"},
		"link by a link":      {u.rawTree(item{"120000", "a", u.blob("d/e")}, item{"120000", "b", u.blob("a/../../..")}), "outside the part"},
		"long link":           {link(strings.Repeat("a/", 3000)), "longer than a path"},
		"dot git":             {u.rawTree(item{"040000", ".git", sub}), "git's own folder"},
		"dot git in a folder": {u.rawTree(item{"040000", "d", u.rawTree(item{"040000", ".GIT", sub})}), "git's own folder"},
		"dot git of NTFS":     {u.rawTree(item{"040000", "GIT~1", sub}), "git's own folder"},
		"dot git with a dot":  {u.rawTree(item{"040000", ".git.", sub}), "git's own folder"},
		"dot git of HFS":      {u.rawTree(item{"040000", ".g\u200dit", sub}), "git's own folder"},
		"dot git, a file":     {u.rawTree(item{"100644", ".git", x}), "git's own folder"},
		"dot git, a link":     {u.rawTree(item{"120000", ".git", u.blob("d")}), "git's own folder"},
		"dot dot":             {u.rawTree(item{"040000", "..", sub}), "leads elsewhere"},
		"dot":                 {u.rawTree(item{"100644", ".", x}), "leads elsewhere"},
		"slash":               {u.rawTree(item{"100644", "a/b", x}), "not a folder"},
		"slash and dots":      {u.rawTree(item{"100644", "../b", x}), "leads elsewhere"},
		"absolute":            {u.rawTree(item{"100644", "/b", x}), "leads elsewhere"},
		"through a link":      {u.rawTree(item{"120000", "a", u.blob("b")}, item{"040000", "b", sub}, item{"100644", "a/f", x}), "not a folder"},
		"file and folder":     {u.rawTree(item{"100644", "a", x}, item{"040000", "a", sub}), "a file and a folder"},
		"twice":               {u.rawTree(item{"100644", "a", x}, item{"100644", "a", u.blob("y")}), "twice"},
		"long name":           {u.rawTree(item{"100644", strings.Repeat("n", 300), x}), "longer than 255"},
		"lfs":                 {u.rawTree(item{"100644", "big", u.blob("version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("ab", 32) + "\nsize 3\n")}), "lfs = true"},
		"a file as a folder":  {u.rawTree(item{"040000", "a", x}), "a"},
	} {
		t.Run(name, func(t *testing.T) {
			u.commit("main", c.tree, name, true)
			r := Repository{URL: u.url()}
			got, err := s.store.Fetch(s.ctx(), r)
			if err == nil {
				_, err = s.store.Unpack(s.ctx(), r, got, "", s.releases, "1")
			}
			wants(t, err, c.says)
			t.Log(err)
			if err := Remove(s.releases, "1"); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(s.path); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestUnpackOddButHonest(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	r := Repository{URL: u.url()}
	u.commit("main", u.rawTree(), "nothing at all", false)
	if done, err := s.deploy(r, "", "empty"); err != nil || done.Files != 0 {
		t.Errorf("an empty tree: %+v, %v", done, err)
	}
	u.commit("main", u.rawTree(item{"100664", "old", u.blob("x")}, item{"120000", "round", u.blob("round")}, item{"160000", "vendor", strings.Repeat("12", 20)}), "old modes", false)
	done, err := s.deploy(r, "", "old")
	if err != nil || len(done.Skipped) != 1 || done.Skipped[0] != "vendor" {
		t.Fatalf("%+v, %v", done, err)
	}
	if fi, err := os.Stat(filepath.Join(s.path, "old/vendor")); err != nil || !fi.IsDir() {
		t.Errorf("the folder of a submodule: %v", err)
	}
	// Trees of trees: few objects, many names.
	tree := u.rawTree(item{"100644", "f", u.blob("x")})
	for range 12 {
		var items []item
		for i := range 10 {
			items = append(items, item{"040000", fmt.Sprint(i), tree})
		}
		tree = u.rawTree(items...)
	}
	u.commit("main", tree, "bomb", false)
	_, err = s.deploy(r, "", "bomb")
	wants(t, err, "more than 200000 files and folders")
}

func TestSubmodules(t *testing.T) {
	u, inner, s := newUpstream(t), newUpstream(t), newSite(t)
	old := inner.commit("main", inner.files(map[string]string{"lib.py": "old"}), "old", false)
	inner.commit("main", inner.files(map[string]string{"lib.py": "new"}), "new", false)
	tree := func(url string) string {
		modules := "[submodule \"x\"]\n\tpath = vendor\n\turl = " + url + "\n\tupdate = !touch /nonexistent/x\n"
		return u.rawTree(item{"100644", ".gitmodules", u.blob(modules)}, item{"100644", "main.py", u.blob("main")}, item{"160000", "vendor", old})
	}
	r := Repository{URL: u.url(), Submodules: true}
	u.commit("main", tree(inner.url()), "one", false)
	if _, err := s.deploy(r, "", "1"); err != nil {
		t.Fatal(err)
	}
	if got := s.read("1/vendor/lib.py") + s.read("1/main.py"); got != "oldmain" {
		t.Errorf("%q", got)
	}
	for url, says := range map[string]string{
		"--upload-pack=touch":   "begins with -",
		"ext::true":             "runs a program",
		"ssh://-oX=y/z":         "host",
		"../../../../../../../": "points above",
		"http://127.0.0.1/x":    "write https://",
		"file:///nonexistent":   "there is no repository",
	} {
		u.commit("main", tree(url), url, false)
		_, err := s.deploy(r, "", "2")
		wants(t, err, `submodule "vendor"`, says)
	}
	u.commit("main", u.rawTree(item{"160000", "vendor", old}), "no .gitmodules", false)
	_, err := s.deploy(r, "", "3")
	wants(t, err, "has no url")
}

func TestDiskFull(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	if err := unix.Mount("small", s.path, "tmpfs", 0, "size=1m,mode=0755"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(s.path, unix.MNT_DETACH) }()
	small, err := os.OpenRoot(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	r := Repository{URL: u.url()}
	u.commit("main", u.files(map[string]string{"big": strings.Repeat("x", 2<<20)}), "big", false)
	_, err = s.store.Unpack(s.ctx(), r, s.fetch(r), "", small, "1")
	wants(t, err, "is too full", "2.0 MiB")
	// Files that fit by their bytes, and not by the blocks they take.
	many := map[string]string{}
	for i := range 400 {
		many[fmt.Sprintf("f%d", i)] = fmt.Sprint(i)
	}
	u.commit("main", u.files(many), "many", true)
	_, err = s.store.Unpack(s.ctx(), r, s.fetch(r), "", small, "1")
	wants(t, err, "full")
	if err := Remove(small, "1"); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.path); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnpackEndsWithItsContext(t *testing.T) {
	u, s := newUpstream(t), newSite(t)
	r := Repository{URL: u.url()}
	u.commit("main", u.files(map[string]string{"a": "1"}), "x", false)
	c := s.fetch(r)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	began := time.Now()
	_, err := s.store.Unpack(ctx, r, c, "", s.releases, "1")
	wants(t, err, "cannot unpack HEAD")
	if time.Since(began) > 30*time.Second {
		t.Error("it took", time.Since(began))
	}
}
