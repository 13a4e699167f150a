package fleet

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// A listener that moves to another address of its port is served without a gap.
func TestAListenerMovesOnItsPort(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	port := freeport.Port(t, "")
	f.App("blog", reconciletest.Hello)
	spec := func(host string) {
		f.Write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http {\n      listen = %q\n    }\n  }\n}\n",
			f.Path("blog"), net.JoinHostPort(host, port)))
	}
	spec("127.0.0.1")
	f.daemon(Options{})
	eventually(t, "blog is ready", f.is("blog", "ready"))
	master := f.status("blog").Master.PID
	stop := underLoad(4, func() (string, error) { return ask("tcp4", "127.0.0.1:"+port) })
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

// Two apps that swap their addresses in one edit wait for each other: both serve on where
// they did, and say which app it is and what to do, which helps.
func TestAppsThatSwapTheirAddresses(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	at := []string{freeport.Addr(t), freeport.Addr(t), freeport.Addr(t)}
	spec := func(app, listen string) {
		f.Write(app, fmt.Sprintf("app %q {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http {\n      listen = %q\n    }\n  }\n}\n",
			app, f.Path(app), listen))
	}
	now := func(blog, shop string) func() bool {
		return func() bool {
			b, s := f.status("blog"), f.status("shop")
			return b.State == "ready" && s.State == "ready" && b.Sockets[0].Listen == blog && s.Sockets[0].Listen == shop
		}
	}
	f.App("blog", reconciletest.Hello)
	f.App("shop", reconciletest.Hello)
	spec("blog", at[0])
	spec("shop", at[1])
	f.daemon(Options{})
	eventually(t, "both are ready", now(at[0], at[1]))
	stop := underLoad(2, func() (string, error) { return ask("tcp4", at[0]) })
	spec("blog", at[1])
	spec("shop", at[0])
	want := "cannot listen on " + at[1] + ": app shop still listens there: the address is free once that app has left it; two apps that swap addresses wait for each other: give one of them another address first"
	eventually(t, "blog says who is in its way", func() bool {
		a := f.status("blog")
		return a.State == "degraded" && strings.Contains(a.Reason, want) && !strings.Contains(a.Reason, "another process")
	})
	_, port, _ := net.SplitHostPort(at[1])
	spec("blog", "0.0.0.0:"+port)
	eventually(t, "blog says who is in its way at another address of the port", func() bool {
		return strings.Contains(f.status("blog").Reason, "cannot listen on 0.0.0.0:"+port+": app shop still listens on "+at[1]+": the address is free once")
	})
	if good, bad := stop(); good == 0 || len(bad) > 0 {
		t.Errorf("%d good answers, %d lost: %v", good, len(bad), bad)
	}
	spec("blog", at[2])
	eventually(t, "shop has the address of blog", now(at[2], at[0]))
	spec("blog", at[1])
	eventually(t, "blog has that of shop", now(at[1], at[0]))
}

// A listener that gets tls keeps its socket: nobody who connects is refused.
func TestTLSComesToASocket(t *testing.T) {
	f := newFleetDir(t)
	f.EndMasters()
	addr := freeport.Addr(t)
	f.App("blog", reconciletest.Hello)
	cert, key := writeCertificate(t, f.Root)
	spec := func(lines string) {
		f.Write("blog", fmt.Sprintf("app \"blog\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http {\n      listen = %q\n%s    }\n  }\n}\n",
			f.Path("blog"), addr, lines))
	}
	spec("")
	f.daemon(Options{})
	eventually(t, "blog is ready", f.is("blog", "ready"))
	stop := underLoad(2, func() (string, error) {
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
