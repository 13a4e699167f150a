package fleet

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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/certs/acmetest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// TestCertificatesFromAnAuthority: a daemon gets certificates for the names of its apps
// from a real authority, which asks the gate by HTTP-01 or by TLS-ALPN-01; masters show
// them without a restart; who asks for HTTP is sent on once there is one.
func TestCertificatesFromAnAuthority(t *testing.T) {
	for _, way := range []string{"http-01 and tls-alpn-01", "tls-alpn-01"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f := newFleetDir(t)
			f.App("blog", reconciletest.Hello)
			f.EndMasters()
			plain, secure := freeport.Addr(t), freeport.Addr(t)
			authority := acmetest.Start(t, port(plain), port(secure))
			front := acmetest.NewFront(t, authority)
			f.Write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  hosts = [\"blog.test\", \"www.blog.test\", \"*.blog.test\"]\n  workers {\n    count = 1\n  }\n}\n", f.Path("blog")))
			listeners := fmt.Sprintf("  http {\n    listen = %q\n    redirect = \"https\"\n  }\n", plain)
			if !strings.HasPrefix(way, "http") {
				listeners = ""
			}
			f.Write("gate", fmt.Sprintf("gate {\n%s  http {\n    listen = %q\n    tls {\n      acme {\n        email = \"ops@example.org\"\n        directory = %q\n        ca = %q\n      }\n    }\n  }\n}\n",
				listeners, secure, front.Directory, authority.Roots))
			o := Options{Dir: f.Dir, StateDir: f.State, Log: shownLog(t), dialSite: func(ctx context.Context, network, addr string) (net.Conn, error) {
				to := plain
				if strings.HasSuffix(addr, ":443") {
					to = secure
				}
				return (&net.Dialer{}).DialContext(ctx, network, to)
			}}
			f.daemon(o)
			issuers := authority.Issuers(t)
			serves := func(host string) func() bool {
				return func() bool { _, err := visitTLS(secure, host, issuers); return err == nil }
			}
			for _, host := range []string{"blog.test", "www.blog.test"} {
				comesTrue(t, "a certificate for "+host, serves(host))
			}
			text, err := visitTLS(secure, "blog.test", issuers)
			if err != nil || text != "hello" {
				t.Errorf("%q %v", text, err)
			}
			if _, err := visitTLS(secure, "other.blog.test", issuers); err == nil {
				t.Error("a wildcard has got a certificate")
			}
			comesTrue(t, "blog is ready", f.is("blog", "ready"))
			st := f.status("blog")
			i := slices.IndexFunc(st.Certificates, func(c CertificateStatus) bool { return c.Host == "www.blog.test" })
			if len(st.Certificates) != 2 || i < 0 || st.Certificates[i].Issuer == "" || st.Certificates[i].Renew.Before(time.Now()) || st.Certificates[i].Problem != "" {
				t.Errorf("%s %q %+v", st.State, st.Reason, st.Certificates)
			}
			if listeners != "" {
				comesTrue(t, "HTTP leads to HTTPS", func() bool { return redirects(plain, "blog.test") })
			}
			// The same master shows another certificate as soon as there is one.
			pid := f.status("blog").Master.PID
			before := shown(t, secure, "blog.test", issuers)
			file := certs.PairFile(filepath.Join(f.State, "data", "certificates"), "blog.test")
			// As if it were due: what is kept of it goes first, or that would be taken again.
			if err := os.RemoveAll(filepath.Join(f.State, "data", "certificates", "acme", "certificates")); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			f.Write("more", fmt.Sprintf("app \"more\" {\n  path = %q\n  enabled = false\n  hosts = [\"more.test\"]\n}\n", f.Path("more"))) // the daemon looks
			comesTrue(t, "another certificate", func() bool { return !shown(t, secure, "blog.test", issuers).Equal(before) })
			if is := f.status("blog").Master.PID; is != pid {
				t.Errorf("another master runs: %d, and it was %d", is, pid)
			}
		})
	}
}

func port(addr string) int {
	_, p, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(p)
	return n
}

// comesTrue waits long: an order that fails on a busy machine is tried again after two
// minutes.
func comesTrue(t *testing.T, what string, is func() bool) {
	t.Helper()
	await.TrueIn(t, 6*time.Minute, what, is)
}

func dialTLS(addr, host string, issuers *x509.CertPool) (*tls.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{ServerName: host, RootCAs: issuers}}
	c, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}

// visitTLS asks for a host as a client does that knows the authority.
func visitTLS(addr, host string, issuers *x509.CertPool) (string, error) {
	c, err := dialTLS(addr, host, issuers)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(b), err
}

// shown is the certificate that a client sees.
func shown(t *testing.T, addr, host string, issuers *x509.CertPool) *x509.Certificate {
	t.Helper()
	c, err := dialTLS(addr, host, issuers)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// redirects tells whether who asks for a host by HTTP is sent to HTTPS.
func redirects(addr, host string) bool {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(c, "GET /x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusPermanentRedirect && strings.HasPrefix(resp.Header.Get("Location"), "https://"+host)
}
