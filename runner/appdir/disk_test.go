package appdir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// mountTmpfs mounts a small tmpfs and returns its path.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := shortdir.New(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,"+options); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can mount; TestBrokenDisk goes the same way")
	}
	dir := mountTmpfs(t, "size=64k")
	s := specAt(filepath.Join(dir, "blog"))
	mustRepair(t, s)
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	before := state(t, s.Path)
	s.Env["KEY"] = strings.Repeat("x", 5000)
	got := repairFails(t, s)
	want := "cannot write PATH/wsgid.json: no space left on device; the existing file is unchanged: free space on the disk of PATH"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	after := state(t, s.Path)
	delete(before, s.Path) // its time
	delete(after, s.Path)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the failed repair left traces (-before +after):\n%s", diff)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	mustRepair(t, s)
}

func TestReadOnlyDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can mount; TestBrokenDisk goes the same way")
	}
	dir := mountTmpfs(t, "size=1m")
	s := specAt(filepath.Join(dir, "blog"))
	mustRepair(t, s)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if p := mustRepair(t, s); len(p) > 0 {
		t.Errorf("a sound folder on a read-only disk: %v", p)
	}
	s.Debug = true
	want := "cannot write PATH/wsgid.json: read-only file system; mount it writable: the program keeps pid files and logs there; a complete app folder is also served from a read-only disk, where the spec says log { target = \"stderr\" } or \"journal\""
	if got := repairFails(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	plan, err := Check(open(t, s.Path), s, testOwner(), noneLive)
	if err != nil || len(plan) != 1 {
		t.Errorf("plan on a read-only disk: %v, %v", plan, err)
	}
	s2 := specAt(filepath.Join(dir, "other"))
	want = "cannot create app folder PATH: read-only file system; mount it writable: the program keeps pid files and logs there; a complete app folder is also served from a read-only disk, where the spec says log { target = \"stderr\" } or \"journal\""
	if got := repairFails(t, s2); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// An app folder in an image is sound, as far as nothing has to be written there:
// the log has another place.
func TestReadOnlyImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can mount")
	}
	dir := mountTmpfs(t, "size=1m")
	s := specAt(filepath.Join(dir, "blog"))
	s.Log.Target, s.Django = "stderr", nil
	if err := os.MkdirAll(filepath.Join(s.Path, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if p := mustRepair(t, s); len(p) > 0 {
		t.Errorf("repairs %v", p)
	}
	if p, err := Check(open(t, s.Path), s, testOwner(), noneLive); err != nil || len(p) > 0 {
		t.Errorf("plans %v, %v", p, err)
	}
	s.Django = &appspec.Django{Overrides: map[string]any{"DEBUG": true}}
	want := "cannot write PATH/django.json: read-only file system; django.overrides of the spec would have no effect: mount it writable, or put this file there"
	if got := repairFails(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s2 := specAt(filepath.Join(dir, "blog", "app"))
	s2.Log.Target, s2.Django = "journal", nil
	want = "cannot use PATH as app folder: it holds no app, and lies on a read-only file system; put the code there, or mount it writable"
	if got := repairFails(t, s2); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Whatever fails on the way to a new file, the old one stands and no temporary
// file is left.
func TestBrokenDisk(t *testing.T) {
	ordinary(t)
	for name, b := range map[string]brokenFs{
		"create": {create: unix.ENOSPC}, "write": {write: unix.ENOSPC}, "sync": {sync: unix.EIO}, "rename": {rename: unix.EDQUOT},
		"readonly": {create: unix.EROFS},
	} {
		for _, disk := range []string{"memory", "root"} {
			t.Run(name+"_"+disk, func(t *testing.T) {
				s := testSpec(t)
				b.Fs = afero.NewBasePathFs(afero.NewMemMapFs(), s.Path)
				if disk == "root" {
					b.Fs = open(t, s.Path)
				}
				if _, err := Repair(b.Fs, s, testOwner(), noneLive); err != nil {
					t.Fatal(err)
				}
				old, err := readFile(b.Fs, "/wsgid.json")
				if err != nil {
					t.Fatal(err)
				}
				s.Debug = true
				_, err = Repair(b, s, testOwner(), noneLive)
				if err == nil || !strings.HasPrefix(err.Error(), "cannot write "+s.Path+"/wsgid.json: ") {
					t.Errorf("got %v", err)
				}
				now, err := readFile(b.Fs, "/wsgid.json")
				if err != nil || string(now) != string(old) {
					t.Errorf("wsgid.json is now %q, %v", now, err)
				}
				names, err := readNames(b.Fs, "/")
				if err != nil || len(names) != 6 {
					t.Errorf("the folder holds %v, %v", names, err)
				}
			})
		}
	}
}
