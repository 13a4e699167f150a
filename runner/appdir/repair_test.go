package appdir

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

const freshProblems = `PATH: create the folder (it is missing)
PATH/app: create the folder (it is missing)
PATH/plugins: create the folder (it is missing)
PATH/logs: create the folder (it is missing)
PATH/pid: create the folder (it is missing)
PATH/pid/master: create the folder (it is missing)
PATH/pid/worker: create the folder (it is missing)
PATH/django.json: write the file (it is missing)
PATH/wsgid.json: write the file (it is missing)
`

func TestRepairMakesAFolder(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	syscall.Umask(0o077) // must not decide the modes
	defer syscall.Umask(0o022)

	plan, err := Check(open(t, s.Path), s, testOwner(), noneLive)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(freshProblems, lines(s, plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if !missing(s.Path) {
		t.Fatal("the plan made the folder")
	}
	if diff := cmp.Diff(plan, mustRepair(t, s)); diff != "" {
		t.Errorf("repair did other than the plan said (-plan +repair):\n%s", diff)
	}
	modes := map[string]string{
		"": "drwxr-xr-x", "app": "drwxr-xr-x", "plugins": "drwxr-xr-x", "logs": "drwxr-x---", "pid": "drwxr-xr-x",
		"pid/master": "drwxr-xr-x", "pid/worker": "drwxr-xr-x", "wsgid.json": "-rw-r-----", "django.json": "-rw-r-----",
	}
	for name, want := range modes {
		fi, err := os.Lstat(Join(s.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.Mode().String(); got != want {
			t.Errorf("%s has mode %s, want %s", name, got, want)
		}
		if st := fi.Sys().(*syscall.Stat_t); int(st.Uid) != testOwner().UID || int(st.Gid) != testOwner().GID {
			t.Errorf("%s belongs to %d:%d", name, st.Uid, st.Gid)
		}
	}
	if p := mustRepair(t, s); len(p) > 0 {
		t.Errorf("a second repair finds:\n%s", lines(s, p))
	}
	names, err := os.ReadDir(s.Path)
	if err != nil || len(names) != 6 {
		t.Errorf("the folder holds %v (%v), want 6 names and no temporary file", names, err)
	}
}

// A plan over a repaired view finds nothing: the overlay behaves as a disk.
func TestRepairOnTheOverlayIsComplete(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	write(t, Join(s.Path, "pid/worker/4194304.pid"), "4194304\n", 0o644)
	write(t, Join(s.Path, "wsgid.json"), "{}", 0o666)
	for _, dir := range []string{"logs", "pid/master"} {
		if err := os.Chmod(Join(s.Path, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(Join(s.Path, "plugins")); err != nil {
		t.Fatal(err)
	}
	view := newOverlay(open(t, s.Path))
	first, err := Repair(view, s, testOwner(), noneLive)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Repair(view, s, testOwner(), noneLive)
	if err != nil || len(second) > 0 {
		t.Errorf("the repaired view still has %v, %v", second, err)
	}
	if diff := cmp.Diff(first, mustRepair(t, s)); diff != "" {
		t.Errorf("repair did other than the plan said (-plan +repair):\n%s", diff)
	}
}

func TestCheckTouchesNothing(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	write(t, Join(s.Path, "pid/worker/1x.pid"), "1", 0o644)
	write(t, Join(s.Path, ".wsgid.json.tmp-ABC"), "half", 0o600)
	write(t, Join(s.Path, "django.json"), `{"DEBUG": true}`, 0o640)
	if err := os.Chmod(Join(s.Path, "app"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(Join(s.Path, "logs")); err != nil {
		t.Fatal(err)
	}
	before := state(t, s.Path)
	plan, err := Check(open(t, s.Path), s, testOwner(), noneLive)
	if err != nil || len(plan) != 6 {
		t.Errorf("plan is %v, %v; want 6 problems", plan, err)
	}
	if diff := cmp.Diff(before, state(t, s.Path)); diff != "" {
		t.Errorf("the plan changed the disk (-before +after):\n%s", diff)
	}
}

func TestRepairInMemory(t *testing.T) {
	s := specAt("/var/wsgid/blog")
	mem := afero.NewBasePathFs(afero.NewMemMapFs(), s.Path)
	got, err := Repair(mem, s, testOwner(), noneLive)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(freshProblems, lines(s, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := Check(mem, s, testOwner(), noneLive); err != nil || len(got) > 0 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	if _, err := mem.Stat("/pid/worker"); err != nil {
		t.Error(err)
	}
}

func TestRepairLeavesTheAppsFilesAlone(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	for _, name := range []string{"app/blog/wsgi.py", "plugins/filter.py", "logs/wsgid.log", "venv/pyvenv.cfg", "notes.txt", "app/9.pid", "logs/.wsgid.json.tmp-X"} {
		write(t, Join(s.Path, name), "x", 0o666)
	}
	if err := os.Symlink("/nowhere", Join(s.Path, "app/link")); err != nil {
		t.Fatal(err)
	}
	before := state(t, s.Path)
	if p := mustRepair(t, s); len(p) > 0 {
		t.Errorf("repair found:\n%s", lines(s, p))
	}
	if diff := cmp.Diff(before, state(t, s.Path)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestRepairMendsModes(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	for name, mode := range map[string]os.FileMode{
		"": 0o777, "app": 0o750, "plugins": 0o775 | os.ModeSetgid, "logs": 0o500, "pid": 0o722, "pid/master": 0, "pid/worker": 0o700,
		"wsgid.json": 0o644, "django.json": 0o600,
	} {
		if err := os.Chmod(Join(s.Path, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	// An ordinary user cannot look into pid while it is closed to him; the order
	// parents first makes that come right.
	want := `PATH: set its mode to 0755 (its mode 0777 allows anyone to write)
PATH/logs: set its mode to 0750 (its mode 0500 denies access to its owner)
PATH/pid: set its mode to 0755 (its mode 0722 allows anyone to write)
PATH/pid/master: set its mode to 0755 (its mode 0000 denies access to its owner)
PATH/wsgid.json: rewrite the file (its mode 0644 allows others to read it)
`
	if diff := cmp.Diff(want, lines(s, mustRepair(t, s))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"": "drwxr-xr-x", "app": "drwxr-x---", "plugins": "dgrwxrwxr-x", "logs": "drwxr-x---", "pid": "drwxr-xr-x",
		"pid/master": "drwxr-xr-x", "pid/worker": "drwx------", "wsgid.json": "-rw-r-----", "django.json": "-rw-------",
	} {
		fi, err := os.Stat(Join(s.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().String() != want {
			t.Errorf("%s has mode %s, want %s", name, fi.Mode(), want)
		}
	}
}

func TestRepairMendsOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root can give files away; TestRepairAsAnotherUser covers it")
	}
	s := testSpec(t)
	mustRepair(t, s)
	if err := os.Chown(Join(s.Path, "app"), 0, 0); err != nil { // an installer's
		t.Fatal(err)
	}
	for _, name := range []string{"logs", "pid/worker", "wsgid.json"} {
		if err := os.Chown(Join(s.Path, name), 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	write(t, Join(s.Path, "app/x.py"), "", 0o644) // root's, and stays so
	want := `PATH/app: change its owner to nobody:nogroup (it belongs to root)
PATH/logs: change its owner to nobody:nogroup (it belongs to daemon)
PATH/pid/worker: change its owner to nobody:nogroup (it belongs to daemon)
PATH/wsgid.json: rewrite the file (it belongs to daemon)
`
	if diff := cmp.Diff(want, lines(s, mustRepair(t, s))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, uid := range map[string]uint32{"": nobody, "app": nobody, "logs": nobody, "pid/worker": nobody, "wsgid.json": nobody, "app/x.py": 0} {
		var st unix.Stat_t
		if err := unix.Lstat(Join(s.Path, name), &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != uid {
			t.Errorf("%s belongs to %d, want %d", name, st.Uid, uid)
		}
	}
}

// Who puts code there may be another user than the one it runs as: what is his
// stays his, and he can go on deploying.
func TestRepairLeavesADeployersCode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it gives files to other users")
	}
	s := testSpec(t)
	write(t, Join(s.Path, "app/x.py"), "", 0o644)
	for _, name := range []string{"", "app", "app/x.py"} {
		if err := os.Chown(Join(s.Path, name), 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	mustRepair(t, s)
	if again := mustRepair(t, s); len(again) > 0 {
		t.Errorf("a second repair finds more:\n%s", lines(s, again))
	}
	for name, uid := range map[string]uint32{"": 1, "app": 1, "app/x.py": 1, "plugins": 1, "logs": nobody, "pid": nobody, "pid/worker": nobody, "wsgid.json": nobody} {
		var st unix.Stat_t
		if err := unix.Lstat(Join(s.Path, name), &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != uid {
			t.Errorf("%s belongs to %d, want %d", name, st.Uid, uid)
		}
	}
}

// An ordinary user cannot take a folder over, and is told what to do.
func TestRepairAsAnotherUser(t *testing.T) {
	s := testSpec(t)
	if os.Geteuid() == 0 {
		if _, err := Repair(open(t, s.Path), s, Owner{Name: "root"}, noneLive); err != nil {
			t.Fatal(err)
		}
		t.Setenv("WSGID_TEST_PATH", s.Path)
		ordinary(t)
		return
	}
	s.Path = os.Getenv("WSGID_TEST_PATH")
	want := "cannot use PATH/logs: it belongs to root, and the program runs as me and may not use it; run it as root: sudo wsgid-fleet …, or give the app a path of your own"
	if s.Path == "" { // the whole suite runs as an ordinary user
		s.Path = "/etc"
		want = "cannot create folder PATH/app: permission denied; the program runs as " + userName(os.Geteuid()) + ": run it as root, or as the user that the folder belongs to"
	}
	if got := repairFails(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRepairPIDFiles(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	child := startChild(t)
	dead := deadPID(t)
	self := os.Getpid()
	live := func(pid int) bool { return pid == self }
	at := func(kind Kind, pid int) string { return Join(s.Path, string(kind)+"/"+strconv.Itoa(pid)+".pid") }
	write(t, at(Master, self), strconv.Itoa(self)+"\n", 0o644)
	write(t, at(Worker, self), "99999", 0o644) // the app's, but damaged
	write(t, at(Worker, child), strconv.Itoa(child), 0o644)
	write(t, at(Worker, dead), strconv.Itoa(dead), 0o644)
	write(t, Join(s.Path, "pid/worker/-1.pid"), "-1", 0o644)
	write(t, Join(s.Path, "pid/worker/007.pid"), "7", 0o644)
	write(t, Join(s.Path, "pid/worker/README"), "not ours", 0o644)
	if err := os.Mkdir(Join(s.Path, "pid/worker/5.pid"), 0o755); err != nil {
		t.Fatal(err)
	}
	problems, err := Repair(open(t, s.Path), s, testOwner(), live)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range problems {
		got[filepath.Base(p.Path)] = p.What + ": " + p.Why
	}
	want := map[string]string{
		strconv.Itoa(self) + ".pid":  "rewrite the file: it does not hold the number of its process",
		strconv.Itoa(child) + ".pid": "remove the pid file: process " + strconv.Itoa(child) + " does not belong to this app any more",
		strconv.Itoa(dead) + ".pid":  "remove the pid file: process " + strconv.Itoa(dead) + " is dead",
		"-1.pid":                     "remove the pid file: its name is not a process number",
		"007.pid":                    "remove the pid file: its name is not a process number",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, kind := range []Kind{Master, Worker} {
		pids, err := PIDs(open(t, s.Path), kind)
		if err != nil || len(pids) != 1 || pids[0] != self {
			t.Errorf("%s afterwards: %v, %v", kind, pids, err)
		}
	}
	if missing(Join(s.Path, "pid/worker/README")) {
		t.Error("a file that is not a pid file was removed")
	}
	if !ProcAlive(child, 0) {
		t.Error("the foreign process was harmed")
	}
}

func TestRepairRemovesLeftovers(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	for _, name := range []string{".wsgid.json.tmp-ABC", ".django.json.tmp-1", "pid/worker/.12.pid.tmp-Q", ".mine.tmp-1", ".wsgid.json.swp"} {
		write(t, Join(s.Path, name), "half", 0o600)
	}
	p := mustRepair(t, s)
	if len(p) != 3 {
		t.Errorf("repair did:\n%s", lines(s, p))
	}
	for _, name := range []string{".mine.tmp-1", ".wsgid.json.swp"} {
		if missing(Join(s.Path, name)) {
			t.Errorf("%s was removed", name)
		}
	}
}

func TestRepairFollowsTheSpec(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	mustRepair(t, s)
	if got := read(t, Join(s.Path, "django.json")); got != "{\n  \"DEBUG\": false\n}\n" {
		t.Errorf("django.json is %q", got)
	}
	s.Django.Overrides["DEBUG"] = true
	s.Workers.Min, s.Workers.Max = 3, 3
	want := `PATH/django.json: rewrite the file (it differs from the spec)
PATH/wsgid.json: rewrite the file (it differs from the spec)
`
	if diff := cmp.Diff(want, lines(s, mustRepair(t, s))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Django.Overrides = nil
	want = `PATH/django.json: remove the file (the spec has no django.overrides any more)
PATH/wsgid.json: rewrite the file (it differs from the spec)
`
	if diff := cmp.Diff(want, lines(s, mustRepair(t, s))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !missing(Join(s.Path, "django.json")) {
		t.Error("django.json of the old spec is still there")
	}
}

// What a person wrote is kept beside ours, once; a django.json of which the
// spec says nothing is left alone.
func TestRepairKeepsHandWrittenFiles(t *testing.T) {
	ordinary(t)
	s := testSpec(t)
	const config, django = `{"recv": "tcp://127.0.0.1:5000"}`, `{"DATABASES": {}}`
	if err := os.Mkdir(s.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(s.Path, testOwner().UID, testOwner().GID); err != nil {
		t.Fatal(err)
	}
	write(t, Join(s.Path, "wsgid.json"), config, 0o644)
	write(t, Join(s.Path, "django.json"), django, 0o644)

	overrides := s.Django.Overrides
	s.Django.Overrides = nil
	mustRepair(t, s)
	if got := read(t, Join(s.Path, "django.json")); got != django {
		t.Errorf("django.json is %s", got)
	}
	if got := read(t, Join(s.Path, "wsgid.json.before-fleet")); got != config {
		t.Errorf("kept %s", got)
	}
	s.Django.Overrides = overrides
	p := lines(s, mustRepair(t, s))
	if !strings.Contains(p, "PATH/django.json.before-fleet: keep a copy of django.json (it was written by hand)\n") {
		t.Errorf("repair did:\n%s", p)
	}
	if got := read(t, Join(s.Path, "django.json.before-fleet")); got != django {
		t.Errorf("kept %s", got)
	}
	write(t, Join(s.Path, "wsgid.json"), "{broken", 0o640)
	mustRepair(t, s)
	if got := read(t, Join(s.Path, "wsgid.json.before-fleet")); got != config {
		t.Errorf("the first copy was overwritten by %s", got)
	}
}

func TestProblemsNameNoSecrets(t *testing.T) {
	s := testSpec(t)
	s.Env["KEY"] = "hunter2"
	p := lines(s, mustRepair(t, s))
	s.Env["KEY"] = "hunter22"
	p += lines(s, mustRepair(t, s))
	if strings.Contains(p, "hunter2") {
		t.Errorf("a secret is printed:\n%s", p)
	}
}
