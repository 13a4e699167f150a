package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func TestUnneeded(t *testing.T) {
	v := func(c string) string { return strings.Repeat(c, 32) }
	book := []*Entry{
		{Kind: KindDeploy, Release: "5", Virtualenv: "venvs/" + v("5"), Result: ResultRunning},
		{Kind: KindRollback, Release: "1", Virtualenv: "venvs/" + v("1"), Result: ResultOK},
		{Kind: KindDeploy, Release: "4", Virtualenv: "venvs/" + v("4"), Result: ResultFailed, Pruned: true},
		{Kind: KindDeploy, Release: "3", Virtualenv: "venvs/" + v("3"), Result: ResultOK},
		{Kind: KindDeploy, Release: "2", Virtualenv: "venvs/" + v("3"), Result: ResultOK, Pruned: true},
		{Kind: KindDeploy, Release: "1", Virtualenv: "venvs/" + v("1"), Result: ResultOK, Pruned: true},
	}
	for _, tt := range []struct {
		inUse []string
		want  string
	}{
		{nil, "releases/1 releases/4 venvs/" + v("1") + " venvs/" + v("4") + " venvs/" + v("a")},
		{[]string{"1"}, "releases/4 venvs/" + v("4") + " venvs/" + v("a")},
	} {
		releases, venvs := unneeded(book, tt.inUse, []string{"1", "3", "4", "5", "my-own"}, []string{v("1"), v("3"), v("4"), v("5"), v("a"), "py311"})
		if got := strings.Join(append(releases, venvs...), " "); got != tt.want {
			t.Errorf("in use %v: %s go, want %s", tt.inUse, got, tt.want)
		}
	}
}

// The prune of a deploy takes an instant: what was put aside is removed later, also
// by whoever comes after a kill, half gone or not, whoever its files belong to.
func TestPruneWaitsForNothing(t *testing.T) {
	b := newBench(t)
	b.spec.Deploy.Keep = 1
	one := b.deploy()
	b.commit("app.py", "VERSION = 2\n")
	b.deploy()
	b.commit("app.py", "VERSION = 3\n")
	// What a daemon that was killed while it unpacked has left: as root, a folder that
	// is closed to the app's user.
	half := filepath.Join(b.spec.Path, "releases", "20200101-000000")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(half, "closed"), 0o700), os.WriteFile(filepath.Join(half, "closed", "file"), nil, 0o600), os.Chmod(filepath.Join(half, "closed"), 0o500), os.Chmod(half, 0o500),
		b.book.Save(&Entry{ID: "20200101-000000", Kind: KindDeploy, Release: "20200101-000000", Result: ResultInterrupted}),
		os.Mkdir(filepath.Join(b.spec.Path, "venvs", strings.Repeat("0a", 16)), 0o755), // it was to be a virtualenv
		os.Mkdir(filepath.Join(b.spec.Path, "venvs", "by-hand"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	swept := 0
	d := b.deployer()
	d.Sweep = func() { swept++ }
	three, err := d.Deploy(t.Context(), t.Context())
	if err != nil || swept != 1 {
		t.Fatalf("%v, swept %d times", err, swept)
	}
	if got := b.releases(); !slices.Contains(got, three.Release) || slices.Contains(got, one.Release) || slices.Contains(got, "20200101-000000") {
		t.Errorf("kept %v", got)
	}
	if !HasTrash(b.spec.Path) {
		t.Error("nothing was put aside")
	}
	if err := EmptyTrash(b.spec.Path); err != nil {
		t.Error(err)
	}
	if err := EmptyTrash(b.spec.Path); err != nil || HasTrash(b.spec.Path) {
		t.Errorf("trash %v, %v", HasTrash(b.spec.Path), err)
	}
	left, _ := filepath.Glob(filepath.Join(b.spec.Path, ".*"))
	venvs, _ := os.ReadDir(filepath.Join(b.spec.Path, "venvs"))
	if len(left) > 0 || len(venvs) != 1 || venvs[0].Name() != "by-hand" {
		t.Errorf("left %v, virtualenvs %v", left, venvs)
	}
	// Killed after the logbook said that a release is gone, and before it was.
	again := filepath.Join(b.spec.Path, "releases", "20200101-000000")
	if err := os.Mkdir(again, 0o755); err != nil {
		t.Fatal(err)
	}
	b.commit("app.py", fmt.Sprintf("VERSION = %d\n", 4))
	b.deploy()
	if _, err := os.Stat(again); !os.IsNotExist(err) {
		t.Errorf("a release that the logbook does not know any more: %v", err)
	}
}

// A stage that leaves a daemon running has done its work; the daemon is ended, and
// that is said.
func TestStageThatLeavesADaemon(t *testing.T) {
	b := newBench(t)
	b.spec.Deploy.Stages = []appspec.Stage{{Name: "cache", When: "before", Timeout: appspec.Duration(time.Minute),
		Command: []string{"/bin/sh", "-c", "(setsid sleep 6000$$ >/dev/null 2>&1 &); echo filled; while ! pgrep -u $(id -u) -f \"^sleep 6000$$\\$\" >/dev/null; do sleep 0.01; done"}}}
	e := b.deploy()
	s := e.Stages[slices.IndexFunc(e.Stages, func(s StageRecord) bool { return s.Name == "cache" })]
	if s.Note != "processes that it left running were terminated: sleep" || s.Output != "filled" {
		t.Errorf("%+v", s)
	}
}
