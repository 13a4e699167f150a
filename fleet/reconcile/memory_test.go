package reconcile_test

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
)

// An edit that cannot be carried out because the disk is full says so to whoever asks,
// though nothing of it can be written down.
func TestFailureOnAFullDiskIsKnown(t *testing.T) {
	f, m := reconciletest.New(t), reconciletest.NewMachine()
	r := newReconciler(t, f, m)
	defer r.Close()
	failure := func() string {
		if _, o := r.core.Look(t.Context(), "blog"); o.Failure != nil {
			return o.Failure.Reason
		}
		return ""
	}
	f.Spec("blog", reconciletest.Count(2))
	r.load()
	if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err != nil {
		t.Fatal(out.Err)
	}
	disk := r.core.Store.FS
	r.core.Store.FS = reconciletest.FullDisk{Fs: disk}
	f.Spec("blog", reconciletest.Count(4))
	r.load()
	for range 2 {
		if out := r.Do(t.Context(), "blog", reconcile.Intent{}); out.Err == nil {
			t.Fatal("it was carried out on a full disk")
		}
		if got := failure(); !strings.HasPrefix(got, "cannot write ") || !strings.Contains(got, ": no space left on device; the file system at ") {
			t.Errorf("the reason is %q", got)
		}
	}
	w, o := r.core.Look(t.Context(), "blog")
	if o.Failure.Digest != plan.DigestOf(w.Spec) || o.Failure.Attempts != 2 {
		t.Errorf("it is a failure of another spec, or the first one: %+v", o.Failure)
	}
	r.core.Store.FS = disk
	if out := r.Do(t.Context(), "blog", reconcile.Intent{Request: plan.Request{Retry: true}}); out.Err != nil {
		t.Fatal(out.Err)
	}
	if got := failure(); got != "" {
		t.Errorf("with room on the disk again the reason is %q", got)
	}
}
