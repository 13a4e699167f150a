package fleet

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/sockets"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// A command that has begun when the daemon was killed, and goes on beside the next one, does
// not ask the process that holds the sockets: that listens to the daemon alone.
func TestACommandOvertakenByADaemon(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("blog", reconciletest.Count(1))
	store, err := state.Open(afero.NewOsFs(), f.State, filepath.Join(f.State, "data"))
	if err != nil {
		t.Fatal(err)
	}
	holder, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: sockets.HolderPath(f.State), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	op, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := holder.Accept(); err != nil { // whether one runs was asked
		t.Fatal(err)
	} else {
		c.Close()
	}
	asked := make(chan struct{}, 1)
	go func() { // and does not answer
		if c, err := holder.Accept(); err == nil {
			defer c.Close()
			asked <- struct{}{}
			<-t.Context().Done()
		}
	}()
	lock, err := store.LockDaemon()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if rs, err := op.Apply(context.Background(), nil, nil); err != nil || !rs[0].OK {
		t.Fatalf("apply: %+v, %v", rs, err)
	}
	select {
	case <-asked:
		t.Error("the holder is asked, which answers the daemon alone")
	default:
	}
}

// What was removed while a deploy of a command ran is not brought back by its rollout.
func TestARolloutReadsWhatIsThere(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	f.Spec("blog", reconciletest.Count(1))
	f.Spec("shop", reconciletest.Count(1))
	op, err := OpenLocal(f.fakeOptions(m))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.Plan(t.Context(), nil); err != nil { // it is read
		t.Fatal(err)
	}
	f.Remove("blog")
	if err := op.rollout(t.Context(), "blog"); err == nil {
		t.Error("an app that was removed has been rolled out")
	}
	if n := m.Count("blog"); n != 0 {
		t.Errorf("%d masters of it were started", n)
	}
}
