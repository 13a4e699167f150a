package state

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

func applied(spec *appspec.Spec) Applied {
	return Applied{Generation: 1, Digest: runner.Digest(spec), Spec: spec}
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(afero.NewOsFs(), filepath.Join(shortdir.New(t), "state"), filepath.Join(shortdir.New(t), "data"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStateDirIsMadeForItsUserAlone(t *testing.T) {
	s := testStore(t)
	want := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		want = 0o711 // workers of other users pass to the Python host
	}
	if fi, err := os.Stat(s.Dir); err != nil || fi.Mode().Perm() != want {
		t.Errorf("state directory: %v, %v, want mode %v", fi.Mode().Perm(), err, want)
	}
	if fi, err := os.Stat(s.AppsDir()); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("apps: %v, %v, want mode 0700", fi.Mode().Perm(), err)
	}
}

func TestStateDirOfOthersIsRefused(t *testing.T) {
	tmp := shortdir.New(t)
	write := func(mode os.FileMode) string {
		d := filepath.Join(tmp, strconv.FormatUint(uint64(mode), 8))
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
		return d
	}
	file := filepath.Join(tmp, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(tmp, "link")
	if err := os.Symlink(tmp, link); err != nil {
		t.Fatal(err)
	}
	// Somebody else's directory: root makes one, others know that / is root's.
	foreign, owner := "/", "user root"
	if os.Geteuid() == 0 {
		foreign, owner = write(0o755), "uid 54321"
		if err := os.Chown(foreign, 54321, 54321); err != nil {
			t.Fatal(err)
		}
	}
	shared := write(0o777)
	for dir, want := range map[string]string{
		foreign: "cannot use state directory " + foreign + ": it belongs to " + owner + ", and its contents are trusted; name another with --state-dir, or run as that user",
		shared:  "cannot use state directory " + shared + ": its mode 0777 allows others to write to it, and its contents are trusted; chmod 0700 it",
		file:    "cannot use state directory " + file + ": it is not a directory; move it away, or name another with --state-dir",
		link:    "cannot use state directory " + link + ": it is not a directory; move it away, or name another with --state-dir",
	} {
		if _, err := Open(afero.NewOsFs(), dir, filepath.Join(shortdir.New(t), "data")); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := Open(afero.NewReadOnlyFs(afero.NewOsFs()), filepath.Join(tmp, "no", "such"), tmp); err == nil ||
		err.Error() != "cannot make state directory "+tmp+"/no/such: operation not permitted" {
		t.Errorf("on a read-only disk: %v", err)
	}
}

func TestStoreKeepsWhatItIsTold(t *testing.T) {
	s := testStore(t)
	spec := fleettest.Spec(func(s *appspec.Spec) {
		s.Env = map[string]string{"A": "1"}
		s.Django = &appspec.Django{Overrides: map[string]any{"N": 1, "S": "x", "B": true}}
	})
	if err := s.SaveSpec(spec); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveApplied("blog", applied(spec)); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveOverride("blog", Override{Stopped: true, Since: now}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveFailure("blog", &Failure{Reason: "why", At: now, RetryAt: now}); err != nil {
		t.Fatal(err)
	}
	r := s.Load("blog")
	if len(r.Corrupt) > 0 || runner.Digest(r.LastGood) != runner.Digest(spec) || r.Applied.Digest != runner.Digest(spec) || r.Applied.Generation != 1 ||
		!r.Override.Stopped || r.Failure == nil || r.Failure.Reason != "why" || !r.Failure.RetryAt.Equal(now) {
		t.Errorf("recalled %+v", r)
	}
	if fi, err := os.Stat(s.Path("blog", FileSpec)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("spec.json holds secrets and has mode %v (%v)", fi.Mode().Perm(), err)
	}
	if names, err := s.Apps(); err != nil || len(names) != 1 || names[0] != "blog" {
		t.Errorf("apps %v, %v", names, err)
	}
	if err := s.SaveOverride("blog", Override{}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveFailure("blog", nil); err != nil {
		t.Fatal(err)
	}
	if r := s.Load("blog"); r.Override != (Override{}) || r.Failure != nil {
		t.Errorf("after removing: %+v", r)
	}
	if err := s.Delete("blog"); err != nil {
		t.Fatal(err)
	}
	if names, _ := s.Apps(); len(names) != 0 {
		t.Errorf("forgotten, yet known: %v", names)
	}
	if r := s.Load("blog"); r.LastGood != nil || len(r.Corrupt) > 0 {
		t.Errorf("forgotten, yet recalled: %+v", r)
	}
}

func TestCorruptFilesInTheStateDir(t *testing.T) {
	s := testStore(t)
	if err := os.MkdirAll(s.dataDir("blog"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"spec.json": "{\"name\": ", "applied.json": "null", "override.json": "\x00\x01", "failure.json": "[]",
	} {
		if err := s.Make("blog"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path("blog", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, odd := range []string{"UPPER", "..x", "-a"} {
		if err := os.Mkdir(filepath.Join(s.AppsDir(), odd), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.AppsDir(), "afile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.Load("blog")
	want := []string{
		"cannot read " + s.Path("blog", "spec.json") + ": unexpected end of JSON input; treating it as missing",
		"cannot read " + s.Path("blog", "applied.json") + ": it has a format that this version does not understand; treating it as missing",
		"cannot read " + s.Path("blog", "override.json") + ": invalid character '\\x00' looking for beginning of value; treating it as missing",
		"cannot read " + s.Path("blog", "failure.json") + ": it is an array, not an object; treating it as missing",
	}
	if got := strings.Join(r.Corrupt, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if r.LastGood != nil || r.Applied != nil || r.Failure != nil {
		t.Errorf("rubbish was believed: %+v", r)
	}
	if names, err := s.Apps(); err != nil || strings.Join(names, " ") != "blog" {
		t.Errorf("apps %v, %v", names, err)
	}
	// A directory where a file should be, and a leftover of a crash.
	if err := os.Remove(s.Path("blog", "spec.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Path("blog", "spec.json/x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Path("blog", "applied.json.tmp/x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSpec(fleettest.Spec()); err != nil {
		t.Errorf("over a directory: %v", err)
	}
	if s.Load("blog").LastGood == nil {
		t.Error("not written anew over a directory, which is moved away")
	}
	if err := s.SaveApplied("blog", applied(fleettest.Spec())); err != nil {
		t.Errorf("over a leftover: %v", err)
	}
	if s.Load("blog").Applied == nil {
		t.Error("not written anew")
	}
	if err := s.Make("afile"); err == nil || err.Error() != "cannot use state directory "+s.appDir("afile")+": it is not a directory; move it away" {
		t.Errorf("app directory over a file: %v", err)
	}
}

func TestDaemonLock(t *testing.T) {
	s := testStore(t)
	if s.DaemonHolds() {
		t.Error("a daemon seems to run")
	}
	f, err := s.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !s.DaemonHolds() {
		t.Error("no daemon seems to run")
	}
	_, err = s.LockDaemon()
	want := "cannot run on state directory " + s.Dir + ": the daemon with pid " + strconv.Itoa(os.Getpid()) + " runs there; stop it, or name another with --state-dir"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	// A lock file with rubbish in it is a lock all the same.
	if err := os.WriteFile(s.LockPath(), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.LockDaemon()
	if err == nil || !strings.Contains(err.Error(), "another daemon runs there") {
		t.Errorf("with rubbish in the lock: %v", err)
	}
}

func TestAppLockIsTakenInTurn(t *testing.T) {
	s := testStore(t)
	unlock, err := s.LockApp(context.Background(), "blog")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.LockApp(ctx, "blog"); err == nil || err.Error() != "cannot lock app blog: another process works on it: context deadline exceeded" {
		t.Errorf("locked twice: %v", err)
	}
	if u, err := s.LockApp(context.Background(), "shop"); err != nil {
		t.Errorf("another app: %v", err)
	} else {
		u()
	}
	unlock()
	// Whoever waits for a lock that Delete removes gets the new one.
	for range 200 {
		unlock, err := s.LockApp(context.Background(), "blog")
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			u, err := s.LockApp(context.Background(), "blog")
			if err == nil {
				u()
			}
			got <- err
		}()
		if err := s.Delete("blog"); err != nil {
			t.Fatal(err)
		}
		unlock()
		if err := <-got; err != nil {
			t.Fatal(err)
		}
	}
}

// An app that had processes and schedules is forgotten with their locks, but for one that
// something which runs on still has.
func TestForgottenWithItsLocks(t *testing.T) {
	s := testStore(t)
	if err := s.Make("blog"); err != nil {
		t.Fatal(err)
	}
	lock := func(name string) *os.File {
		f, err := os.Create(filepath.Join(s.appDir("blog"), name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	lock("processes.lock").Close()
	held := lock("schedule-nightly.lock")
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[blog]", "[]"} {
		if err := s.Delete("blog"); err != nil {
			t.Fatal(err)
		}
		if names, err := s.Apps(); err != nil || fmt.Sprint(names) != want {
			t.Errorf("apps %v, %v, want %s", names, err, want)
		}
		held.Close()
	}
}

// A state file is there as a whole or not at all, also when the disk is full.
func TestStoreOnAFullDisk(t *testing.T) {
	s := testStore(t)
	if err := s.SaveSpec(fleettest.Spec()); err != nil {
		t.Fatal(err)
	}
	s.FS = &fullFs{s.FS}
	err := s.SaveSpec(fleettest.Spec(func(s *appspec.Spec) { s.Workers.Min, s.Workers.Max = 9, 9 }))
	if err == nil || !strings.HasPrefix(err.Error(), "cannot write "+s.Path("blog", "spec.json")+": no space left on device; the file system at ") {
		t.Errorf("got %v", err)
	}
	if r := s.Load("blog"); r.LastGood == nil || r.LastGood.Workers.Max != 2 {
		t.Errorf("the old one is lost: %+v", r.LastGood)
	}
}

type fullFs struct{ afero.Fs }

func (f *fullFs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	file, err := f.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &fullFile{file}, nil
}

type fullFile struct{ afero.File }

func (f *fullFile) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
}

// What runs is known from the two directories alone, the gate too: a daemon that is told
// to stop before it has read the specs ends all of it.
func TestAppsOfTheStoreAreAlsoTheGate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(afero.NewOsFs(), dir, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{appspec.GateName, "blog", "_other", "Blog"} {
		if err := os.Mkdir(filepath.Join(dir, "apps", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Apps(); err != nil || !slices.Equal(got, []string{appspec.GateName, "blog"}) {
		t.Errorf("%q, %v", got, err)
	}
}
