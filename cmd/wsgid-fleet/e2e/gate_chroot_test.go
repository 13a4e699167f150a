package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAChrootedAppBehindTheGate: it is reached by its name, plain and over TLS with a
// certificate that lies outside, takes up a new certificate, serves its static files, and
// hands a connection back that asks for another app.
func TestAChrootedAppBehindTheGate(t *testing.T) {
	who := someone(t)
	if !who.root() {
		t.Skip("needs root: chroot does")
	}
	b, plain, secure, a := secured(t, who, "")
	b.replace("wsgid.d/gate.hcl", "    redirect = \"https\"\n", "")
	static := filepath.Join(b.demo, "apps/alpha/app/static")
	b.must(os.Mkdir(static, 0o755))
	b.must(os.WriteFile(filepath.Join(static, "a.css"), []byte("body {}\n"), 0o644))
	b.replace("wsgid.d/alpha.hcl", "  workers {", "  chroot = true\n  static {\n    url = \"/static/\"\n    dir = \"app/static\"\n  }\n  workers {")
	b.run()
	b.awaitGate(0)
	wantSite(t, plain, "alpha.test", "alpha")
	wantSite(t, plain, "beta.test", "beta")
	first := wantSecure(t, secure, "alpha.test", "alpha", a.trust("alpha.test"))

	// One connection, from app to app and back again.
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", plain)
	b.must(err)
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range 8 {
		host := sites[i%2] + ".test"
		if status, text := visitOn(t, c, r, host); status != 200 || !strings.HasPrefix(text, sites[i%2]+" ") {
			t.Fatalf("request %d, for %s: %d %q", i, host, status, text)
		}
	}
	// Its files.
	fmt.Fprint(c, "GET /static/a.css HTTP/1.1\r\nHost: alpha.test\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	b.must(err)
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 200 || string(text) != "body {}\n" {
		t.Errorf("a static file: %s %q %v", resp.Status, text, err)
	}
	// Another certificate, while the master goes on.
	pid := b.await("alpha", "ready", 1).Master.PID
	second := a.issue(filepath.Join(b.demo, "alpha.pem"), who, "alpha.test", "*.alpha.test")
	eventually(t, 60*time.Second, "the new certificate", func() error {
		if n := wantSecure(t, secure, "alpha.test", "alpha", a.trust("alpha.test")); n != second || n == first {
			return fmt.Errorf("certificate %d", n)
		}
		return nil
	})
	if is := b.await("alpha", "ready", 1).Master.PID; is != pid {
		t.Errorf("master %d became %d", pid, is)
	}
	// The gate is replaced, and the connection between the two with it.
	gate := b.awaitGate(0)
	b.ok("restart", "_gate")
	b.awaitGate(gate)
	for i := range 4 {
		host := sites[i%2] + ".test"
		if status, text := visitOn(t, c, r, host); status != 200 || !strings.HasPrefix(text, sites[i%2]+" ") {
			t.Fatalf("request %d after a restart of the gate, for %s: %d %q", i, host, status, text)
		}
	}
}
