package fleet

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

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

// writeCertificate makes a certificate for 127.0.0.1, for an hour, and returns its files.
func writeCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certtest.SelfSigned(t, certtest.Valid(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))).Write(t, cert, key)
	return cert, key
}
