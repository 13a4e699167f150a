package database

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

func makeSQLite(t *testing.T, folder, name string, owner *appdir.Owner) (Connection, error) {
	t.Helper()
	fsys, err := appdir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	return MakeSQLite(appspec.Database{Engine: SQLite, Name: name}, fsys, owner)
}

// The file and its folders are the app's user's, and a second time changes nothing.
func TestSQLiteIsMadeOnce(t *testing.T) {
	folder := t.TempDir()
	var owner *appdir.Owner
	uid := os.Getuid()
	if uid == 0 {
		uid = 33
		owner = &appdir.Owner{UID: uid, GID: 33}
	}
	c, err := makeSQLite(t, folder, "db/blog.sqlite3", owner)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "shared/db/blog.sqlite3")
	if c.URL() != "sqlite:///"+file {
		t.Errorf("%s, want sqlite:///%s", c.URL(), file)
	}
	for _, name := range []string{"shared", "shared/db", "shared/db/blog.sqlite3"} {
		fi, err := os.Lstat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := int(fi.Sys().(*syscall.Stat_t).Uid); got != uid {
			t.Errorf("%s belongs to %d, want %d", name, got, uid)
		}
		if !fi.IsDir() && fi.Mode() != 0o640 {
			t.Errorf("%s has mode %v", name, fi.Mode())
		}
	}
	if err := os.WriteFile(file, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makeSQLite(t, folder, "db/blog.sqlite3", owner); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(file); string(b) != "rows" {
		t.Errorf("the database holds %q now", b)
	}
}

// No link that lies in the app folder takes the file elsewhere.
func TestSQLiteFollowsNoLink(t *testing.T) {
	outside := t.TempDir()
	for name, link := range map[string]string{"file": "shared/db.sqlite3", "folder": "shared"} {
		folder := t.TempDir()
		at := filepath.Join(folder, link)
		target := outside
		if name == "file" {
			target = filepath.Join(outside, "made")
			if err := os.Mkdir(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(target, at); err != nil {
			t.Fatal(err)
		}
		if _, err := makeSQLite(t, folder, "db.sqlite3", nil); err == nil || !strings.Contains(err.Error(), "cannot make sqlite database "+folder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Errorf("made outside of the app folder: %v", left)
	}
	if _, err := makeSQLite(t, t.TempDir(), "../db", nil); err == nil {
		t.Error("a path that leaves shared/ is taken")
	}
}
