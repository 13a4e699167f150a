package runner

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// A client that leaves Nagle's algorithm on keeps its first request until the end of its
// handshake is said to have come: the kernel alone says so after 40 ms, always.
func TestFirstRequestOverTLSIsNotKept(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir()) })
	a.start(StateReady)
	await.True(t, "an answer that comes sooner", func() bool {
		raw, err := net.Dial("tcp", a.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if err := raw.(*net.TCPConn).SetNoDelay(false); err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, SessionTicketsDisabled: true})
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return time.Since(began) < 30*time.Millisecond
	})
}
