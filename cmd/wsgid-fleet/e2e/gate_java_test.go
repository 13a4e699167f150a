package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// askAsJava sends what java.net.http of Java 17 does unless it is told to speak
// HTTP/1.1: over plain TCP each request offers h2c and has a length, over TLS none does.
func askAsJava(t *testing.T, c net.Conn, r *bufio.Reader, method, host, body string) (status int, text string) {
	t.Helper()
	head := "Host: " + host + "\r\nUser-Agent: Java-http-client/17.0.15\r\n\r\n"
	if _, secure := c.(*tls.Conn); !secure {
		head = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n" + head
	}
	if _, err := fmt.Fprintf(c, "%s / HTTP/1.1\r\nContent-Length: %d\r\n%s%s", method, len(body), head, body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A client like Java's, which says no server name where the host has one label or an
// underscore: such hosts are reached by HTTPS at the default app alone, which is told; by
// plain HTTP all are, each request over a connection that is kept for the next.
func TestAJavaClientAtTheGate(t *testing.T) {
	b, plain, secure, a := secured(t, someone(t), "  default = \"beta\"\n")
	b.replace("wsgid.d/gate.hcl", "    redirect = \"https\"\n", "")
	b.replace("wsgid.d/alpha.hcl", `["alpha.test"`, `["shop", "alpha.test"`)
	b.replace("wsgid.d/beta.hcl", `["beta.test"`, `["intranet", "beta.test"`)
	b.run()
	b.awaitGate(0)
	wantSite(t, plain, "shop", "alpha")
	wantSite(t, plain, "intranet", "beta")

	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", plain)
	b.must(err)
	defer c.Close()
	r := bufio.NewReader(c)
	for i, try := range []struct{ method, host, site, body string }{
		{"GET", "shop", "alpha", ""}, {"POST", "intranet", "beta", "x=1"}, {"POST", "shop", "alpha", strings.Repeat("y", 40_000)}, {"GET", "alpha.test", "alpha", ""},
	} {
		if status, text := askAsJava(t, c, r, try.method, try.host, try.body); status != 200 || !strings.HasPrefix(text, try.site+" "+try.host+" ") {
			t.Fatalf("request %d, %s for %s: %d %q", i, try.method, try.host, status, text)
		}
	}

	for _, try := range []struct {
		name, host string // what it says in TLS, and then
		site       string // empty: 421
	}{{"alpha.test", "alpha.test", "alpha"}, {"", "intranet", "beta"}, {"", "shop", ""}, {"", "some_name.test", "beta"}} {
		config := a.trust(try.name)
		config.InsecureSkipVerify = true // no certificate is for the names of one label
		tc, err := greet(t, secure, config)
		b.must(err)
		status, text := askAsJava(t, tc, bufio.NewReader(tc), "GET", try.host, "")
		tc.Close()
		if try.site == "" && status != 421 || try.site != "" && (status != 200 || !strings.HasPrefix(text, try.site+" "+try.host+" ")) {
			t.Errorf("%q in TLS, then host %s: %d %q, want %q", try.name, try.host, status, text, try.site)
		}
	}
}
