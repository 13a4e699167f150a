package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// ownMounts runs the test again, alone, with mounts that nobody else sees and that go
// with it. False: that was done, in another process.
func ownMounts(t *testing.T) bool {
	t.Helper()
	const mark = "WSGID_TEST_OWN_MOUNTS"
	if os.Geteuid() != 0 {
		t.Skip("needs root: it mounts")
	}
	if os.Getenv(mark) != "" {
		return true
	}
	args := []string{"-test.run", "^" + t.Name() + "$", "-test.count", "1", "-test.v"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS} // Go makes the mounts private, too
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		t.Skip("skipped in the process with mounts of its own")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func bindMount(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}

// unmount takes a mount away, in use as it may be.
func unmount(t *testing.T, path string) {
	t.Helper()
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
}

// One folder under two names has one watch. When one of the names is no longer used,
// the other one is watched on.
func TestFolderUnderTwoNamesIsWatchedOn(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	f, m := newFleetDir(t), reconciletest.NewMachine()
	one, two := filepath.Join(f.Root, "one"), filepath.Join(f.Root, "two")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := func(name, dir string) string {
		return fmt.Sprintf("env = { %s = trimspace(file(%q)) }", name, filepath.Join(dir, "password"))
	}
	if err := os.Mkdir(one, 0o755); err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(one, "password"), "first\n")
	bindMount(t, one, two)
	f.Spec("first", env("S", one))
	f.Spec("second", env("S", two))
	var d *Daemon
	f.daemon(f.fakeOptions(m), func(x *Daemon) { d = x })
	digest := func(app string) string {
		st, _ := m.Only(t, app).Status(t.Context(), 0)
		return st.WantDigest
	}
	for _, app := range []string{"first", "second"} {
		// Whichever name goes, the other one is left.
		other, dir := "second", two
		if app == "second" {
			other, dir = "first", one
		}
		f.Spec(app)
		eventually(t, "the other name is not watched any more", func() bool {
			w := d.loop.Watcher.Watching()
			return len(w) > 0 && (w[one] == "" || w[two] == "") && w[dir] != ""
		})
		was := digest(other)
		put(filepath.Join(dir, "password"), app+" and later\n")
		within(t, "what changes under the name that is left", func() bool { return digest(other) != was })
		f.Spec(app, env("S", map[string]string{"first": one, "second": two}[app]))
		eventually(t, "both names are watched", func() bool { w := d.loop.Watcher.Watching(); return w[one] != "" && w[two] != "" })
	}
}

// A spec that is replaced while somebody holds the old file open is an edit.
func TestSpecReplacedWhileHeldOpen(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("one", reconciletest.Count(1))
	f.daemon(f.fakeOptions(m))
	for n := 2; n < 5; n++ {
		held, err := os.Open(f.File("one"))
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		f.Spec("one", reconciletest.Count(n))
		within(t, fmt.Sprintf("edit %d", n), func() bool { st, _ := m.Only(t, "one").Status(t.Context(), 0); return st.Max == n })
	}
}

// A spec directory whose file system is unmounted is seen at the tick, of which the
// kernel's notices tell nothing; its apps are kept, and that is said. Mounted again it
// is read and watched again, at the same place or as another file system.
func TestSpecDirectoryIsUnmounted(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	f, m := newFleetDir(t), reconciletest.NewMachine()
	disk := filepath.Join(f.Root, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	bindMount(t, disk, f.Dir)
	f.Spec("one", reconciletest.Count(1))
	f.Spec("two", reconciletest.Count(1))
	var d *Daemon
	f.daemon(f.fakeOptions(m), func(x *Daemon) { x.Tick, d = 300*time.Millisecond, x })
	was := m.Only(t, "one")
	watched := func() bool {
		fi, err := os.Stat(f.Dir)
		return err == nil && d.loop.Watcher.Watching()[f.Dir] == state.FileID(fi.Sys())
	}
	most := func(n int) func() bool {
		return func() bool { st, _ := m.Only(t, "one").Status(t.Context(), 0); return st.Max == n }
	}
	for round, again := range []func(){
		func() { bindMount(t, disk, f.Dir) },
		func() {
			if err := unix.Mount("tmpfs", f.Dir, "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			f.Spec("two", reconciletest.Count(1))
		},
	} {
		unmount(t, f.Dir)
		within(t, "it is said", func() bool { return strings.Contains(f.status("one").Reason, "is it mounted?") })
		again()
		f.Spec("one", reconciletest.Count(2+round))
		within(t, "it is read again", most(2+round))
		within(t, "it is well again", func() bool { return f.status("one").Reason == "" && f.status("two").Reason == "" })
		eventually(t, "it is watched again", watched)
	}
	if m.Only(t, "one") != was {
		t.Error("the app's master was replaced")
	}
}

// An app folder whose file system is unmounted takes no running app down: the master
// serves on, which is said, and all is well when it is mounted again.
func TestAppFolderIsUnmounted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	if !ownMounts(t) {
		return
	}
	f := newFleetDir(t)
	f.EndMasters()
	disk := filepath.Join(f.Root, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	bindMount(t, disk, f.Path("blog"))
	f.Real("blog")
	f.daemon(Options{}, func(d *Daemon) { d.Tick = 300 * time.Millisecond })
	was := f.status("blog").Master.PID
	stop := f.load("blog", 2)
	unmount(t, f.Path("blog"))
	within(t, "it is said", func() bool { a := f.status("blog"); return a.State == "degraded" && a.Reason != "" })
	a := f.status("blog")
	t.Logf("unmounted: %s", a.Reason)
	if a.Master == nil || a.Master.PID != was {
		t.Errorf("the master was replaced: %+v", a)
	}
	bindMount(t, disk, f.Path("blog"))
	within(t, "it is well again", f.is("blog", "ready"))
	if good, bad := stop(); good == 0 || len(bad) > 0 {
		t.Errorf("%d good answers, lost: %v", good, bad)
	}
}
