package appdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// What is looked at by a folder's descriptor is told as os.Lstat tells it, and a folder's
// names are those that it has, but for what an overlay has removed.
func TestLooksByDescriptorTellTheSame(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "sub"), 0o1750))
	must(os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o604))
	must(os.Chmod(filepath.Join(dir, "file"), 0o604|fs.ModeSetuid))
	must(os.Symlink("nowhere", filepath.Join(dir, "link")))
	must(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(err)
	defer unix.Close(fd)
	must(unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "socket")}))
	for i := range 300 {
		must(os.WriteFile(filepath.Join(dir, "sub", fmt.Sprintf("a file with a long name %d", i)), nil, 0o600))
	}
	r, err := Open(dir)
	must(err)
	defer r.Close()
	for _, name := range []string{"/", "/sub", "/file", "/link", "/fifo", "/socket", "/sub/a file with a long name 7"} {
		want, err := os.Lstat(filepath.Join(dir, name))
		must(err)
		got, _, err := r.LstatIfPossible(name)
		must(err)
		if got.Mode() != want.Mode() || got.Size() != want.Size() || !got.ModTime().Equal(want.ModTime()) || got.IsDir() != want.IsDir() ||
			name != "/" && got.Name() != want.Name() {
			t.Errorf("%s: %v %v %v", name, got.Name(), got.Mode(), got.ModTime())
		}
		if is, want := got.Sys().(*syscall.Stat_t), want.Sys().(*syscall.Stat_t); !reflect.DeepEqual(is, want) {
			t.Errorf("%s: %+v, not %+v", name, is, want)
		}
	}
	if _, _, err := r.LstatIfPossible("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}

	o := newOverlay(r)
	for _, f := range []afero.Fs{r, o} {
		got, err := readNames(f, "/sub")
		must(err)
		slices.Sort(got)
		var want []string
		es, err := os.ReadDir(filepath.Join(dir, "sub"))
		must(err)
		for _, e := range es {
			want = append(want, e.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d names, not %d", len(got), len(want))
		}
		if names, err := readNames(f, "/none"); names != nil || err != nil {
			t.Errorf("of a folder that is not there: %q, %v", names, err)
		}
		for _, name := range []string{"/file", "/fifo", "/link"} {
			if _, err := readNames(f, name); err == nil {
				t.Errorf("%s is listed", name)
			}
		}
	}
	must(o.Remove("/sub/a file with a long name 9"))
	must(o.Mkdir("/new", 0o700))
	if names, err := readNames(o, "/sub"); err != nil || len(names) != 299 || slices.Contains(names, "a file with a long name 9") {
		t.Errorf("%d names after one was removed, %v", len(names), err)
	}
	if names, err := readNames(o, "/new"); err != nil || len(names) != 0 {
		t.Errorf("a new folder: %q, %v", names, err)
	}
	for i := range maxNames {
		must(os.WriteFile(filepath.Join(dir, "sub", strconv.Itoa(i)), nil, 0o600))
	}
	if names, err := readNames(r, "/sub"); err != nil || len(names) != maxNames {
		t.Errorf("%d names of a folder with more, %v", len(names), err)
	}
}

// What the user database has said counts for a second, and only where it has said something:
// a user that is made is there at once, and whose a folder is counts as it is now.
func TestOwnersAreRememberedForASecond(t *testing.T) {
	now := time.Now()
	k := &knownOwners{now: func() time.Time { return now }}
	spec := &appspec.Spec{Name: "blog"}
	of := func(uid int) Owner {
		t.Helper()
		o, err := k.of(spec, true, func() (int, int, error) { return uid, 77, nil })
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	const nobody = 54321 // has no name
	if o := of(nobody); o.UID != nobody || o.GID != 77 {
		t.Errorf("%+v", o)
	}
	key := ownerKey{uid: nobody, gid: 77}
	k.all[key] = Owner{UID: nobody, GID: 77, Name: "remembered"}
	if o := of(nobody); o.Name != "remembered" {
		t.Errorf("it is asked for again at once: %+v", o)
	}
	if o := of(nobody + 1); o.UID != nobody+1 {
		t.Errorf("the folder has another owner: %+v", o)
	}
	for _, later := range []time.Duration{ownersLife, -2 * ownersLife} { // or the clock is set back
		k.all[key] = Owner{UID: nobody, GID: 77, Name: "remembered"}
		now = now.Add(later)
		if o := of(nobody); o.Name != strconv.Itoa(nobody) {
			t.Errorf("after %v it is still remembered: %+v", later, o)
		}
	}
	missing := &appspec.Spec{Name: "blog", User: "no-such-user-here"}
	for range 2 {
		if _, err := k.of(missing, true, nil); err == nil {
			t.Error("a user that is not there has an owner")
		}
	}
	if len(k.all) != 1 {
		t.Errorf("what was not found is remembered: %v", k.all)
	}
	root := &appspec.Spec{Name: "blog", User: "root"}
	first, err := k.of(root, true, nil)
	if err != nil || first.Warning == "" {
		t.Fatalf("%+v, %v", first, err)
	}
}
