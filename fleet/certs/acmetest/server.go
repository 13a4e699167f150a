package acmetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Server is a running authority.
type Server struct {
	Directory string // URL of the directory
	Roots     string // file of the root that its server goes by
	addr      string
	manage    string
	client    *http.Client
	key       tls.Certificate // of its server
}

// Start runs an authority that asks for names at these ports of 127.0.0.1, and ends it
// with the test. More are variables of its environment.
func Start(t testing.TB, httpPort, tlsPort int, more ...string) *Server {
	t.Helper()
	program := componenttest.Program(t, "pebble")
	dir := t.TempDir()
	s := &Server{addr: freeport.Addr(t), manage: freeport.Addr(t), Roots: filepath.Join(dir, "roots.pem")}
	s.Directory = "https://" + s.addr + "/dir"
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s.certificate(t, certFile, keyFile)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": s.addr, "managementListenAddress": s.manage, "certificate": certFile, "privateKey": keyFile,
		"httpPort": httpPort, "tlsPort": tlsPort,
	}})
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(configFile, config, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.Background(), program, "-config", configFile, "-dnsserver", nameServer(t))
	// A fifth of all good nonces is refused, and it sleeps between question and answer.
	cmd.Env = append(append(os.Environ(), "PEBBLE_WFE_NONCEREJECT=20", "PEBBLE_VA_SLEEPTIME=1"), more...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the authority says:\n%s", b[max(0, len(b)-8000):])
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp, err := s.client.Get(s.Directory) //nolint:noctx // bounded by the client
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the authority does not answer: %v", err)
		}
	}
}

// Issuers are the roots and intermediates of the certificates that it gives.
func (s *Server) Issuers(t testing.TB) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	for _, what := range []string{"/roots/0", "/intermediates/0"} {
		resp, err := s.client.Get("https://" + s.manage + what) //nolint:noctx // bounded by the client
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !pool.AppendCertsFromPEM(b) {
			t.Fatalf("no certificate: %v %q", err, b)
		}
	}
	return pool
}

// certificate makes what its server shows, which is its own root.
func (s *Server) certificate(t testing.TB, certFile, keyFile string) {
	c := certtest.Authority(t)
	c.Write(t, certFile, keyFile)
	if err := os.WriteFile(s.Roots, c.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	s.key = c.TLS()
	// Its second port shows the same certificate.
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: c.Pool()}}}
}

// nameServer answers that every name is this machine.
func nameServer(t testing.TB) string {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	answer := func(w dns.ResponseWriter, q *dns.Msg) {
		m := (&dns.Msg{}).SetReply(q)
		if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(m)
	}
	up := make(chan struct{})
	srv := &dns.Server{PacketConn: udp, Handler: dns.HandlerFunc(answer), NotifyStartedFunc: func() { close(up) }}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = srv.Shutdown(); <-done })
	return udp.LocalAddr().String()
}
