package fleet

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// A spec on a disk that does not answer keeps its app, and nothing else waits for
// it: edits of others are followed, commands are answered, the end comes.
func TestSpecOnADiskThatDoesNotAnswer(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("far", reconciletest.Count(1))
	f.Spec("near", reconciletest.Count(1))
	disk := &reconciletest.Disk{Fs: afero.NewOsFs(), Path: f.File("far")}
	o := f.fakeOptions(m)
	o.fs = disk
	stop := f.daemon(o)
	far := m.Only(t, "far")
	disk.Hang()
	f.Spec("far", reconciletest.Count(2))
	within(t, "it is said", func() bool { return strings.Contains(f.status("far").Reason, "did not answer in time") })
	f.Spec("near", reconciletest.Count(3))
	workers := func(app string, n int) func() bool {
		return func() bool { st, _ := m.Only(t, app).Status(t.Context(), 0); return st.Max == n }
	}
	within(t, "the edit of another spec", workers("near", 3))
	if m.Only(t, "far") != far || !workers("far", 1)() {
		t.Error("the app whose spec cannot be read was touched")
	}
	// It answers again, and the file looks as it did.
	disk.Answer()
	within(t, "the spec is read when the disk answers", func() bool { return f.status("far").Reason == "" && workers("far", 2)() })

	disk.Hang()
	f.Spec("far", reconciletest.Count(1))
	began := time.Now()
	stop()
	if took := time.Since(began); took > soon {
		t.Errorf("the end took %v", took)
	}
	disk.Answer()
}

// hungFolders do not answer for apps whose names begin so.
type hungFolders struct {
	reconciletest.Folders
	app  string
	free chan struct{}
}

func (h hungFolders) Check(spec *appspec.Spec, live func(int) bool) ([]string, error) {
	if strings.HasPrefix(spec.Name, h.app) {
		<-h.free
	}
	return h.Folders.Check(spec, live)
}

// An app folder on a disk that does not answer holds up its own app alone, and is
// looked at again.
func TestAppFolderOnADiskThatDoesNotAnswer(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	hung := hungFolders{app: "far", free: make(chan struct{})}
	o := f.fakeOptions(m)
	o.folders, o.folderLimit = hung, 200*time.Millisecond
	f.Spec("far", reconciletest.Count(1), "restart {\n    min_delay = \"10ms\"\n    max_delay = \"100ms\"\n  }")
	f.Spec("near", reconciletest.Count(1))
	f.daemon(o)
	within(t, "it is said", func() bool { return strings.Contains(f.status("far").Reason, "did not answer in time") })
	f.Spec("near", reconciletest.Count(3))
	within(t, "the edit of another spec", func() bool { st, _ := m.Only(t, "near").Status(t.Context(), 0); return st.Max == 3 })
	if m.Count("far") != 0 {
		t.Error("an app was started in a folder that cannot be looked at")
	}
	close(hung.free)
	within(t, "it starts when the disk answers", func() bool { return m.Count("far") == 1 })
}

// However many app folders lie on a disk that does not answer, and however long that
// is waited for: other apps do not wait, nor does the word that the daemon is ready,
// nor the end of the others.
func TestManyAppFoldersOnADiskThatDoesNotAnswer(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	hung := hungFolders{app: "far", free: make(chan struct{})}
	free := sync.OnceFunc(func() { close(hung.free) })
	o := f.fakeOptions(m)
	o.folders, o.folderLimit = hung, time.Hour
	for i := range 4*runtime.NumCPU() + 2 {
		f.Spec(fmt.Sprintf("far%d", i), reconciletest.Count(1))
	}
	f.Spec("near", reconciletest.Count(1))
	stop := f.daemon(o, func(d *Daemon) { d.beginPatience = 500 * time.Millisecond })
	t.Cleanup(free) // before the end of the daemon is waited for
	within(t, "the other app runs", func() bool { return m.Count("near") == 1 })
	f.Spec("near", reconciletest.Count(3))
	within(t, "the edit of another spec", func() bool { st, _ := m.Only(t, "near").Status(t.Context(), 0); return st.Max == 3 })
	if m.Count("far0") != 0 {
		t.Error("an app was started in a folder that cannot be looked at")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	within(t, "the others end", func() bool { return m.Count("near") == 0 })
	free()
	<-ended
	if n := m.Total(); n != 0 {
		t.Errorf("%d masters were started while the daemon ended", n)
	}
}

// A start that takes long gives its place to others.
func TestStartThatIsHeldUp(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	far := 2*runtime.NumCPU() + 1 // more than there are places
	free := make(chan struct{})
	slow := slowStarts{Machine: m, free: free}
	o := f.fakeOptions(m)
	o.machine = slow
	for i := range far {
		f.Spec(fmt.Sprintf("far%d", i), reconciletest.Count(1))
	}
	f.Spec("near", reconciletest.Count(1))
	f.daemon(o, func(d *Daemon) { d.beginPatience = 500 * time.Millisecond })
	within(t, "the other app runs", func() bool { return m.Count("near") == 1 })
	close(free)
	within(t, "they start", func() bool { return m.Total() == far+1 })
}

// slowStarts hold up the starts of apps whose names begin with far.
type slowStarts struct {
	*reconciletest.Machine
	free chan struct{}
}

func (s slowStarts) Start(ctx context.Context, o runner.StartOptions) (reconcile.Handle, error) {
	if strings.HasPrefix(o.Spec.Name, "far") {
		<-s.free
	}
	return s.Machine.Start(ctx, o)
}
