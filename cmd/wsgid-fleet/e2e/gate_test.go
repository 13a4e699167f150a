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
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// sites are three apps that are reached by name alone, on one port.
var sites = []string{"alpha", "beta", "gamma"}

// siteApp answers with its name, its host and its client, and with the path on a line
// of its own.
const siteApp = `def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    text = "%s %%s %%s\n%%s\n" %% (environ["HTTP_HOST"], environ["REMOTE_ADDR"], environ["PATH_INFO"])
    return [text.encode("latin-1")]
`

// gated is a harness with the three sites behind a gate; gamma sleeps until it is asked.
func gated(t *testing.T, who account, more string) (b *harness, addr string) {
	b = newHarness(t, who)
	b.only()
	addr = freeport.Addr(t)
	for _, name := range sites {
		folder := filepath.Join(b.demo, "apps", name)
		for _, dir := range []string{folder, filepath.Join(folder, "app")} {
			b.must(os.Mkdir(dir, 0o755))
		}
		code := filepath.Join(folder, "app", "site_"+name+".py")
		b.must(os.WriteFile(code, []byte(fmt.Sprintf(siteApp, name)), 0o644))
		if who.apps != nil {
			for _, path := range []string{folder, filepath.Join(folder, "app"), code} {
				b.must(os.Chown(path, int(who.apps.Uid), int(who.apps.Gid)))
			}
		}
		workers := "count = 1"
		if name == "gamma" {
			workers = "min = 0\n    max = 1\n    idle_timeout = \"500ms\""
		}
		b.write("wsgid.d/"+name+".hcl", fmt.Sprintf("app %q {\n  path     = %q\n  wsgi_app = \"site_%s:application\"\n  hosts    = [\"%s.test\", \"*.%s.test\"]\n  workers {\n    %s\n  }\n}\n",
			name, folder, name, name, name, workers))
	}
	b.write("wsgid.d/gate.hcl", fmt.Sprintf("gate {\n  http { listen = %q }\n%s}\n", addr, more))
	return b, addr
}

// visit asks for a host over a connection of its own and returns the answer.
func visit(t *testing.T, addr, host string) (status int, text string) {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return visitOn(t, c, bufio.NewReader(c), host)
}

func visitOn(t *testing.T, c net.Conn, r *bufio.Reader, host string) (status int, text string) {
	t.Helper()
	resp, text := request(t, c, r, host)
	return resp.StatusCode, text
}

// request asks for a host over a connection; the answer's body is read.
func request(t *testing.T, c net.Conn, r *bufio.Reader, host string) (resp *http.Response, text string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	return resp, string(b)
}

// returning is a client that asks over one connection for as long as the server keeps it. An
// app that went to sleep as the connection came to it is woken, and says with its answer that
// the connection ends.
type returning struct {
	addr string
	c    net.Conn // nil: the next request opens one
	r    *bufio.Reader
}

func (k *returning) visit(t *testing.T, host string) (status int, text string) {
	t.Helper()
	if k.c == nil {
		c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", k.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		k.c, k.r = c, bufio.NewReader(c)
	}
	resp, text := request(t, k.c, k.r, host)
	if resp.Close {
		_ = k.c.Close()
		k.c = nil
	}
	return resp.StatusCode, text
}

// wantSite waits until a host is answered by a site.
func wantSite(t *testing.T, addr, host, site string) {
	t.Helper()
	eventually(t, patience, host+" to be answered by "+site, func() error {
		c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if status, text := visitOn(t, c, bufio.NewReader(c), host); status != 200 || !strings.HasPrefix(text, site+" "+host+" 127.0.0.1\n") {
			return fmt.Errorf("%d %q", status, text)
		}
		return nil
	})
}

// gatePID is the process of the gate.
func (b *harness) gatePID() (int, error) {
	s, err := b.status()
	if err != nil {
		return 0, err
	}
	if s.Gate == nil || s.Gate.State != "ready" || s.Gate.Master == nil {
		return 0, fmt.Errorf("the gate is %+v", s.Gate)
	}
	return s.Gate.Master.PID, nil
}

func (b *harness) awaitGate(not int) (pid int) {
	b.t.Helper()
	eventually(b.t, patience, "a gate to be ready", func() (err error) {
		if pid, err = b.gatePID(); err == nil && pid == not {
			err = fmt.Errorf("it is still %d", pid)
		}
		return err
	})
	return pid
}

func TestThreeSitesByNameOnOnePort(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b, addr := gated(t, who, "")
		d := b.run()
		gate := b.awaitGate(0)
		for _, name := range sites {
			wantSite(t, addr, name+".test", name) // gamma is woken
			wantSite(t, addr, "WWW."+name+".Test.:80", name)
		}
		if who.root() {
			var st syscall.Stat_t
			b.must(syscall.Stat(fmt.Sprintf("/proc/%d", gate), &st))
			if st.Uid == 0 {
				t.Error("the gate runs as root")
			}
		}
		if status, _ := visit(t, addr, "nobody.test"); status != 421 {
			t.Errorf("a name that no app has: %d", status)
		}
		// Commands call it _gate.
		eventually(t, patience, "the gate to be told of", func() error {
			said := b.fleet("status", "_gate").String() + b.fleet("logs", "_gate").String() + b.fleet("status", "_gate", "--stack").String()
			for _, want := range []string{"_gate  ready\n", "listen    " + addr + "\n", "app       alpha, 2\n", "refused   1: unknown name\n", `421: no app has the host "nobody.test"`, "the gate runs no Python"} {
				if !strings.Contains(said, want) {
					return fmt.Errorf("it is not said %q:\n%s", want, said)
				}
			}
			return nil
		})

		// One connection, another host with each request.
		client := returning{addr: addr}
		for i := range 12 {
			site := sites[i%3]
			if status, text := client.visit(t, site+".test"); status != 200 || !strings.HasPrefix(text, site+" ") {
				t.Fatalf("request %d, for %s: %d %q", i, site, status, text)
			}
			if client.c == nil && site != "gamma" { // which may have been about to sleep
				t.Fatalf("request %d: %s does not keep the connection", i, site)
			}
		}

		// A name moves from one app to another, in place.
		b.replace("wsgid.d/alpha.hcl", `"alpha.test", `, `"alpha.test", "wander.test", `)
		wantSite(t, addr, "wander.test", "alpha")
		b.replace("wsgid.d/alpha.hcl", `"wander.test", `, ``)
		b.replace("wsgid.d/beta.hcl", `"beta.test", `, `"beta.test", "wander.test", `)
		wantSite(t, addr, "wander.test", "beta")
		// A broken file keeps its names, and the gate's keeps the gate.
		b.write("wsgid.d/beta.hcl", "app \"beta\" {\n")
		b.write("wsgid.d/gate.hcl", "gate {\n")
		b.write("wsgid.d/alpha.hcl", strings.Replace(b.text("wsgid.d/alpha.hcl"), `"alpha.test", `, `"alpha.test", "new.test", `, 1))
		eventually(t, patience, "the faults to be seen", func() error {
			s, err := b.status()
			if err == nil && (s.Gate == nil || s.Gate.State != "degraded") {
				err = fmt.Errorf("the gate is %+v", s.Gate)
			}
			return err
		})
		wantSite(t, addr, "beta.test", "beta")
		if pid := b.ungatedPID(); pid != gate {
			t.Errorf("gate %d became %d", gate, pid)
		}
		// The end of the daemon is the end of all.
		if code := d.stop(t); code != 0 {
			t.Errorf("the daemon ended with %d:\n%s", code, d.text())
		}
		if _, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr); err == nil {
			t.Error("somebody listens after the end of the daemon")
		}
	})
}

// TestOnlyTheGateReachesTheMasters: the sockets that take connections over are closed to
// all but root and the gate's group.
func TestOnlyTheGateReachesTheMasters(t *testing.T) {
	who := someone(t)
	if !who.root() {
		t.Skip("needs root")
	}
	b, _ := gated(t, who, "")
	gate := func() int { b.run(); return b.awaitGate(0) }()
	b.await("alpha", "ready", 1)
	var st syscall.Stat_t
	b.must(syscall.Stat(fmt.Sprintf("/proc/%d", gate), &st))
	for _, name := range []string{"", "alpha", "_gate"} {
		var s syscall.Stat_t
		b.must(syscall.Stat(filepath.Join(b.state, "gate", name), &s))
		if s.Uid != 0 || s.Gid != st.Gid || s.Mode&0o007 != 0 || name == "" && s.Mode&0o020 != 0 {
			t.Errorf("%q: owner %d:%d, mode %o; the gate's group is %d", name, s.Uid, s.Gid, s.Mode, st.Gid)
		}
	}
}

// awaitCount waits until the gate has counted that many: it does so once the app has
// said that it has a connection, and a client may have the app's answer before that.
func (b *harness) awaitCount(what string, want int) {
	b.t.Helper()
	eventually(b.t, patience, fmt.Sprintf("%d %s", want, what), func() error {
		out := b.fleet("status", "-o", "json").stdout // others may still be starting
		if !strings.Contains(out, fmt.Sprintf("%q: %d,", what, want)) && !strings.Contains(out, fmt.Sprintf("%q:%d,", what, want)) {
			return fmt.Errorf("status:\n%s", out)
		}
		return nil
	})
}

// ungatedPID is the process of a gate in any state.
func (b *harness) ungatedPID() int {
	s, err := b.status()
	b.must(err)
	if s.Gate == nil || s.Gate.Master == nil {
		return 0
	}
	return s.Gate.Master.PID
}

// text is a file below demo.
func (b *harness) text(name string) string {
	text, err := os.ReadFile(filepath.Join(b.demo, name))
	b.must(err)
	return string(text)
}

// TestNothingIsLostAtTheGate: the gate and the masters are replaced, rolled and
// restarted, and the daemon is killed, under load on new and kept connections.
func TestNothingIsLostAtTheGate(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b, addr := gated(t, who, "")
		d := b.run()
		gate := b.awaitGate(0)
		for _, name := range sites {
			wantSite(t, addr, name+".test", name)
		}
		var loads []*Load
		for _, keep := range []bool{true, false} {
			for _, name := range sites[:2] {
				l := &Load{App: name, Addr: addr, Host: name + ".test", Connections: 2, KeepAlive: keep, Pause: 2 * time.Millisecond}
				l.Start()
				loads = append(loads, l)
			}
		}
		b.ok("restart", "_gate")
		next := b.awaitGate(gate)
		b.ok("reload", "alpha")
		b.ok("restart", "alpha", "beta")
		d.kill(t)
		b.run()
		if pid := b.awaitGate(0); pid != next {
			t.Errorf("the next daemon has gate %d, not %d", pid, next)
		}
		b.ok("restart", "_gate")
		b.awaitGate(next)
		for _, l := range loads {
			counts := l.Stop()
			if counts.Good == 0 || len(counts.Lost) > 0 {
				t.Errorf("load on %s, keep-alive %v: %v", l.App, l.KeepAlive, counts)
				for _, lost := range counts.Lost[:min(len(counts.Lost), 5)] {
					t.Error(lost)
				}
			}
		}
		// Another address, and both.
		other := freeport.Addr(t)
		b.replace("wsgid.d/gate.hcl", addr, other)
		wantSite(t, other, "beta.test", "beta")
		b.replace("wsgid.d/gate.hcl", "gate {\n", fmt.Sprintf("gate {\n  http { listen = %q }\n", addr))
		wantSite(t, addr, "alpha.test", "alpha")
		wantSite(t, other, "gamma.test", "gamma")
	})
}

// TestAKilledGateLosesNothing: neither connections that an app has, nor those that the
// gate has and no app yet, nor those that come while neither gate nor daemon is there.
func TestAKilledGateLosesNothing(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b, addr := gated(t, who, "")
		d := b.run()
		gate := b.awaitGate(0)
		wantSite(t, addr, "alpha.test", "alpha")
		var loads []*Load
		for _, keep := range []bool{true, false} {
			l := &Load{App: "alpha", Addr: addr, Host: "alpha.test", Connections: 4, KeepAlive: keep, Pause: 2 * time.Millisecond}
			l.Start()
			loads = append(loads, l)
		}
		for i := range 4 {
			var clients []net.Conn
			for range 3 {
				c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
				b.must(err)
				defer c.Close()
				clients = append(clients, c)
			}
			fmt.Fprint(clients[1], "GET / HTTP/1.1\r\nHo")
			fmt.Fprint(clients[2], "GET / HTTP/1.1\r\nHost: gamma.test\r\n\r\n") // it sleeps
			b.must(syscall.Kill(gate, syscall.SIGKILL))
			if i%2 == 1 {
				d.kill(t)
				c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
				if err != nil {
					t.Fatalf("gate and daemon are gone, and nobody has the sockets: %v", err)
				}
				defer c.Close()
				clients = append(clients, c)
				fmt.Fprint(c, "GET / HTTP/1.1\r\nHo")
				d = b.launch()
			}
			// Asked for status first it might be that long that the heads come too late.
			if status, _ := visit(t, addr, "alpha.test"); status != 200 {
				t.Errorf("kill %d: the first to come: %d", i, status)
			}
			fmt.Fprint(clients[0], "GET / HTTP/1.1\r\nHo")
			for j, c := range clients {
				if j != 2 {
					fmt.Fprint(c, "st: beta.test\r\n\r\n")
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Errorf("kill %d: client %d: %v", i, j, err)
				} else if resp.Body.Close(); resp.StatusCode != 200 {
					t.Errorf("kill %d: client %d: %s", i, j, resp.Status)
				}
			}
			b.awaitDaemon(d)
			gate = b.awaitGate(gate)
		}
		for _, l := range loads {
			if counts := l.Stop(); counts.Good == 0 || len(counts.Lost) > 0 {
				t.Errorf("keep-alive %v: %v: %v", l.KeepAlive, counts, counts.Lost)
			}
		}
		if code := d.stop(t); code != 0 {
			t.Errorf("the daemon ended with %d:\n%s", code, d.text())
		}
		eventually(t, patience, "everything to have ended", func() error {
			for _, p := range processesOf(b.state) {
				if strings.Contains(p.args, "guard") {
					return fmt.Errorf("%v is there", p)
				}
			}
			return nil
		})
	})
}

func TestAnAppForAllOtherNamesAndAProxyInFront(t *testing.T) {
	b, addr := gated(t, someone(t), "  default        = \"beta\"\n  proxy_protocol = [\"127.0.0.0/8\"]\n")
	b.run()
	b.awaitGate(0)
	b.await("beta", "ready", 1)
	for _, name := range []string{"whoever.test", "beta.test"} {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		b.must(err)
		fmt.Fprint(c, "PROXY TCP4 192.0.2.9 198.51.100.1 4444 80\r\n")
		status, text := visitOn(t, c, bufio.NewReader(c), name)
		c.Close()
		if status != 200 || !strings.HasPrefix(text, "beta "+name+" 192.0.2.9\n") {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
	b.awaitCount("routed", 2)
}
