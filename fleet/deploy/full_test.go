package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// ballast fills a disk to its last block.
func ballast(t *testing.T, dir string) (empty func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	_ = f.Close()
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return func() { _ = os.Remove(name) }
}

// small has the app on a disk of its own, of a few megabytes.
func (b *bench) small() {
	b.t.Helper()
	if os.Geteuid() != 0 {
		b.t.Skip("only root mounts a small disk")
	}
	if err := unix.Mount("small", b.spec.Path, "tmpfs", 0, "size=8m,mode=0755"); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = unix.Unmount(b.spec.Path, unix.MNT_DETACH) })
	if err := os.Chown(b.spec.Path, b.owner.UID, b.owner.GID); err != nil {
		b.t.Fatal(err)
	}
}

// fullAt has the deployer's disk full while one stage is at work.
func (b *bench) fullAt(d *Deployer, stage string) {
	empty := func() {}
	d.Tell = func(told Told) {
		switch {
		case told.Stage.Name != stage:
		case told.Stage.Ended.IsZero():
			empty = ballast(b.t, b.spec.Path)
		default:
			empty()
		}
	}
}

// saysFull tells whether a failed deploy says that the disk is full.
func saysFull(err error, e *Entry) bool {
	said := strings.ToLower(err.Error() + outputs(e))
	return strings.Contains(said, "no space left") || strings.Contains(said, "full")
}

// The disk gets full as a stage begins, each in turn: it says so, what served serves
// on, and the next deploy is as good as any.
func TestDiskFullInEachStage(t *testing.T) {
	b := newBench(t)
	b.small()
	b.commit("requirements.txt", "# nothing\n")
	b.spec.Deploy.Requirements = []string{"requirements.txt"}
	b.spec.Deploy.Shared = []string{"media"}
	b.spec.Deploy.Stages = []appspec.Stage{{Name: "static", When: "before", Timeout: appspec.Duration(time.Minute),
		Command: []string{"/bin/sh", "-c", "head -c 10000 /dev/urandom >built"}}}
	b.spec.Database = &appspec.Database{Engine: "sqlite", Name: "blog.sqlite3"}
	good := b.deploy()
	for _, tt := range []struct {
		stage string
		fails bool // else the stage needs no room, or goes without
	}{
		{StageFetch, true}, {StageUnpack, true}, {StageVirtualenv, true}, {StageCompile, false},
		{StageDatabase, false}, {"static", true}, {StageRollout, false}, {StageHealth, false}, {StageSwitch, false}, {StagePrune, false},
	} {
		t.Run(tt.stage, func(t *testing.T) {
			if tt.stage == StageVirtualenv {
				b.commit("requirements.txt", "# other ones\n")
			}
			d := b.deployer()
			b.fullAt(d, tt.stage)
			e, err := d.Deploy(t.Context(), t.Context())
			if (err != nil) != tt.fails {
				t.Fatalf("%v\n%s", err, outputs(e))
			}
			if !tt.fails {
				good = e
				return
			}
			t.Log(err)
			if !strings.HasPrefix(err.Error(), tt.stage+": ") || !saysFull(err, e) {
				t.Errorf("it says %v\n%s", err, outputs(e))
			}
			if b.serves.ID != good.Release || b.app("app.py") != "VERSION = 1\n" {
				t.Errorf("%s serves, want %s", b.serves.ID, good.Release)
			}
			good = b.deploy()
			if b.serves.ID != good.Release {
				t.Errorf("%s serves, want %s", b.serves.ID, good.Release)
			}
			if left, _ := filepath.Glob(filepath.Join(b.spec.Path, ".*")); len(left) > 0 || len(b.releases()) > 2 {
				t.Errorf("left: %v, %v", left, b.releases())
			}
		})
	}
	// The disk of the logbook.
	data := b.book.dir
	if err := unix.Mount("small", data, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	empty := ballast(t, data)
	_, err := b.deployer().Deploy(t.Context(), t.Context())
	empty()
	if uerr := unix.Unmount(data, unix.MNT_DETACH); uerr != nil {
		t.Fatal(uerr)
	}
	if err == nil || !strings.Contains(err.Error(), "cannot deploy blog: cannot write ") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("with a full disk of the logbook: %v", err)
	}
	if b.serves.ID != good.Release {
		t.Errorf("%s serves, want %s", b.serves.ID, good.Release)
	}
	b.deploy()
}

// So does pip that installs the project: nothing of it is left but the failed release.
func TestInstallOnAFullDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.small()
	one := b.deploy()
	b.project()
	d := b.deployer()
	b.fullAt(d, StageInstall)
	e, err := d.Deploy(t.Context(), t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "install: cannot install the project: ") || !saysFull(err, e) ||
		!strings.HasSuffix(err.Error(), "the running app was not changed") {
		t.Errorf("it says %v\n%s", err, outputs(e))
	}
	if b.serves.ID != one.Release {
		t.Errorf("%s serves, want %s", b.serves.ID, one.Release)
	}
	two := b.deploy()
	if left, _ := filepath.Glob(filepath.Join(b.spec.Path, "venvs/*")); len(left) != 1 || b.serves.ID != two.Release || len(b.releases()) != 2 {
		t.Errorf("%s serves, left: %v, %v", b.serves.ID, left, b.releases())
	}
}

// A stage that comes after the switch has nothing to go back to: the new release serves,
// and can be gone back to.
func TestAfterStageOnAFullDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.small()
	b.deploy()
	b.spec.Deploy.Stages = []appspec.Stage{{Name: "warm", When: "after", Timeout: appspec.Duration(time.Minute),
		Command: []string{"/bin/sh", "-c", "head -c 10000 /dev/urandom >built"}}}
	b.commit("app.py", "VERSION = 2\n")
	d := b.deployer()
	b.fullAt(d, "warm")
	e, err := d.Deploy(t.Context(), t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "warm: ") || !saysFull(err, e) || !strings.HasSuffix(err.Error(), "; the new release is serving") {
		t.Errorf("it says %v\n%s", err, outputs(e))
	}
	if b.serves.ID != e.Release || b.app("app.py") != "VERSION = 2\n" || !e.Good() {
		t.Errorf("%s serves, and app/ holds %q: %+v", b.serves.ID, b.app("app.py"), e)
	}
	b.deploy()
}
