package gate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// patience bounds every wait for something that must happen.
const patience = time.Minute

// gateAtWork is a gate on a loop of its own, with the sockets of its apps in a folder.
type gateAtWork struct {
	t    *testing.T
	s    *Server
	dir  string
	addr string
	lead *evloop.Loop
}

func startGate(t *testing.T, c Config) *gateAtWork {
	t.Helper()
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateAtWork{t: t, dir: t.TempDir(), lead: loop}
	g.s = &Server{Loop: loop, Max: 2000, Say: func(l string) { t.Log(l) }, Emptied: func() {},
		Dial: func(app string) (int, error) { return DialPacket(filepath.Join(g.dir, app)) }}
	g.s.Start()
	g.s.Configure(c)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	fd, err := unix.Dup(int(f.Fd()))
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.s.Listen("it", fd); err != nil {
		t.Fatal(err)
	}
	if err := g.s.Accept(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = loop.Run()
	}()
	t.Cleanup(func() {
		loop.Post(loop.Stop)
		<-done
	})
	return g
}

func (g *gateAtWork) counts() (c Counts) {
	g.lead.Call(func() { c = g.s.Snapshot() })
	return c
}

// takerApp stands for an app's master: what comes it answers with its name and what was
// said of the connection, one request each, and hands back what is not its own.
type takerApp struct {
	name string
	ln   *net.UnixListener
	loop *evloop.Loop
	link atomic.Pointer[Link]
	came atomic.Int32
	// secure serves clients that speak TLS.
	secure func(c net.Conn, p *Passed)
}

func (g *gateAtWork) app(name string) *takerApp { return g.appThat(name, false) }

// greeter is an app that takes several connections in one message.
func (g *gateAtWork) greeter(name string) *takerApp { return g.appThat(name, true) }

func (g *gateAtWork) appThat(name string, greets bool) *takerApp {
	t := g.t
	t.Helper()
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(g.dir, name), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	a := &takerApp{name: name, ln: ln, loop: loop}
	done := make(chan struct{})
	go func() { defer close(done); _ = loop.Run() }()
	room := &Room{}
	go func() {
		for {
			c, err := ln.AcceptUnix()
			if err != nil {
				return
			}
			f, _ := c.File()
			c.Close()
			fd, _ := unix.Dup(int(f.Fd()))
			f.Close()
			_ = unix.SetNonblock(fd, true)
			loop.Post(func() {
				l := &Link{Loop: loop, Room: room, Arrived: func(what any) { _ = unix.Close(what.(int)) }, Writable: func() {}, Over: func([]any) {}}
				l.Taken = func(fd int, p *Passed) { a.serve(l, fd, p) }
				_ = l.Open(fd)
				if greets {
					l.Greet()
				}
				a.link.Store(l)
			})
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		loop.Post(loop.Stop)
		<-done
	})
	return a
}

// serve answers requests for the host that the connection came by, and hands the first
// one for another host back.
func (a *takerApp) serve(l *Link, fd int, p *Passed) {
	a.came.Add(1)
	host, pending, from := string(p.Host), string(p.Bytes), ""
	passed := *p
	if p.Proxied != nil {
		from = p.Proxied.From.String()
	}
	go func() {
		f := os.NewFile(uintptr(fd), "connection")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return
		}
		defer c.Close()
		if passed.TLS {
			a.secure(c, &passed)
			return
		}
		r := bufio.NewReader(io.MultiReader(strings.NewReader(pending), c))
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.Host != host {
				cf, _ := c.(*net.TCPConn).File()
				back, _ := unix.Dup(int(cf.Fd()))
				cf.Close()
				head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", req.Method, req.URL, req.Host)
				rest := make([]byte, r.Buffered())
				_, _ = io.ReadFull(r, rest)
				a.loop.Call(func() {
					_ = l.Pass(back, &Passed{Host: []byte(host), Listen: passed.Listen, Bytes: append([]byte(head), rest...)}, back)
				})
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			text := a.name + " " + from
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	}()
}

func names(c map[string]string, def string) Config { return Config{Table: NewTable(c, def)} }

// ask sends a request over a connection and reads the answer.
func ask(t *testing.T, c net.Conn, r *bufio.Reader, host string) (int, string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	return resp.StatusCode, string(b)
}

func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

func TestConnectionsGoToTheAppOfTheirHost(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a", "*.b.test": "b"}, ""))
	g.app("a")
	g.app("b")
	for host, want := range map[string]string{"a.test": "a ", "A.Test.:80": "a ", "x.b.test": "b "} {
		c, r := dial(t, g.addr)
		for range 3 {
			if status, text := ask(t, c, r, host); status != 200 || text != want {
				t.Errorf("%s: %d %q, want %q", host, status, text, want)
			}
		}
	}
	c, r := dial(t, g.addr)
	if status, _ := ask(t, c, r, "c.test"); status != 421 {
		t.Errorf("a host that no app has: %d", status)
	}
	c, r = dial(t, g.addr)
	fmt.Fprint(c, "rubbish\r\n\r\n")
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 400 {
		t.Errorf("rubbish: %v %v", resp, err)
	}
	var n Counts
	// The app says that a connection has come after it has begun to serve it.
	await.TrueIn(t, patience, "all to have arrived", func() bool { n = g.counts(); return n.Waiting == 0 }, func() any { return n })
	if n.Routed != 3 || n.Accepted != 5 || n.Refused[refusedName] != 1 || n.Refused[refusedHead] != 1 || n.Reading != 0 {
		t.Errorf("counted: %+v", n)
	}
}

func TestAHeadInPiecesIsRouted(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
	g.app("a")
	c, r := dial(t, g.addr)
	for _, b := range []byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n") {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v %v", resp, err)
	}
}

func TestAKeptConnectionThatAsksForAnotherHostGoesBack(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a", "b.test": "b"}, ""))
	a, b := g.app("a"), g.app("b")
	c, r := dial(t, g.addr)
	for i := range 20 {
		host, want := "a.test", "a "
		if i%2 == 1 {
			host, want = "b.test", "b "
		}
		if status, text := ask(t, c, r, host); status != 200 || text != want {
			t.Fatalf("request %d: %d %q, want %q", i, status, text, want)
		}
	}
	if a.came.Load() != 10 || b.came.Load() != 10 || g.counts().HandedBack != 19 {
		t.Errorf("a %d, b %d, handed back %d", a.came.Load(), b.came.Load(), g.counts().HandedBack)
	}
}

func TestAProxyHeaderIsRequiredFromItsSourcesAndBelievedFromNoOthers(t *testing.T) {
	t.Parallel()
	conf := names(map[string]string{"a.test": "a"}, "")
	conf.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	g := startGate(t, conf)
	g.app("a")
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\n":                      "a 192.0.2.1:1234",
		"PROXY UNKNOWN\r\n":                                                  "a ",
		header2(0, 0x11, "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb"): "a ",
	} {
		c, r := dial(t, g.addr)
		for _, part := range []string{header[:3], header[3:10], header[10:]} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
		}
		if status, text := ask(t, c, r, "a.test"); status != 200 || text != want {
			t.Errorf("%q: %d %q, want %q", header, status, text, want)
		}
	}
	c, _ := dial(t, g.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("without a header it gets an answer: %d, %v", n, err)
	}
	g.lead.Call(func() { g.s.Configure(names(map[string]string{"a.test": "a"}, "")) })
	c, r := dial(t, g.addr)
	fmt.Fprint(c, "PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 400 {
		t.Errorf("a header of somebody else is taken: %v %v", resp, err)
	}
}

// TestWhatWasNotTakenIsPassedAgain: the first master closes its link without a word and
// the second one gets the connection, which has been served by nobody.
func TestWhatWasNotTakenIsPassedAgain(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
	deaf, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(g.dir, "a"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	c, r := dial(t, g.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	link, err := deaf.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := link.Read(one); err != nil || one[0] != kindPassed { // it has come, and nobody says so
		t.Fatalf("%q %v", one, err)
	}
	deaf.Close()
	link.Close()
	g.app("a")
	_ = c.SetDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
}

func TestADrainingGateFinishesTheHeadsThatItHas(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
	g.app("a")
	c, r := dial(t, g.addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\n")
	await.TrueIn(t, patience, "a head to be read", func() bool { return g.counts().Reading > 0 })
	emptied := make(chan struct{})
	g.lead.Call(func() {
		g.s.Emptied = func() { close(emptied); g.s.Emptied = func() {} }
		g.s.Drain(true)
	})
	select {
	case <-emptied:
		t.Fatal("it ends though a head is half read")
	default:
	}
	fmt.Fprint(c, "Host: a.test\r\n\r\n")
	_ = c.SetDeadline(time.Now().Add(patience))
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	<-emptied
}

func TestTheOldestConnectionThatSaysNothingMakesRoom(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
	g.app("a")
	g.lead.Call(func() { g.s.Max = 40 })
	var all []net.Conn
	for range 30 { // of one address: a quarter of all, but 16 at least
		c, _ := dial(t, g.addr)
		all = append(all, c)
	}
	_ = all[0].SetReadDeadline(time.Now().Add(patience))
	if _, err := all[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the oldest one: %v", err)
	}
	c, r := dial(t, g.addr)
	if status, _ := ask(t, c, r, "a.test"); status != 200 {
		t.Errorf("one that speaks: %d", status)
	}
	if n := g.counts(); n.Reading > 16 || n.Refused[refusedCrowd] < 14 {
		t.Errorf("%+v", n)
	}
}
