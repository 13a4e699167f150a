package fleet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// Everything that a daemon and its masters have in the state directory is deleted
// under them. It is made anew: no second daemon and no second master starts, what
// an operator ordered holds, and a stop still reaches the master.
func TestSweptStateDirectory(t *testing.T) {
	f := newFleetDir(t)
	f.cleanup()
	f.real("blog")
	f.real("off")
	f.daemon(Options{})
	op, err := Connect(context.Background(), Options{Dir: f.dir, StateDir: f.state})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.Stop(context.Background(), []string{"off"}, nil); err != nil {
		t.Fatal(err)
	}
	op.Close()
	was := f.status("blog").Master.PID
	stop := f.crowd("blog", 2)
	f.write("blog", "app \"blog\" {\n") // its last good spec is swept away, too
	eventually(t, "the spec is broken", func() bool { return f.status("blog").State == "degraded" })
	if err := os.RemoveAll(f.state); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(f.state, "fleet.lock")
	within(t, "the daemon is back", func() bool {
		_, err := os.Stat(lock)
		return err == nil && (&Store{Dir: f.state}).daemonHolds()
	})
	within(t, "the master is back", func() bool {
		ms, err := runner.FindMasters(f.state, "blog")
		return err == nil && len(ms) == 1 && ms[0].PID == was
	})
	within(t, "the daemon answers", func() bool {
		op, err := Connect(context.Background(), Options{Dir: f.dir, StateDir: f.state})
		if err != nil {
			return false
		}
		defer op.Close()
		_, ok := op.(*Client)
		return ok
	})
	within(t, "other users are told again who serves here", func() bool {
		n, ok := readNotice(f.state, uint32(os.Geteuid()))
		return ok && n.PID == os.Getpid() && n.Dir == f.dir
	})
	if a := f.status("blog"); a.Master == nil || a.Master.PID != was || a.State != "degraded" {
		t.Errorf("after the sweep: %+v", a)
	}
	if a := f.status("off"); a.State != StateStopped {
		t.Errorf("stopped before the sweep, now %s", a.State)
	}
	if _, err := OpenStore(f.fakeOptions(nil).withDefaults().fs, f.state, filepath.Join(f.state, "data")); err != nil {
		t.Error(err)
	}
	if good, bad := stop(); good == 0 || len(bad) > 0 {
		t.Errorf("%d good answers, lost: %v", good, bad)
	}
}

// Without a daemon the command finds the masters that the state directory has lost,
// and starts none beside them.
func TestSweptStateDirectoryWithoutADaemon(t *testing.T) {
	f := newFleetDir(t)
	f.cleanup()
	f.real("blog")
	apply := func() {
		t.Helper()
		op, err := Connect(context.Background(), Options{Dir: f.dir, StateDir: f.state, Log: shownLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer op.Close()
		if rs, err := op.Apply(context.Background(), nil, nil); err != nil || !rs[0].OK {
			t.Fatalf("apply: %+v, %v", rs, err)
		}
	}
	apply()
	was := f.status("blog").Master.PID
	if err := os.RemoveAll(f.state); err != nil {
		t.Fatal(err)
	}
	apply()
	ms, err := runner.FindMasters(f.state, "blog")
	if err != nil || len(ms) != 1 || ms[0].PID != was {
		t.Fatalf("%d masters, %v, want the one with pid %d", len(ms), err, was)
	}
	op, err := Connect(context.Background(), Options{Dir: f.dir, StateDir: f.state})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	if rs, err := op.Stop(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK || ms[0].Alive() {
		t.Errorf("stop: %+v, %v, alive %v", rs, err, ms[0].Alive())
	}
}

// A command with another environment than the daemon's chooses another state
// directory. It says where the daemon is instead of starting a second fleet on the
// same specs.
func TestDaemonOnAnotherStateDirectory(t *testing.T) {
	f := newFleetDir(t)
	f.spec("one")
	f.daemon(f.fakeOptions(newFakeMachine()))
	o := f.fakeOptions(newFakeMachine())
	o.StateDir = filepath.Join(f.root, "other")
	o = o.withDefaults()
	o.stateChosen = true
	_, err := Connect(context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), "runs on state directory "+f.state+"; name that with --state-dir") {
		t.Errorf("a command: %v", err)
	}
	if err := NewDaemon(o).Run(context.Background()); err == nil || !strings.Contains(err.Error(), f.state) {
		t.Errorf("a second daemon: %v", err)
	}
}
