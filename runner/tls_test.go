package runner

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// writeCertificate makes a certificate for 127.0.0.1 that signs itself.
func writeCertificate(t *testing.T, dir string) *appspec.TLS {
	t.Helper()
	files := &appspec.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	certtest.SelfSigned(t).Write(t, files.Cert, files.Key)
	return files
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := writeCertificate(t, dir)
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Sockets.HTTP[0].TLS = files
		s.Request.MaxBody = 200_000
	})
	h := a.start(StateReady)
	pool := x509.NewCertPool()
	b, _ := os.ReadFile(files.Cert)
	pool.AppendCertsFromPEM(b)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: proto == "HTTP/2.0"}
		defer tr.CloseIdleConnections()
		client := &http.Client{Transport: tr}
		body := strings.Repeat("x", 100_000)
		resp, err := client.Post("https://"+a.addr+"/echo", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.Proto != proto || string(got) != body {
			t.Errorf("%s: proto %s, %d bytes, %v", proto, resp.Proto, len(got), err)
		}
		// What never comes to the application is counted all the same.
		resp, err = client.Post("https://"+a.addr+"/echo", "text/plain", strings.NewReader(strings.Repeat("x", 300_000)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("%s: %s", proto, resp.Status)
		}
	}
	a.wait(h, func(st Status) bool { return st.Counters.Codes[413] == 2 && st.Counters.Codes[200] == 2 })
	// A new master takes the socket over.
	socks, err := h.Listeners(a.ctx())
	if err != nil || socks[a.addr] == nil {
		t.Fatalf("listeners: %v, %v", socks, err)
	}
	next := a.startWith(StateReady, socks, 2)
	if err := h.Drain(a.ctx(), next); err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("https://" + a.addr + "/")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("after the change of masters: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestTLSWithoutCertificate(t *testing.T) {
	a := newTestApp(t, helloApp, func(s *appspec.Spec) {
		s.Sockets.HTTP[0].TLS = &appspec.TLS{Cert: "/nonexistent/cert.pem", Key: "/nonexistent/key.pem"}
	})
	_, err := StartMaster(a.ctx(), StartOptions{Spec: a.spec, StateDir: a.state})
	if err == nil || !strings.Contains(err.Error(), "cannot listen on 127.0.0.1:0: cannot read certificate /nonexistent/cert.pem: no such file or directory; put both files in place, in PEM format") {
		t.Errorf("error %v", err)
	}
}
