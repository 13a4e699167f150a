package sockets

import (
	"github.com/wsgid-fleet/wsgid-fleet/appspec"

	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/listen"
)

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{":80", "127.0.0.1:80", true},
		{"[::]:80", "127.0.0.1:80", false},
		{"[::]:80", "[::1]:80", true},
		{"[::]:80", "0.0.0.0:80", false},
		{"0.0.0.0:80", "[::1]:80", false},
		{"*:80", "0.0.0.0:80", true},
		{"*:80", "[::]:80", true},
		{"*:80", ":80", true},
		{"*:80", "[::1]:80", true},
		{"[::1]:80", "127.0.0.1:80", false},
		{"localhost:80", "127.0.0.1:80", true},
	} {
		a, err := resolve(tt.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := resolve(tt.b)
		if err != nil {
			t.Fatal(err)
		}
		if overlap(a.Addr(), b.Addr()) != tt.want || overlap(b.Addr(), a.Addr()) != tt.want {
			t.Errorf("%s and %s overlap: not %v", tt.a, tt.b, tt.want)
		}
	}
	if !overlap(netip.IPv4Unspecified(), netip.MustParseAddr("10.0.0.1")) || overlap(netip.IPv4Unspecified(), netip.IPv6Loopback()) {
		t.Error("0.0.0.0 overlaps with IPv4 alone")
	}
	for _, l := range []string{"unix:/run/a.sock", "systemd:web", "nonsense"} {
		if a, err := resolve(l); err == nil {
			t.Errorf("%s is at %v", l, a)
		}
	}
}

// New connections come to the socket that takes a diverted one's place, and those
// that the old one has are still its own.
func TestDivert(t *testing.T) {
	old := fleettest.ListenerOn(t, "127.0.0.1:"+freeport.Port(t, ""))
	at, err := BoundTo(old)
	if err != nil {
		t.Fatal(err)
	}
	spec := fleettest.Spec(func(s *appspec.Spec) { s.Sockets.HTTP[0].Listen = fmt.Sprintf("0.0.0.0:%d", at.Port()) })
	var b Rebind
	defer b.Close()
	files := map[string]*os.File{}
	if err := b.Open(spec, files, map[string]*os.File{at.String(): old}); err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || len(b.opened) != 1 {
		t.Fatalf("opened %v", files)
	}
	if err := listen.Control(b.opened[0], func(fd int) error { return unix.Listen(fd, 5) }); err != nil {
		t.Fatal(err)
	}
	dial := func() {
		t.Helper()
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	accepts := func(f *os.File) bool {
		t.Helper()
		ln, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(fleettest.Patience)); err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	dial()
	b.Divert(func(wait func()) { wait() })
	dial()
	if !accepts(old) || !accepts(b.opened[0]) {
		t.Error("a connection is not where it should be")
	}
}
