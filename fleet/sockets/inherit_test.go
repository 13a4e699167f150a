package sockets

import (
	"os"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

// The address of an app that is gone is shared, and no other.
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
	gone, stays := open("gone"), open("stays")
	isGone := func(app string) bool { return app == "gone" }
	at := gone.Sockets.HTTP[0].Listen
	left := k.Left(at, isGone)
	if left == nil {
		t.Fatalf("what was left at %s is not to be had", at)
	}
	defer left.Close()
	if !systemd.IsSameSocket(left, k.All("gone")[at]) {
		t.Error("it gets another socket")
	}
	for _, at := range []string{stays.Sockets.HTTP[0].Listen, freeport.Addr(t)} {
		if f := k.Left(at, isGone); f != nil {
			f.Close()
			t.Errorf("at %s something was left", at)
		}
	}
	k.Drop("gone")
	if _, err := BoundTo(left); err != nil {
		t.Errorf("it is closed with the one of the app that is gone: %v", err)
	}
	if f := (*Store)(nil).Left(at, func(string) bool { return true }); f != nil {
		t.Error("a command has something that was left")
	}
}
