package fleet

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// hungDisk is a disk that does not answer for one file while it is hung.
type hungDisk struct {
	afero.Fs
	path string
	hung atomic.Bool
	free chan struct{} // closed when it answers again
}

func (h *hungDisk) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if name == h.path && h.hung.Load() {
		<-h.free
	}
	return h.Fs.OpenFile(name, flag, perm)
}

// A spec on a disk that does not answer keeps its app, and nothing else waits for
// it: edits of others are followed, commands are answered, the end comes.
func TestSpecOnADiskThatDoesNotAnswer(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	f.spec("far", count(1))
	f.spec("near", count(1))
	disk := &hungDisk{Fs: afero.NewOsFs(), path: f.file("far"), free: make(chan struct{})}
	o := f.fakeOptions(m)
	o.fs = disk
	stop := f.daemon(o)
	far := m.only(t, "far")
	disk.hung.Store(true)
	f.spec("far", count(2))
	within(t, "it is said", func() bool { return strings.Contains(f.status("far").Reason, "did not answer in time") })
	f.spec("near", count(3))
	workers := func(app string, n int) func() bool {
		return func() bool { st, _ := m.only(t, app).Status(t.Context(), 0); return st.Max == n }
	}
	within(t, "the edit of another spec", workers("near", 3))
	if m.only(t, "far") != far || !workers("far", 1)() {
		t.Error("the app whose spec cannot be read was touched")
	}
	// It answers again, and the file looks as it did.
	disk.hung.Store(false)
	close(disk.free)
	within(t, "the spec is read when the disk answers", func() bool { return f.status("far").Reason == "" && workers("far", 2)() })

	disk.free = make(chan struct{})
	disk.hung.Store(true)
	f.spec("far", count(1))
	began := time.Now()
	stop()
	if took := time.Since(began); took > soon {
		t.Errorf("the end took %v", took)
	}
	close(disk.free)
}

// hungFolders do not answer for apps whose names begin so.
type hungFolders struct {
	fakeFolders
	app  string
	free chan struct{}
}

func (h hungFolders) Check(spec *appspec.Spec, live func(int) bool) ([]string, error) {
	if strings.HasPrefix(spec.Name, h.app) {
		<-h.free
	}
	return h.fakeFolders.Check(spec, live)
}

// An app folder on a disk that does not answer holds up its own app alone, and is
// looked at again.
func TestAppFolderOnADiskThatDoesNotAnswer(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	hung := hungFolders{app: "far", free: make(chan struct{})}
	o := f.fakeOptions(m)
	o.folders, o.folderLimit = hung, 200*time.Millisecond
	f.spec("far", count(1), "restart {\n    min_delay = \"10ms\"\n    max_delay = \"100ms\"\n  }")
	f.spec("near", count(1))
	f.daemon(o)
	within(t, "it is said", func() bool { return strings.Contains(f.status("far").Reason, "did not answer in time") })
	f.spec("near", count(3))
	within(t, "the edit of another spec", func() bool { st, _ := m.only(t, "near").Status(t.Context(), 0); return st.Max == 3 })
	if m.count("far") != 0 {
		t.Error("an app was started in a folder that cannot be looked at")
	}
	close(hung.free)
	within(t, "it starts when the disk answers", func() bool { return m.count("far") == 1 })
}

// However many app folders lie on a disk that does not answer, and however long that
// is waited for: other apps do not wait, nor does the word that the daemon is ready,
// nor the end of the others.
func TestManyAppFoldersOnADiskThatDoesNotAnswer(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	hung := hungFolders{app: "far", free: make(chan struct{})}
	free := sync.OnceFunc(func() { close(hung.free) })
	o := f.fakeOptions(m)
	o.folders, o.folderLimit = hung, time.Hour
	for i := range 4*runtime.NumCPU() + 2 {
		f.spec(fmt.Sprintf("far%d", i), count(1))
	}
	f.spec("near", count(1))
	stop := f.daemon(o, func(d *Daemon) { d.beginPatience = 500 * time.Millisecond })
	t.Cleanup(free) // before the end of the daemon is waited for
	within(t, "the other app runs", func() bool { return m.count("near") == 1 })
	f.spec("near", count(3))
	within(t, "the edit of another spec", func() bool { st, _ := m.only(t, "near").Status(t.Context(), 0); return st.Max == 3 })
	if m.count("far0") != 0 {
		t.Error("an app was started in a folder that cannot be looked at")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	within(t, "the others end", func() bool { return m.count("near") == 0 })
	free()
	<-ended
	if n := m.total(); n != 0 {
		t.Errorf("%d masters were started while the daemon ended", n)
	}
}

// A start that takes long gives its place to others.
func TestStartThatIsHeldUp(t *testing.T) {
	f, m := newFleetDir(t), newFakeMachine()
	far := 2*runtime.NumCPU() + 1 // more than there are places
	free := make(chan struct{})
	slow := slowStarts{fakeMachine: m, free: free}
	o := f.fakeOptions(m)
	o.machine = slow
	for i := range far {
		f.spec(fmt.Sprintf("far%d", i), count(1))
	}
	f.spec("near", count(1))
	f.daemon(o, func(d *Daemon) { d.beginPatience = 500 * time.Millisecond })
	within(t, "the other app runs", func() bool { return m.count("near") == 1 })
	close(free)
	within(t, "they start", func() bool { return m.total() == far+1 })
}

// slowStarts hold up the starts of apps whose names begin with far.
type slowStarts struct {
	*fakeMachine
	free chan struct{}
}

func (s slowStarts) Start(ctx context.Context, o runner.StartOptions) (reconcile.Handle, error) {
	if strings.HasPrefix(o.Spec.Name, "far") {
		<-s.free
	}
	return s.fakeMachine.Start(ctx, o)
}
