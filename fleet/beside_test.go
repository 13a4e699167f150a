package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
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

// A listener that moves to another address of its port is served without a gap.
func TestAListenerMovesOnItsPort(t *testing.T) {
	f := newFleetDir(t)
	f.cleanup()
	port := freeport.Port(t, "")
	f.app("blog", hello)
	spec := func(host string) {
		f.write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http {\n      listen = %q\n    }\n  }\n}\n",
			f.path("blog"), net.JoinHostPort(host, port)))
	}
	spec("127.0.0.1")
	f.daemon(Options{})
	eventually(t, "blog is ready", f.is("blog", "ready"))
	master := f.status("blog").Master.PID
	stop := crowd(4, func() (string, error) { return ask("tcp4", "127.0.0.1:"+port) })
	for _, host := range []string{"0.0.0.0", "*", "127.0.0.1", "localhost", "", "0.0.0.0", "127.0.0.1"} {
		spec(host)
		eventually(t, "it listens on "+host, func() bool {
			a := f.status("blog")
			return a.State == "ready" && a.Master.PID != master && a.Sockets[0].Listen == net.JoinHostPort(host, port)
		})
		master = f.status("blog").Master.PID
		both := host == "" || host == "*"
		for at, want := range map[string]bool{"127.0.0.2": both || host == "0.0.0.0", "::1": both} {
			eventually(t, fmt.Sprintf("on %q %s is open: %v", host, at, want), func() bool {
				c, err := net.Dial("tcp", net.JoinHostPort(at, port))
				if err == nil {
					c.Close()
				}
				return (err == nil) == want
			})
		}
	}
	good, bad := stop()
	if good < 20 || len(bad) > 0 {
		t.Errorf("%d good answers, %d lost: %v", good, len(bad), bad)
	}
}

// New connections come to the socket that takes a hushed one's place, and those
// that the old one has are still its own.
func TestHush(t *testing.T) {
	old := fleettest.ListenerOn(t, "127.0.0.1:"+freeport.Port(t, ""))
	at, err := boundTo(old)
	if err != nil {
		t.Fatal(err)
	}
	spec := testSpec(withListen(fmt.Sprintf("0.0.0.0:%d", at.Port())))
	var b besides
	defer b.close()
	files := map[string]*os.File{}
	if err := b.open(spec, files, map[string]*os.File{at.String(): old}); err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || len(b.opened) != 1 {
		t.Fatalf("opened %v", files)
	}
	if err := control(b.opened[0], func(fd int) error { return unix.Listen(fd, 5) }); err != nil {
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
		if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	dial()
	b.hush(func(wait func()) { wait() })
	dial()
	if !accepts(old) || !accepts(b.opened[0]) {
		t.Error("a connection is not where it should be")
	}
}

// A listener that gets tls keeps its socket: nobody who connects is refused.
func TestTLSComesToASocket(t *testing.T) {
	f := newFleetDir(t)
	f.cleanup()
	addr := freeport.Addr(t)
	f.app("blog", hello)
	cert, key := writeCertificate(t, f.root)
	spec := func(lines string) {
		f.write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http {\n      listen = %q\n%s    }\n  }\n}\n",
			f.path("blog"), addr, lines))
	}
	spec("")
	f.daemon(Options{})
	eventually(t, "blog is ready", f.is("blog", "ready"))
	stop := crowd(2, func() (string, error) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return "hello", err
	})
	secure := func() bool {
		c := http.Client{Timeout: patience, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}}
		resp, err := c.Get("https://" + addr + "/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	spec(fmt.Sprintf("      tls {\n        cert = %q\n        key = %q\n      }\n", cert, key))
	eventually(t, "it speaks TLS", secure)
	spec("")
	eventually(t, "it speaks HTTP again", func() bool {
		body, err := ask("tcp", addr)
		return err == nil && body == "hello"
	})
	if good, bad := stop(); good == 0 || len(bad) > 0 {
		t.Errorf("%d connected, %d not: %v", good, len(bad), bad)
	}
}

// writeCertificate makes a certificate for 127.0.0.1 and returns its files.
func writeCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}
