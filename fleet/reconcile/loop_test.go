package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"
	"go.uber.org/goleak"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// looping is a loop at work on masters in memory.
type looping struct {
	*reconciletest.Fixture
	*reconcile.Loop
	m    *reconciletest.Machine
	log  *fleettest.Buffer
	fed  atomic.Int64 // times that the watchdog was
	stop func()
}

// startLoop begins one, and returns when every app was looked at. It reads the directory
// again for events alone: its tick is long.
func startLoop(t *testing.T, f *reconciletest.Fixture, disk afero.Fs) *looping {
	t.Helper()
	return startLoopOn(t, f, disk, reconciletest.NewMachine())
}

// startLoopOn begins one where masters may run.
func startLoopOn(t *testing.T, f *reconciletest.Fixture, disk afero.Fs, m *reconciletest.Machine) *looping {
	t.Helper()
	return startLoopEvery(t, f, disk, m, time.Hour)
}

// startLoopEvery begins one with a tick.
func startLoopEvery(t *testing.T, f *reconciletest.Fixture, disk afero.Fs, m *reconciletest.Machine, tick time.Duration) *looping {
	t.Helper()
	l := &looping{Fixture: f, m: m, log: &fleettest.Buffer{}}
	c := newCore(t, f, disk, l.m, reconciletest.Folders{}, slog.New(slog.NewTextHandler(l.log, nil)))
	l.Loop = reconcile.NewLoop(c)
	l.Signals = &reconcile.Signals{}
	l.Tick = tick
	l.Watchdog, l.WatchdogInterval = func() { l.fed.Add(1) }, 5*time.Millisecond
	l.ExtendTimeout, l.OnHangup, l.OnUpgrade = func(time.Duration) {}, func(context.Context) {}, func() {}
	l.Loaded, l.Looked = func(*hclspec.Set) {}, func() {}
	l.Scope, l.Started = func(*appspec.Spec, int) {}, func(*appspec.Spec) {}
	l.Told, l.Touched = func(string, int, runner.State) {}, func(string) {}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { l.Watcher.Run(ctx, func() { l.Post(ctx, func() { l.Reread() }) }) })
	work.Go(func() { l.Run(ctx) })
	l.stop = sync.OnceFunc(func() {
		cancel()
		work.Wait()
		l.Shutdown()
		l.Watcher.Close()
		l.Supervisor.Close()
		if t.Failed() {
			t.Logf("the log:\n%s", l.log)
		}
	})
	t.Cleanup(l.stop)
	<-l.Adopted()
	await.True(t, "all apps to be as their specs say", func() bool { return l.Reconciler.Busy() == 0 })
	return l
}

// has waits until the one master of an app serves with so many workers.
func (l *looping) has(app string, workers int) {
	l.T.Helper()
	await.True(l.T, fmt.Sprintf("%s to have %d workers", app, workers), func() bool {
		if l.m.Count(app) != 1 {
			return false
		}
		st, err := l.m.Only(l.T, app).Status(l.T.Context(), 0)
		return err == nil && st.Max == workers
	}, func() any { return fmt.Sprint(l.m.Count(app), " masters") })
}

// What the kernel tells of files is followed at once: specs that change, come and go.
func TestTheLoopFollowsEdits(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	f := reconciletest.New(t)
	f.Spec("blog", reconciletest.Count(2))
	l := startLoop(t, f, afero.NewOsFs())
	defer l.stop()
	l.has("blog", 2)
	blog := l.m.Only(t, "blog")
	f.Spec("blog", reconciletest.Count(4))
	l.has("blog", 4)
	f.Spec("shop", reconciletest.Count(1))
	l.has("shop", 1)
	f.Remove("shop")
	await.True(t, "the removed app to end", func() bool { return l.m.Count("shop") == 0 })
	if l.m.Only(t, "blog") != blog || fmt.Sprint(blog.Called()) != "[update rolling=false]" {
		t.Errorf("the master of blog was asked for %v", blog.Called())
	}
	l.stop()
	if n := l.m.Total(); n != 0 {
		t.Errorf("%d masters are left", n)
	}
}

// A master that an earlier daemon has left, and that ends between the first look at it and
// the moment in which it is followed, is replaced at once: nobody is told of its end.
func TestAMasterEndsBeforeItIsFollowed(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	old := newReconciler(t, f, m).started(f, m, reconciletest.Count(1))
	old.DieSeen()
	l := startLoopOn(t, f, afero.NewOsFs(), m)
	defer l.stop()
	l.has("blog", 1)
	if l.m.Only(t, "blog") == old {
		t.Error("the one that has ended is still there")
	}
}

// A broken spec changes nothing, and the log says where it is broken; other edits are
// followed meanwhile, and it is when it is corrected.
func TestTheLoopKeepsWhatIsBroken(t *testing.T) {
	f := reconciletest.New(t)
	f.Spec("blog", reconciletest.Count(2))
	f.Spec("shop", reconciletest.Count(1))
	l := startLoop(t, f, afero.NewOsFs())
	blog := l.m.Only(t, "blog")
	f.Spec("blog", "workers {\n    coutn = 5\n  }")
	await.True(t, "it to be said", func() bool { return strings.Contains(l.log.String(), "broken spec") })
	for _, want := range []string{f.File("blog"), `unknown attribute \"coutn\" in workers of app \"blog\"`, "its apps keep their last good spec"} {
		if !strings.Contains(l.log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	f.Spec("shop", reconciletest.Count(3))
	l.has("shop", 3)
	if l.m.Only(t, "blog") != blog || len(blog.Called()) > 0 {
		t.Errorf("the app whose spec is broken was asked for %v", blog.Called())
	}
	// It is restarted as it was.
	blog.Die()
	l.has("blog", 2)
	f.Spec("blog", reconciletest.Count(5))
	l.has("blog", 5)
}

// While the disk does not answer for one spec the loop goes on: the service manager hears
// that the daemon lives, and edits of others are followed. The spec is read when it answers.
func TestTheLoopWaitsForNoDisk(t *testing.T) {
	f := reconciletest.New(t)
	f.Spec("far", reconciletest.Count(1))
	f.Spec("near", reconciletest.Count(1))
	disk := &reconciletest.Disk{Fs: afero.NewOsFs(), Path: f.File("far")}
	l := startLoop(t, f, disk)
	far := l.m.Only(t, "far")
	disk.Hang()
	f.Spec("far", reconciletest.Count(2))
	asked := make(chan struct{})
	l.Post(t.Context(), func() { l.Reread(func() { close(asked) }) })
	fed := l.fed.Load()
	await.True(t, "the watchdog to be fed while a file is waited for", func() bool { return l.fed.Load() >= fed+10 })
	f.Spec("near", reconciletest.Count(3))
	l.has("near", 3)
	<-asked
	if l.m.Only(t, "far") != far || len(far.Called()) > 0 {
		t.Errorf("the app whose spec cannot be read was asked for %v", far.Called())
	}
	disk.Answer()
	l.has("far", 2)
}

// What waits for its next try has it when another app goes, which may be what stood in its
// way, and when its broken file is mended; not when an hour is over.
func TestTheLoopTriesAgainWhatMayWorkNow(t *testing.T) {
	const hour = "restart {\n    min_delay = \"1h\"\n    max_delay = \"2h\"\n  }"
	f := reconciletest.New(t)
	f.Spec("blog", reconciletest.Count(1))
	l := startLoop(t, f, afero.NewOsFs())
	var tries atomic.Int64
	taken := true
	var mu sync.Mutex
	l.m.Behave(func(spec *appspec.Spec) (runner.Status, error) {
		mu.Lock()
		defer mu.Unlock()
		if spec.Name == "shop" && taken {
			tries.Add(1)
			return runner.Status{}, errors.New("its address is taken")
		}
		return runner.Status{State: runner.StateReady}, nil
	})
	f.Spec("shop", reconciletest.Count(1), hour)
	await.True(t, "it to fail", func() bool { return tries.Load() == 1 && strings.Contains(l.log.String(), "its address is taken") })
	f.Remove("blog")
	await.True(t, "it to be tried again", func() bool { return tries.Load() == 2 })
	f.Write("shop", "app \"shop\" {\n  path = \n}\n")
	await.True(t, "it to be broken", func() bool { return strings.Contains(l.log.String(), "broken spec") })
	mu.Lock()
	taken = false
	mu.Unlock()
	f.Spec("shop", reconciletest.Count(1), hour)
	await.True(t, "it to be started", func() bool { return l.m.Count("shop") == 1 })
}

// A socket at which the gate reached an app that is gone goes, where it was left behind; not
// while somebody listens there.
func TestTheLoopRemovesTheDoorsOfAppsThatAreGone(t *testing.T) {
	f := reconciletest.New(t)
	f.Spec("blog", reconciletest.Count(1))
	l := startLoopEvery(t, f, afero.NewOsFs(), reconciletest.NewMachine(), 10*time.Millisecond)
	door := func(app string) (string, *net.UnixListener) {
		// It comes there when somebody listens: between bind and listen nobody does.
		path, beside := filepath.Join(runner.GateSockets(l.Core.Store.Dir), app), filepath.Join(l.Core.Store.Dir, app)
		s, err := net.Listen("unix", beside)
		if err == nil {
			err = os.Rename(beside, path)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		u := s.(*net.UnixListener)
		u.SetUnlinkOnClose(false)
		return path, u
	}
	blog, its := door("blog")
	used, _ := door("used")
	gone, theirs := door("gone")
	its.Close()
	theirs.Close()
	await.True(t, "the socket of an app that is gone to go", func() bool { _, err := os.Lstat(gone); return err != nil })
	for _, path := range []string{blog, used} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
