package appdir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// outside is a folder with files that no repair may touch, and a check that
// none did.
func outside(t *testing.T) (dir string, unharmed func()) {
	t.Helper()
	dir = shortdir.New(t)
	write(t, filepath.Join(dir, "shadow"), "secret", 0o600)
	write(t, filepath.Join(dir, "12.pid"), "12", 0o600)
	write(t, filepath.Join(dir, "sub/x"), "x", 0o600)
	before := state(t, dir)
	return dir, func() {
		t.Helper()
		if diff := cmp.Diff(before, state(t, dir)); diff != "" {
			t.Errorf("something outside the app folder was touched (-before +after):\n%s", diff)
		}
	}
}

func TestPlantedSymlinks(t *testing.T) {
	ordinary(t)
	dir, unharmed := outside(t)
	const next = " not a folder, and the program follows no link where it writes; remove the link (rm PATH/%s), or mount its target there"
	for _, tt := range []struct {
		name, target string
		fails        string // empty: repaired
	}{
		{name: "logs", target: dir, fails: "cannot repair PATH/logs: it is a symbolic link to OUT," + next},
		{name: "pid", target: dir, fails: "cannot repair PATH/pid: it is a symbolic link to OUT," + next},
		{name: "pid/master", target: dir, fails: "cannot repair PATH/pid/master: it is a symbolic link to OUT," + next},
		{name: "pid/worker", target: "../../app", fails: "cannot repair PATH/pid/worker: it is a symbolic link to ../../app," + next},
		{name: "app", target: filepath.Join(dir, "sub")},
		{name: "plugins", target: "/nowhere"},
		{name: "wsgid.json", target: filepath.Join(dir, "shadow")},
		{name: "django.json", target: filepath.Join(dir, "new")},
		{name: "pid/worker/12.pid", target: filepath.Join(dir, "12.pid")},
		{name: ".wsgid.json.tmp-A", target: filepath.Join(dir, "shadow")},
	} {
		t.Run(strings.ReplaceAll(tt.name, "/", "_"), func(t *testing.T) {
			s := testSpec(t)
			mustRepair(t, s)
			path := Join(s.Path, tt.name)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(tt.target, path); err != nil {
				t.Fatal(err)
			}
			if tt.fails != "" {
				want := strings.ReplaceAll(tt.fails, "%s", tt.name)
				got := strings.ReplaceAll(repairFails(t, s), dir, "OUT")
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			} else {
				mustRepair(t, s)
			}
			unharmed()
			fi, err := os.Lstat(path)
			switch tt.name {
			case "wsgid.json", "django.json":
				if err != nil || !fi.Mode().IsRegular() {
					t.Errorf("%s is %v, %v; want a regular file in the link's place", tt.name, fi, err)
				}
			case "pid/worker/12.pid", ".wsgid.json.tmp-A":
				if err == nil {
					t.Errorf("the link %s is still there", tt.name)
				}
			default:
				if err != nil || fi.Mode()&os.ModeSymlink == 0 {
					t.Errorf("the link %s was replaced", tt.name)
				}
			}
		})
	}
	if !missing(filepath.Join(dir, "new")) {
		t.Error("a file was made outside")
	}
}

func TestPlantedHardLinks(t *testing.T) {
	ordinary(t)
	for _, name := range []string{"wsgid.json", "django.json", "pid/worker/12.pid", "pid/master/77.pid"} {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			dir, unharmed := outside(t)
			s := testSpec(t)
			mustRepair(t, s)
			_ = os.Remove(Join(s.Path, name))
			if err := os.Link(filepath.Join(dir, "shadow"), Join(s.Path, name)); err != nil {
				t.Fatal(err)
			}
			got := lines(s, mustRepair(t, s))
			if strings.HasSuffix(name, ".json") && got != "PATH/"+name+": rewrite the file (it has 2 names (hard links))\n" {
				t.Errorf("repair did:\n%s", got)
			}
			unharmed()
		})
	}
}

// A FIFO must not make a repair wait, and nothing but a folder or a regular
// file is ever opened.
func TestPlantedFIFOsAndFiles(t *testing.T) {
	ordinary(t)
	for _, tt := range []struct{ name, fails string }{
		{"wsgid.json", ""},
		{"django.json", ""},
		{"pid/worker/12.pid", ""},
		{"logs", "cannot repair PATH/logs: it is a FIFO, not a folder; move it away (mv PATH/logs PATH/logs.old), it is then created again"},
		{"app", "cannot repair PATH/app: it is a FIFO, not a folder; move it away (mv PATH/app PATH/app.old), it is then created again"},
	} {
		t.Run(strings.ReplaceAll(tt.name, "/", "_"), func(t *testing.T) {
			s := testSpec(t)
			mustRepair(t, s)
			path := Join(s.Path, tt.name)
			_ = os.RemoveAll(path)
			if err := unix.Mkfifo(path, 0o640); err != nil {
				t.Fatal(err)
			}
			if tt.fails == "" {
				mustRepair(t, s)
				if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
					t.Errorf("%s is still %s", tt.name, fi.Mode())
				}
			} else if got := repairFails(t, s); got != tt.fails {
				t.Errorf("got  %s\nwant %s", got, tt.fails)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(tt.name, ".json") && !strings.HasSuffix(tt.name, ".pid") {
				write(t, path, "a file", 0o644)
				want := strings.ReplaceAll(tt.fails, "a FIFO", "a file")
				if got := repairFails(t, s); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if got := read(t, path); got != "a file" {
					t.Errorf("the file in the way now holds %q", got)
				}
			}
		})
	}
}

func TestFolderInTheWayOfAFile(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	path := Join(s.Path, "wsgid.json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	want := "cannot repair PATH/wsgid.json: it is a folder, not a file; move it away (mv PATH/wsgid.json PATH/wsgid.json.old), it is then written again"
	if got := repairFails(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPlantedDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can make a device; TestPlantedFIFOsAndFiles goes the same way")
	}
	s := testSpec(t)
	mustRepair(t, s)
	path := Join(s.Path, "wsgid.json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	if got := lines(s, mustRepair(t, s)); got != "PATH/wsgid.json: rewrite the file (it is a device)\n" {
		t.Errorf("repair did:\n%s", got)
	}
}

func TestAppFolderItself(t *testing.T) {
	ordinary(t)
	dir := shortdir.New(t)
	write(t, filepath.Join(dir, "file"), "", 0o644)
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "file"):      "cannot use PATH as app folder: file is a file, not a folder; move it away or correct path",
		filepath.Join(dir, "file/blog"): "cannot use PATH as app folder: file is a file, not a folder; move it away or correct path",
		filepath.Join(dir, "loop"):      "cannot open app folder PATH: its path contains more than 40 symbolic links",
		"/":                             "cannot use PATH as app folder: it is the root of the whole system; correct path",
		"blog":                          "cannot open app folder PATH: the path is not absolute",
	} {
		_, err := Open(path)
		if err == nil {
			t.Errorf("%s was opened", path)
			continue
		}
		got := strings.Replace(err.Error(), path, "PATH", 1)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestAppFolderBehindALink(t *testing.T) {
	ordinary(t)
	dir := shortdir.New(t)
	s := specAt(filepath.Join(dir, "real/blog"))
	mustRepair(t, s) // with the parent
	for link, target := range map[string]string{"a": "real", "b": "./real/../real", "c": filepath.Join(dir, "real"), "d": "c"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"a", "b", "c", "d"} {
		linked := specAt(filepath.Join(dir, link, "blog"))
		if p := mustRepair(t, linked); len(p) > 0 {
			t.Errorf("behind %s:\n%s", link, lines(linked, p))
		}
	}
}

// The app's user makes a link where root expects the app folder, or one of its
// parents.
func TestUntrustedLinkToTheAppFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root has to beware; an ordinary user's rights bind him")
	}
	dir, unharmed := outside(t)
	home := shortdir.New(t)
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(home, "site")
	plant := func(target string) {
		t.Helper()
		_ = os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(link, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	const next = "; root follows such a link only to a folder of the same user: write the real path into the spec, or let root make the link"

	plant(dir)
	want := "cannot open app folder PATH: its path contains a symbolic link owned by nobody to a folder of root" + next
	if got := repairFails(t, specAt(link)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = "cannot open app folder PATH: its path contains a symbolic link owned by nobody to a folder that does not exist" + next
	if got := repairFails(t, specAt(filepath.Join(link, "new"))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	unharmed()

	own := filepath.Join(home, "releases")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(own, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	plant(own)
	mustRepair(t, specAt(link))
	if missing(filepath.Join(own, "wsgid.json")) {
		t.Error("a link to the user's own folder was not followed")
	}
}

// A mistyped path must not give somebody else's folder to an app's user.
func TestMistypedPath(t *testing.T) {
	dir, unharmed := outside(t)
	s := specAt(dir)
	if !ordinary(t) {
		want := "cannot use PATH as app folder: it belongs to root, is not empty and holds no app/; correct path, or, if this is the right folder: write code = \".\" into the spec where it is a checkout whose code the app imports from here, else make it an app folder first: wsgid init --app-path=PATH"
		if got := repairFails(t, s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		unharmed()
		return
	}
	s.Path = "/etc"
	if got := repairFails(t, s); !strings.HasPrefix(got, "cannot create folder PATH/app: permission denied; the program runs as ") {
		t.Errorf("got  %s", got)
	}
}

// An app that fills its folder with pid files makes neither a plan nor a repair
// long: a part of them goes each time, and a plan lists a few.
func TestManyPIDFiles(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	const all = maxNames + 200
	for i := range all {
		write(t, filepath.Join(s.Path, WorkerPIDDir, fmt.Sprintf("%d.pid", 4194304+i)), "x", 0o644)
	}
	for left, pass := all, 0; left > 0; pass++ {
		plan, err := Check(open(t, s.Path), s, testOwner(), noneLive)
		if err != nil {
			t.Fatal(err)
		}
		did := mustRepair(t, s)
		if diff := cmp.Diff(plan, did); diff != "" {
			t.Errorf("the repair is not the plan (-plan +repair):\n%s", diff)
		}
		if len(did) > maxTold+1 {
			t.Errorf("%d lines in one plan", len(did))
		}
		more := fmt.Sprintf("remove or correct %d more pid files", min(left, maxNames)-maxTold)
		if got := did[len(did)-1]; got.Path != filepath.Join(s.Path, WorkerPIDDir) || !strings.HasPrefix(got.What, more) {
			t.Errorf("the last line is %s", got)
		}
		now, err := os.ReadDir(filepath.Join(s.Path, WorkerPIDDir))
		if err != nil || len(now) != max(left-maxNames, 0) {
			t.Fatalf("pass %d leaves %d of %d, %v", pass, len(now), left, err)
		}
		left = len(now)
	}
	if did := mustRepair(t, s); len(did) > 0 {
		t.Errorf("nothing is left, and still: %v", did)
	}
}
