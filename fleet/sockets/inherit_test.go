package sockets

import (
	"os"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// Of the addresses of a spec those are shared that an app has which is gone, and no other.
func TestWhatAnAppThatIsGoneHasLeft(t *testing.T) {
	k := NewStore(func(string, map[string]*os.File) {})
	defer k.Close()
	open := func(app string) *appspec.Spec {
		s := &appspec.Spec{Name: app}
		s.Sockets.HTTP = []appspec.HTTPSocket{{Listen: freeport.Addr(t)}}
		f, err := listen.Open(s, &s.Sockets.HTTP[0])
		if err != nil {
			t.Fatal(err)
		}
		k.Keep(app, map[string]*os.File{s.Sockets.HTTP[0].Listen: f})
		return s
	}
	gone, stays, own := open("gone"), open("stays"), open("blog")
	spec := &appspec.Spec{Name: "blog"}
	for _, s := range []*appspec.Spec{gone, stays, own} {
		spec.Sockets.HTTP = append(spec.Sockets.HTTP, s.Sockets.HTTP...)
	}
	spec.Sockets.HTTP = append(spec.Sockets.HTTP, appspec.HTTPSocket{Listen: freeport.Addr(t)})
	left := k.Left(spec, func(app string) bool { return app == "gone" })
	defer CloseAll(left)
	at := gone.Sockets.HTTP[0].Listen
	if len(left) != 1 || left[at] == nil {
		t.Fatalf("it gets %v, not what was left at %s", left, at)
	}
	if !systemd.IsSameSocket(left[at], k.All("gone")[at]) {
		t.Error("it gets another socket")
	}
	k.Drop("gone")
	if _, err := BoundTo(left[at]); err != nil {
		t.Errorf("it is closed with the one of the app that is gone: %v", err)
	}
	if got := (*Store)(nil).Left(spec, func(string) bool { return true }); len(got) != 0 {
		t.Errorf("a command has %v", got)
	}
}
