package appdir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func TestRootFsIsAFileSystem(t *testing.T) {
	ordinary(t)
	dir := filepath.Join(shortdir.New(t), "blog")
	r := open(t, dir)
	if _, err := r.Stat("/"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err := r.Create("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in a missing folder: %v", err)
	}
	if err := r.MkdirAll("/a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.Mkdir("/", 0o755); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	if err := afero.WriteFile(r, "a/b/f", []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := r.OpenFile("/a/b/f", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, " two"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if b, err := afero.ReadFile(r, "a/b/f"); err != nil || string(b) != "one two" {
		t.Errorf("read %q, %v", b, err)
	}
	if f, err = r.Create("a/b/f"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got := read(t, filepath.Join(dir, "a/b/f")); got != "" {
		t.Errorf("Create left %q", got)
	}
	when := time.Unix(1e9, 0)
	if err := errors.Join(r.Chmod("a/b/f", 0o640), r.Chtimes("a/b/f", when, when), r.Chown("a/b/f", os.Geteuid(), os.Getegid()),
		r.Rename("a/b/f", "g")); err != nil {
		t.Fatal(err)
	}
	fi, err := r.Stat("g")
	if err != nil || fi.Mode() != 0o640 || !fi.ModTime().Equal(when) {
		t.Errorf("g is %v, %v", fi, err)
	}
	if err := errors.Join(r.RemoveAll("a"), r.Remove("g"), r.RemoveAll("never/was")); err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveAll("/"); err == nil {
		t.Error("the app folder itself was removed")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestRootFsNeverLeavesTheFolder(t *testing.T) {
	ordinary(t)
	out, unharmed := outside(t)
	dir := filepath.Join(shortdir.New(t), "blog")
	r := open(t, dir)
	if err := r.MkdirAll("/real", 0o755); err != nil {
		t.Fatal(err)
	}
	shadow := filepath.Join(out, "shadow")
	for link, target := range map[string]string{"file": shadow, "dir": out, "up": "../..", "in": "real/f", "new": filepath.Join(out, "new")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := afero.WriteFile(r, "real/f", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(shadow, filepath.Join(dir, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "dir/shadow", "dir", "../../etc/passwd", "up/x", "in", "new", "hard", "fifo", "dir/new"} {
		for what, flag := range map[string]int{"append": os.O_WRONLY | os.O_APPEND, "truncate": os.O_RDWR | os.O_TRUNC, "create": os.O_WRONLY | os.O_CREATE} {
			if f, err := r.OpenFile(name, flag, 0o600); err == nil {
				f.Close()
				t.Errorf("%s could be opened to %s", name, what)
			}
		}
		if name != "in" && r.Chmod(name, 0o777) == nil {
			t.Errorf("%s could be changed", name)
		}
		if err := r.Chown(name, os.Geteuid(), os.Getegid()); err == nil {
			t.Errorf("%s could be given away", name)
		}
		if err := r.Chtimes(name, time.Now(), time.Now()); err == nil {
			t.Errorf("%s could be touched", name)
		}
		if strings.Contains(name, "/") {
			if err := errors.Join(r.Remove(name)); err == nil {
				t.Errorf("%s could be removed", name)
			}
			if r.Mkdir(name, 0o755) == nil {
				t.Errorf("%s could be made", name)
			}
			if r.Rename("real/f", name) == nil {
				t.Errorf("a file could be moved to %s", name)
			}
		}
	}
	for name, want := range map[string]string{
		"file": "it is a symbolic link, not a file", "fifo": "it is a FIFO, not a file", "hard": "it has 2 names (hard links)",
	} {
		_, err := r.OpenFile(name, os.O_WRONLY, 0)
		if want = "open " + filepath.Join(dir, name) + ": " + want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if fi, err := r.Stat("file"); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("Stat followed a link: %v, %v", fi, err)
	}
	if to, err := r.ReadlinkIfPossible("file"); err != nil || to != shadow {
		t.Errorf("the link leads to %s, %v", to, err)
	}
	unharmed()
}

// The descriptor outlives what happens to the name.
func TestRootFsStaysInItsFolder(t *testing.T) {
	ordinary(t)
	parent := shortdir.New(t)
	dir := filepath.Join(parent, "blog")
	r := open(t, dir)
	if err := r.Mkdir("/", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, filepath.Join(parent, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := afero.WriteFile(r, "f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if missing(filepath.Join(parent, "old/f")) || !missing(filepath.Join(dir, "f")) {
		t.Error("the file went to a folder that was not opened")
	}
}
