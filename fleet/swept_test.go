package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// Everything that a daemon and its masters have in the state directory is deleted
// under them. It is made anew: no second daemon and no second master starts, what
// an operator ordered holds, and a stop still reaches the master.
func TestSweptStateDirectory(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	f.Real("off")
	apps := []string{"blog"}
	if os.Geteuid() == 0 {
		apps = append(apps, "jail") // sees nothing of the host's but what was mounted
		f.Real("jail", `user = "www-data"`, "chroot = true")
	}
	f.daemon(Options{})
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.Stop(context.Background(), []string{"off"}, nil); err != nil {
		t.Fatal(err)
	}
	op.Close()
	was := map[string]int{}
	for _, app := range apps {
		was[app] = f.status(app).Master.PID
	}
	stop := f.load("blog", 2)
	f.Write("blog", "app \"blog\" {\n") // its last good spec is swept away, too
	eventually(t, "the spec is broken", func() bool { return f.status("blog").State == "degraded" })
	// What was deleted may be made anew before its folder's turn comes.
	within(t, "all of it is deleted", func() bool { return os.RemoveAll(f.State) == nil })
	lock := filepath.Join(f.State, "fleet.lock")
	within(t, "the daemon is back", func() bool {
		_, err := os.Stat(lock)
		return err == nil && (&state.Store{Dir: f.State}).DaemonHolds()
	})
	for _, app := range apps {
		within(t, "the master is back: "+app, func() bool {
			ms, err := runner.FindMasters(f.State, app)
			return err == nil && len(ms) == 1 && ms[0].PID == was[app]
		})
	}
	within(t, "the daemon answers", func() bool {
		op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
		if err != nil {
			return false
		}
		defer op.Close()
		_, ok := op.(*Client)
		return ok
	})
	within(t, "other users are told again who serves here", func() bool {
		n, ok := readNotice(f.State, uint32(os.Geteuid()))
		return ok && n.PID == os.Getpid() && n.Dir == f.Dir
	})
	if a := f.status("blog"); a.Master == nil || a.Master.PID != was["blog"] || a.State != "degraded" {
		t.Errorf("after the sweep: %+v", a)
	}
	if a := f.status("off"); a.State != StateStopped {
		t.Errorf("stopped before the sweep, now %s", a.State)
	}
	if _, err := state.Open(f.fakeOptions(nil).withDefaults().fs, f.State, filepath.Join(f.State, "data")); err != nil {
		t.Error(err)
	}
	if good, bad := stop(); good == 0 || len(bad) > 0 {
		t.Errorf("%d good answers, lost: %v", good, bad)
	}
	// What was deleted with it, and that workers are started from, is there again.
	f.Real("blog")
	for _, app := range apps {
		op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
		if err != nil {
			t.Fatal(err)
		}
		old := f.status(app).Workers[0].PID
		if rs, err := op.Reload(context.Background(), []string{app}, nil); err != nil || !rs[0].OK {
			t.Errorf("reload of %s: %+v, %v", app, rs, err)
		}
		op.Close()
		if a := f.status(app); a.Master.PID != was[app] {
			t.Errorf("%s after its reload: %+v", app, a)
		}
		within(t, "only new workers are left: "+app, func() bool {
			a := f.status(app)
			return len(a.Workers) == 1 && a.Workers[0].PID != old
		})
	}
}

// Files are swept away one by one. An order of the operator that is gone while the spec
// of its app is still there holds all the same.
func TestSweptOrder(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("off")
	f.daemon(Options{})
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	if _, err := op.Stop(context.Background(), []string{"off"}, nil); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(f.State, "data", "apps", "off", state.FileOverride)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := op.Apply(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if a := f.status("off"); a.State != StateStopped {
		t.Errorf("stopped before the sweep, now %s", a.State)
	}
	within(t, "the order is written down again", func() bool { _, err := os.Stat(file); return err == nil })
	// One that was withdrawn does not come back.
	if _, err := op.Start(context.Background(), []string{"off"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := op.Apply(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if a := f.status("off"); a.State != "ready" {
		t.Errorf("started again, now %s", a.State)
	}
}

// A record of a master that is damaged is no sign that none runs: a daemon has it
// written anew, and so does a command without a daemon. No second one starts.
func TestDamagedRecordStartsNoSecondMaster(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	stop := f.daemon(Options{}, func(d *Daemon) { d.Tick = 200 * time.Millisecond })
	ms, err := runner.FindMasters(f.State, "blog")
	if err != nil || len(ms) != 1 {
		t.Fatalf("%+v, %v", ms, err)
	}
	was := ms[0]
	record := filepath.Join(f.State, "apps", "blog", fmt.Sprintf("master-%d.json", was.PID))
	damage := func() {
		t.Helper()
		if err := os.WriteFile(record, []byte(`{"app": "blog", "pid"`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := func() bool {
		ms, err := runner.FindMasters(f.State, "blog")
		return err == nil && len(ms) == 1 && ms[0].PID == was.PID && ms[0].Since.Equal(was.Since) && !ms[0].Swept()
	}
	damage()
	if a := f.status("blog"); a.Master == nil || a.Master.PID != was.PID || a.State != "ready" {
		t.Errorf("with a damaged record: %+v", a)
	}
	within(t, "the record is written anew", whole)
	damage()
	within(t, "the tick finds it", whole)
	// A daemon that comes later finds it, too, and so does a command.
	go stop() // (its apps are drained)
	within(t, "the app has ended", func() bool { return !was.Alive() })
	stop()
	op, err := OpenLocal(Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	if rs, err := op.Apply(context.Background(), nil, nil); err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	if ms, err = runner.FindMasters(f.State, "blog"); err != nil || len(ms) != 1 {
		t.Fatalf("%+v, %v", ms, err)
	}
	was = ms[0]
	record = filepath.Join(f.State, "apps", "blog", fmt.Sprintf("master-%d.json", was.PID))
	damage()
	if rs, err := op.Apply(context.Background(), nil, nil); err != nil || !rs[0].OK {
		t.Errorf("apply with a damaged record: %+v, %v", rs, err)
	}
	within(t, "the command has it written anew", whole)
}

// A master that cannot note itself anew, as it hangs, is known all the same: a command
// starts none beside it that would outlive it, and stop ends it.
func TestSweptMasterThatIsMute(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	local := func() *Local {
		t.Helper()
		op, err := OpenLocal(Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	if rs, err := local().Apply(context.Background(), nil, nil); err != nil || !rs[0].OK {
		t.Fatalf("%+v, %v", rs, err)
	}
	ms, err := runner.FindMasters(f.State, "blog")
	if err != nil || len(ms) != 1 {
		t.Fatalf("%+v, %v", ms, err)
	}
	if err := syscall.Kill(ms[0].PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(ms[0].PID, syscall.SIGCONT) }()
	if err := os.RemoveAll(f.State); err != nil {
		t.Fatal(err)
	}
	op := local()
	st, err := op.Status(context.Background())
	if err != nil || len(st.Apps) != 1 || st.Apps[0].Master == nil || st.Apps[0].Master.PID != ms[0].PID ||
		!strings.Contains(st.Apps[0].Reason, "its control socket is gone") {
		t.Errorf("status: %+v, %v", st, err)
	}
	// It hears of the stop when it goes on.
	go func() {
		defer func() { _ = syscall.Kill(ms[0].PID, syscall.SIGCONT) }()
		await.Until(patience, 2*time.Millisecond, func() bool {
			return pending(ms[0].PID, syscall.SIGTERM) || !ms[0].Alive() || t.Context().Err() != nil
		})
	}()
	if rs, err := op.Stop(context.Background(), []string{"blog"}, nil); err != nil || !rs[0].OK || ms[0].Alive() {
		t.Errorf("stop: %+v, %v, alive %v", rs, err, ms[0].Alive())
	}
}

// pending tells whether a signal waits for a process.
func pending(pid int, sig syscall.Signal) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "\nShdPnd:\t")
	line, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(line, 16, 64)
	return err == nil && set&(1<<(sig-1)) != 0
}

// Without a daemon the command finds the masters that the state directory has lost,
// and starts none beside them.
func TestSweptStateDirectoryWithoutADaemon(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	apply := func() {
		t.Helper()
		op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(t)})
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
	if err := os.RemoveAll(f.State); err != nil {
		t.Fatal(err)
	}
	apply()
	ms, err := runner.FindMasters(f.State, "blog")
	if err != nil || len(ms) != 1 || ms[0].PID != was {
		t.Fatalf("%d masters, %v, want the one with pid %d", len(ms), err, was)
	}
	op, err := Connect(context.Background(), Options{Dir: f.Dir, StateDir: f.State})
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
	f.Spec("one")
	f.daemon(f.fakeOptions(reconciletest.NewMachine()))
	o := f.fakeOptions(reconciletest.NewMachine())
	o.StateDir = filepath.Join(f.Root, "other")
	o = o.withDefaults()
	o.stateChosen = true
	_, err := Connect(context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), "runs on state directory "+f.State+"; name that with --state-dir") {
		t.Errorf("a command: %v", err)
	}
	if err := NewDaemon(o).Run(context.Background()); err == nil || !strings.Contains(err.Error(), f.State) {
		t.Errorf("a second daemon: %v", err)
	}
}

// The state directory is deleted in the moment in which a master has been started, before
// the daemon follows it: no other one is started beside it.
func TestSweptAsAMasterStarts(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	f.Real("blog")
	var mu sync.Mutex
	var pids []int // guarded by mu
	deleted := sync.OnceFunc(func() {
		within(t, "the state directory is deleted", func() bool { return os.RemoveAll(f.State) == nil })
	})
	f.daemon(Options{}, func(d *Daemon) {
		d.Hooks.Started = func(_ string, pid int, _ systemd.ScopeLimits) {
			mu.Lock()
			defer mu.Unlock()
			pids = append(pids, pid)
		}
		d.Hooks.KeepListeners = func(_ string, files map[string]*os.File) {
			if len(files) > 0 {
				deleted()
			}
		}
	})
	within(t, "the master is back", func() bool {
		ms, err := runner.FindMasters(f.State, "blog")
		return err == nil && len(ms) == 1
	})
	within(t, "it is ready", func() bool { return f.status("blog").State == "ready" })
	mu.Lock()
	defer mu.Unlock()
	if a := f.status("blog"); len(pids) != 1 || a.Master.PID != pids[0] {
		t.Errorf("the masters %v were started, %+v serves", pids, a.Master)
	}
}
