package listen

import (
	"net"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// 0.0.0.0 means all addresses of IPv4 and no others, as [::] means those of IPv6 beside
// it: both can have one port. A star, or no host at all, means both.
func TestAllAddressesOfOneKind(t *testing.T) {
	open := func(address string) net.Listener {
		t.Helper()
		spec := appspec.Default("blog", t.TempDir())
		spec.Sockets.HTTP = []appspec.HTTPSocket{{Listen: address}}
		f, err := Open(spec, &spec.Sockets.HTTP[0])
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		defer f.Close()
		if err := StartFile(f); err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		l, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	answers := func(port, host string) bool {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	_, port, err := net.SplitHostPort(freeport.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	four := open("0.0.0.0:" + port)
	if !answers(port, "127.0.0.1") || answers(port, "::1") {
		t.Errorf("0.0.0.0:%s: IPv4 %v, IPv6 %v; want IPv4 alone", port, answers(port, "127.0.0.1"), answers(port, "::1"))
	}
	six := open("[::]:" + port)
	if !answers(port, "127.0.0.1") || !answers(port, "::1") {
		t.Errorf("0.0.0.0 and [::] beside each other: IPv4 %v, IPv6 %v; want both", answers(port, "127.0.0.1"), answers(port, "::1"))
	}
	_ = four.Close()
	if answers(port, "127.0.0.1") || !answers(port, "::1") {
		t.Errorf("[::]:%s: IPv4 %v, IPv6 %v; want IPv6 alone", port, answers(port, "127.0.0.1"), answers(port, "::1"))
	}
	_ = six.Close()
	all := open("*:" + port)
	if !answers(port, "127.0.0.1") || !answers(port, "::1") {
		t.Errorf("*:%s: IPv4 %v, IPv6 %v; want both", port, answers(port, "127.0.0.1"), answers(port, "::1"))
	}
	_ = all.Close()
}
