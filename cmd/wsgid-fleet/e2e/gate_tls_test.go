package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// authority is a certificate authority of a test.
type authority struct {
	t *testing.T
	*certtest.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	return &authority{t: t, Certificate: certtest.Authority(t)}
}

// issue writes a certificate and its key to path, by rename, and returns its number.
func (a *authority) issue(path string, who account, names ...string) int64 {
	a.t.Helper()
	c := a.Issue(a.t, certtest.Names(names...), certtest.Valid(time.Now().Add(-time.Hour), time.Now().Add(60*24*time.Hour)))
	put(a.t, path, who, slices.Concat(c.Cert, c.Key))
	return c.Leaf.SerialNumber.Int64()
}

// put puts a file of its user in the place of another.
func put(t *testing.T, path string, who account, text []byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path+".new", text, 0o600))
	if who.cred != nil {
		must(os.Chown(path+".new", int(who.cred.Uid), int(who.cred.Gid)))
	}
	must(os.Rename(path+".new", path))
}

func (a *authority) trust(name string) *tls.Config { return trusting(a.Cert, name) }

// trusting is a client that trusts the authorities of a PEM text.
func trusting(authorities []byte, name string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authorities)
	return &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}
}

// secured is gated with TLS: alpha has a certificate of its own, the gate's listener one
// for beta, gamma none.
func secured(t *testing.T, who account, more string) (b *harness, plain, secure string, a *authority) {
	b, plain = gated(t, who, "")
	secure = freeport.Addr(t)
	a = newAuthority(t)
	own, shared := filepath.Join(b.demo, "alpha.pem"), filepath.Join(b.demo, "shared.pem")
	a.issue(own, who, "alpha.test", "*.alpha.test")
	a.issue(shared, who, "beta.test", "*.beta.test")
	b.replace("wsgid.d/alpha.hcl", "  workers {", fmt.Sprintf("  tls {\n    cert = %q\n    key  = %q\n  }\n  workers {", own, own))
	b.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http {\n    listen   = %q\n    redirect = \"https\"\n  }\n  http {\n    listen = %q\n    tls {\n      cert = %q\n      key  = %q\n    }\n  }\n%s}\n",
		plain, secure, shared, shared, more))
	return b, plain, secure, a
}

// greet makes a TLS connection.
func greet(t *testing.T, addr string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	tc := tls.Client(conn, c)
	_ = tc.SetDeadline(time.Now().Add(patience))
	if err := tc.HandshakeContext(t.Context()); err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

// wantSecure waits until a host is answered by a site over TLS, and returns the number
// of the certificate.
func wantSecure(t *testing.T, addr, host, site string, c *tls.Config) (serial int64) {
	t.Helper()
	eventually(t, patience, host+" to be answered by "+site+" over TLS", func() error {
		conn, err := greet(t, addr, c)
		if err != nil {
			return err
		}
		defer conn.Close()
		serial = conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
		if status, text := visitOn(t, conn, bufio.NewReader(conn), host); status != 200 || !strings.HasPrefix(text, site+" "+host+" 127.0.0.1\n") {
			return fmt.Errorf("%d %q", status, text)
		}
		return nil
	})
	return serial
}

func TestSitesByNameOverTLS(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b, plain, secure, a := secured(t, who, "")
		d := b.run()
		b.awaitGate(0)
		wantSecure(t, secure, "alpha.test", "alpha", a.trust("alpha.test"))
		wantSecure(t, secure, "WWW.alpha.test", "alpha", a.trust("WWW.Alpha.test"))
		wantSecure(t, secure, "beta.test:443", "beta", a.trust("beta.test"))
		// gamma is woken; the listener's certificate is not for it, and it has no other.
		gamma := a.trust("gamma.test")
		gamma.InsecureSkipVerify = true
		wantSecure(t, secure, "gamma.test", "gamma", gamma)

		t.Run("names of others", func(t *testing.T) {
			conn, err := greet(t, secure, a.trust("alpha.test"))
			b.must(err)
			defer conn.Close()
			r := bufio.NewReader(conn)
			if status, _ := visitOn(t, conn, r, "alpha.test"); status != 200 {
				t.Errorf("its own: %d", status)
			}
			if status, text := visitOn(t, conn, r, "beta.test"); status != 421 {
				t.Errorf("another app's: %d %q", status, text)
			}
			if _, err := greet(t, secure, a.trust("nobody.test")); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("a name that no app has: %v", err)
			}
			nameless := a.trust("")
			nameless.InsecureSkipVerify = true
			if _, err := greet(t, secure, nameless); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("no name, and no default app: %v", err)
			}
		})
		t.Run("HTTP/2", func(t *testing.T) {
			conns := 0
			client := &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: a.trust("alpha.test"),
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					conns++
					return (&net.Dialer{}).DialContext(ctx, network, secure)
				}}}
			defer client.CloseIdleConnections()
			for _, try := range []struct {
				host   string
				status int
			}{{"alpha.test", 200}, {"beta.test", 421}, {"www.alpha.test.", 200}, {"gamma.test:443", 421}, {"alpha.test", 200}} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://alpha.test/", nil)
				b.must(err)
				req.Host = try.host
				resp, err := client.Do(req)
				b.must(err)
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != try.status || resp.ProtoMajor != 2 {
					t.Errorf("%s: %s by %s", try.host, resp.Status, resp.Proto)
				}
			}
			if conns != 1 {
				t.Errorf("%d connections were made: one is enough for any number of answers", conns)
			}
			ca := filepath.Join(t.TempDir(), "ca.pem")
			b.must(os.WriteFile(ca, a.Cert, 0o600))
			_, port, _ := net.SplitHostPort(secure)
			out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--http2", "--cacert", ca, "-m", "60", "-w", "%{http_version} %{http_code}",
				"--connect-to", "::"+secure, "https://Beta.Test.:"+port+"/").CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), "\n2 200") || !strings.HasPrefix(strings.ToLower(string(out)), "beta beta.test.:"+port+" 127.0.0.1\n") {
				t.Errorf("curl: %v: %q", err, out)
			}
		})
		t.Run("redirect", func(t *testing.T) {
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, plain)
				}}}
			defer client.CloseIdleConnections()
			_, port, _ := net.SplitHostPort(secure)
			for _, try := range []struct{ url, want string }{
				{"http://alpha.test/a%20b/?x=1&y", "308 https://alpha.test:" + port + "/a%20b/?x=1&y"},
				{"http://WWW.Beta.test.:8080", "308 https://www.beta.test:" + port + "/"},
				{"http://gamma.test/", "200 "}, // there is no certificate for it
				{"http://nobody.test/", "421 "},
			} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, try.url, strings.NewReader("body"))
				b.must(err)
				resp, err := client.Do(req)
				b.must(err)
				resp.Body.Close()
				if got := fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("Location")); got != try.want {
					t.Errorf("%s: %s, not %s", try.url, got, try.want)
				}
			}
		})
		b.awaitCount("redirected", 2)
		if code := d.stop(t); code != 0 {
			t.Errorf("the daemon ended with %d:\n%s", code, d.text())
		}
	})
}

// TestACertificateIsChangedAtTheGate: that of an app and that of a listener are read
// again; what cannot be used is told, and the one before serves on.
func TestACertificateIsChangedAtTheGate(t *testing.T) {
	who := someone(t)
	b, plain, secure, a := secured(t, who, "")
	b.run()
	b.awaitGate(0)
	for _, try := range []struct{ app, file string }{{"alpha", "alpha.pem"}, {"beta", "shared.pem"}} {
		host, path := try.app+".test", filepath.Join(b.demo, try.file)
		first := wantSecure(t, secure, host, try.app, a.trust(host))
		put(t, path, who, []byte("no certificate"))
		if out := b.fleet("validate"); out.code == 0 || !strings.Contains(out.stdout+out.stderr, path) {
			t.Errorf("validate: %d\n%s%s", out.code, out.stdout, out.stderr)
		}
		eventually(t, patience, "status to tell of "+path, func() error {
			if out := b.fleet("status", "-o", "json"); !strings.Contains(out.stdout, "cannot use certificate "+path) {
				return fmt.Errorf("%s", out.stdout)
			}
			return nil
		})
		// Both are looked at once a second: long enough for the broken one to be seen.
		for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
			if n := wantSecure(t, secure, host, try.app, a.trust(host)); n != first {
				t.Fatalf("%s: certificate %d became %d", host, first, n)
			}
		}
		if status, _ := visit(t, plain, host); status != 308 {
			t.Errorf("%s is not redirected any more: %d", host, status)
		}
		second := a.issue(path, who, host)
		eventually(t, patience, "the new certificate of "+host, func() error {
			if n := wantSecure(t, secure, host, try.app, a.trust(host)); n != second {
				return fmt.Errorf("certificate %d", n)
			}
			return nil
		})
	}
}

// TestNothingIsLostOverTLSAtTheGate: as of plain connections.
func TestNothingIsLostOverTLSAtTheGate(t *testing.T) {
	who := someone(t)
	b, _, secure, a := secured(t, who, "")
	b.run()
	gate := b.awaitGate(0)
	for _, name := range sites[:2] {
		wantSecure(t, secure, name+".test", name, a.trust(name+".test"))
	}
	var loads []*Load
	for _, keep := range []bool{true, false} {
		for _, name := range sites[:2] {
			l := &Load{App: name, Addr: secure, Host: name + ".test", Connections: 2, KeepAlive: keep, Pause: 2 * time.Millisecond, TLS: a.trust(name + ".test")}
			l.Start()
			loads = append(loads, l)
		}
	}
	b.ok("restart", "_gate")
	b.awaitGate(gate)
	b.ok("restart", "alpha", "beta")
	b.ok("reload", "alpha")
	for _, l := range loads {
		counts := l.Stop()
		if counts.Good == 0 || len(counts.Lost) > 0 {
			t.Errorf("load on %s, keep-alive %v: %v", l.App, l.KeepAlive, counts)
			for _, lost := range counts.Lost[:min(len(counts.Lost), 5)] {
				t.Error(lost)
			}
		}
	}
}

// TestTheDefaultAppOverTLS: it answers for who names nobody and for names that nobody
// has, also behind a proxy; not for those of others.
func TestTheDefaultAppOverTLS(t *testing.T) {
	b, _, secure, a := secured(t, someone(t), "  default        = \"beta\"\n  proxy_protocol = [\"127.0.0.0/8\"]\n")
	b.run()
	b.awaitGate(0)
	b.await("beta", "ready", 1)
	b.await("alpha", "ready", 1)
	for _, try := range []struct {
		server, host string
		status       int
	}{{"", "127.0.0.1", 200}, {"whoever.test", "whoever.test", 200}, {"", "beta.test", 200}, {"", "alpha.test", 421}, {"alpha.test", "whoever.test", 421}} {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", secure)
		b.must(err)
		fmt.Fprint(c, "PROXY TCP4 192.0.2.9 198.51.100.1 4444 443\r\n")
		config := a.trust(try.server)
		config.InsecureSkipVerify = true
		tc := tls.Client(c, config)
		status, text := visitOn(t, tc, bufio.NewReader(tc), try.host)
		tc.Close()
		if status != try.status || status == 200 && !strings.HasPrefix(text, "beta "+try.host+" 192.0.2.9\n") {
			t.Errorf("%q, host %s: %d %q", try.server, try.host, status, text)
		}
	}
}
