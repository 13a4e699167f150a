package runner

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// writeCertificate makes a certificate for 127.0.0.1 that signs itself.
func writeCertificate(t *testing.T, dir string) *appspec.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := &appspec.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: kb}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
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
