package runner

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// patience bounds every wait for something that must happen.
const patience = time.Minute

// way is one of the ways into an app: plain HTTP, a real mongrel2, or HTTPS.
type way struct {
	name string
	addr string
	tls  *tls.Config
}

// everyWay starts an app that serves HTTP, a mongrel2 handler and HTTPS, in
// this order.
func everyWay(t *testing.T, code string, settings map[string]string, change func(*appspec.Spec)) (*testApp, *Handle, []way) {
	t.Helper()
	s := mongrel2test.Start(t, mongrel2test.Options{Settings: settings})
	a := newTestApp(t, code, func(spec *appspec.Spec) {
		spec.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: s.Handlers[0].Recv, Send: s.Handlers[0].Send}}
		if change != nil {
			change(spec)
		}
	})
	files := map[string]*os.File{}
	open := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		files[ln.Addr().String()] = f
		return ln.Addr().String()
	}
	a.addr = open()
	a.url = "http://" + a.addr
	a.spec.Sockets.HTTP[0].Listen = a.addr
	secure := appspec.HTTPSocket{Listen: open(), TLS: writeCertificate(t, filepath.Dir(a.spec.Path))}
	a.spec.Sockets.HTTP = append(a.spec.Sockets.HTTP, secure)
	pem, err := os.ReadFile(secure.TLS.Cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	h := a.startWith(StateReady, files, 1)
	a.mustLogLine("mongrel2 at " + s.Handlers[0].Recv + " is ready")
	return a, h, []way{{"http", a.addr, nil}, {"mongrel2", s.Addr, nil}, {"https", secure.Listen, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}}}
}

// dial opens a connection.
func (w way) dial(t testing.TB) *client {
	t.Helper()
	c := dial(t, w.addr)
	if w.tls != nil {
		c.Conn = tls.Client(c.Conn, w.tls)
		c.r = bufio.NewReader(c.Conn)
	}
	return c
}

// ask sends one request on a connection of its own.
func (w way) ask(t testing.TB, request string) answer {
	t.Helper()
	c := w.dial(t)
	defer c.Close()
	c.send(request)
	method, _, _ := strings.Cut(request, " ")
	return c.answer(method)
}

// get asks for a target.
func (w way) get(t testing.TB, target string, headers ...string) answer {
	t.Helper()
	return w.ask(t, "GET "+target+" HTTP/1.1\r\nHost: h\r\n"+lines(headers)+"\r\n")
}

// post sends a body with its Content-Length.
func (w way) post(t testing.TB, target string, body []byte, headers ...string) answer {
	t.Helper()
	return w.ask(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%s\r\n%s", target, len(body), lines(headers), body))
}

// postChunked sends a body in chunks of the size.
func (w way) postChunked(t testing.TB, target string, body []byte, size int, headers ...string) answer {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n%s\r\n", target, lines(headers))
	for rest := body; len(rest) > 0; {
		n := min(size, len(rest))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	b.WriteString("0\r\n\r\n")
	return w.ask(t, b.String())
}

func lines(headers []string) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	await.True(t, what, ok)
}

// logText is the app's log so far.
func (a *testApp) logText() string {
	b, _ := os.ReadFile(filepath.Join(a.spec.Path, applog.FileName))
	return string(b)
}

// mustLogLine waits for a line of the log that holds all the texts.
func (a *testApp) mustLogLine(texts ...string) {
	a.t.Helper()
	await.True(a.t, fmt.Sprintf("a line of the log with %q", texts), func() bool {
	line:
		for l := range strings.SplitSeq(a.logText(), "\n") {
			for _, s := range texts {
				if !strings.Contains(l, s) {
					continue line
				}
			}
			return true
		}
		return false
	}, func() any { return a.logText() })
}
