package gate

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// connFD is a duplicate of a connection's descriptor.
func connFD(t *testing.T, c net.Conn) int {
	t.Helper()
	f, err := c.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return fd
}

// pair is a connection, its client's side first.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	return pairOf(t, "tcp", "127.0.0.1:0")
}

// kinds of connections that clients may come by, with where they listen.
func kinds(t *testing.T) map[string]string {
	return map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}
}

func pairOf(t *testing.T, network, addr string) (client, server net.Conn) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = (&net.Dialer{}).DialContext(t.Context(), network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

func awaitBytes(t *testing.T, fd, n int) {
	t.Helper()
	have := 0
	await.True(t, fmt.Sprint(n, " bytes"), func() (came bool) {
		var err error
		have, err = unix.IoctlGetInt(fd, unix.SIOCINQ)
		return err != nil || have >= n
	}, func() any { return have })
}

// sent is the descriptor of a connection whose client has said something, as far as a gate
// looks at it.
func sent(t *testing.T, network, addr, text string) int {
	t.Helper()
	client, server := pairOf(t, network, addr)
	fd := connFD(t, server)
	t.Cleanup(func() { unix.Close(fd) })
	go fmt.Fprint(client, text)
	awaitBytes(t, fd, min(len(text), maxLook))
	return fd
}

func TestAConnectionTellsWhetherItWasRead(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	fd := connFD(t, server)
	defer unix.Close(fd)
	if !untouched(fd) {
		t.Error("a new connection was read")
	}
	fmt.Fprint(client, "hello")
	awaitBytes(t, fd, 5)
	if !untouched(fd) {
		t.Error("one whose bytes wait was read")
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	closed := func() bool {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err != nil || info.State != tcpEstablished
	}
	await.TrueIn(t, patience, "the end of what the client says", closed)
	if !untouched(fd) {
		t.Error("one whose client has said all was read")
	}
	if _, err := server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if untouched(fd) {
		t.Error("one of which a byte was read was not")
	}
}

// back is a gate's socket where masters, and guards, hand connections to it.
func (g *gateAtWork) back() string {
	g.t.Helper()
	path := filepath.Join(g.dir, "_gate")
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		g.t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	f, err := ln.File()
	if err != nil {
		g.t.Fatal(err)
	}
	ln.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	f.Close()
	if err != nil {
		g.t.Fatal(err)
	}
	g.lead.Call(func() {
		if err = g.s.ListenBack("_gate", fd); err == nil {
			err = g.s.Accept()
		}
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return path
}

// TestTheNextGateBeginsAnew: connections that a killed gate had come to the next one
// with all that their clients have sent, long heads too; those that a master has do not.
func TestTheNextGateBeginsAnew(t *testing.T) {
	t.Parallel()
	for network, addr := range kinds(t) {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
			a := g.app("a")
			link, err := DialPacket(g.back())
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(link)
			pair := func() (client net.Conn, fd int) {
				client, server := pairOf(t, network, addr)
				return client, connFD(t, server)
			}
			whole, wholeFD := pair()
			half, halfFD := pair()
			long, longFD := pair()
			taken, takenFD := pair()
			fmt.Fprint(whole, "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\nGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n")
			fmt.Fprint(half, "GET / HTTP/1.1\r\nHo")
			fmt.Fprintf(long, "GET / HTTP/1.1\r\nCookie: %s\r\nHo", strings.Repeat("c", 24<<10))
			fmt.Fprint(taken, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			awaitBytes(t, takenFD, 4)
			if !(&Link{Room: &Room{}}).claim(takenFD, &Passed{Unread: 4}, new([]byte)) {
				t.Fatal("it is nobody's")
			}
			for i, fd := range []int{wholeFD, halfFD, longFD, takenFD} {
				p := Passed{Rescued: true}
				if err := unix.Sendmsg(link, p.append(nil, uint64(i+1)), unix.UnixRights(fd), nil, 0); err != nil {
					t.Fatal(err)
				}
				unix.Close(fd)
			}
			fmt.Fprint(half, "st: a.test\r\n\r\n")
			fmt.Fprint(long, "st: a.test\r\n\r\n")
			for name, c := range map[string]net.Conn{"whole": whole, "half": half, "long": long} {
				_ = c.SetDeadline(time.Now().Add(patience))
				if status, text := answer(t, c); status != 200 || text != "a " {
					t.Errorf("%s: %d %q", name, status, text)
				}
			}
			if n := g.counts(); n.Rescued != 3 || a.came.Load() != 3 {
				t.Errorf("rescued %d, came %d, want 3 and 3: %+v", n.Rescued, a.came.Load(), n)
			}
		})
	}
}

// TestAHeadThatWasHalfReadIsNotBegunAnew: a gate that has read a part of a head, as it was longer
// than one look at it, and is killed, leaves a connection of which nobody knows the start.
func TestAHeadThatWasHalfReadIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	for network, addr := range kinds(t) {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
			link, err := DialPacket(g.back())
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(link)
			client, server := pairOf(t, network, addr)
			fd := connFD(t, server)
			defer unix.Close(fd)
			go fmt.Fprintf(client, "GET / HTTP/1.1\r\nCookie: %s\r\n", strings.Repeat("c", maxLook))
			awaitBytes(t, fd, maxLook)
			if err := unix.Sendmsg(link, (&Passed{Rescued: true}).append(nil, 1), unix.UnixRights(fd), nil, 0); err != nil {
				t.Fatal(err)
			}
			await.TrueIn(t, patience, "the gate to read", func() bool {
				n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
				return err == nil && n == 0
			})
			if untouched(fd) {
				t.Error("a connection of which a gate has read is as if nobody had: the next gate begins anew in the middle of it")
			}
		})
	}
}

func answer(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	var status int
	_, _ = fmt.Sscanf(string(b[:n]), "HTTP/1.1 %d", &status)
	text := string(b[:n])
	for i := range len(text) - 3 {
		if text[i:i+4] == "\r\n\r\n" {
			return status, text[i+4 : i+6]
		}
	}
	return status, text
}

// TestWhatAMasterHasTakenIsItsAlone: it comes to another one a second time.
func TestWhatAMasterHasTakenIsItsAlone(t *testing.T) {
	t.Parallel()
	for network, addr := range kinds(t) {
		l := &Link{Room: &Room{}}
		fd := sent(t, network, addr, "12345678")
		p := &Passed{Unread: 4, Rescued: true}
		if !l.claim(fd, p, new([]byte)) {
			t.Errorf("%s: the first one does not get it", network)
		}
		if l.claim(fd, p, new([]byte)) {
			t.Errorf("%s: the second one gets it, too", network)
		}
		if n, _ := unix.IoctlGetInt(fd, unix.SIOCINQ); n != 4 {
			t.Errorf("%s: %d bytes wait, want 4: those that were not looked at", network, n)
		}
	}
}

// TestWhatWasTakenBeforeTheEndOfALinkCounts: a master says that a connection has come
// and ends with another one unread. The kernel tells the gate of that end first.
func TestWhatWasTakenBeforeTheEndOfALinkCounts(t *testing.T) {
	t.Parallel()
	g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(g.dir, "a"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	one, _ := dial(t, g.addr)
	fmt.Fprint(one, "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	link, err := ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	b, oob := make([]byte, 4096), make([]byte, 64)
	if _, _, _, _, err := link.ReadMsgUnix(b, oob); err != nil {
		t.Fatal(err)
	}
	two, r := dial(t, g.addr)
	fmt.Fprint(two, "GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	f, err := link.File()
	if err != nil {
		t.Fatal(err)
	}
	awaitBytes(t, int(f.Fd()), 1)
	f.Close()
	// In one turn of the gate, so that it sees both at once.
	g.lead.Call(func() {
		_, err = link.Write([]byte{kindTaken, 1, 0, 0, 0, 0, 0, 0, 0})
		ln.Close()
		link.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	a := g.app("a")
	_ = two.SetDeadline(time.Now().Add(patience))
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
		t.Errorf("the second one: %v %v", resp, err)
	}
	if n := a.came.Load(); n != 1 {
		t.Errorf("%d came to the next master, want the second alone", n)
	}
	await.TrueIn(t, patience, "both to arrive", func() bool { n := g.counts(); return n.Routed == 2 && n.Waiting == 0 },
		func() any { return g.counts() })
}

// TestTheNextGateKnowsTheListener: a connection that a killed gate had speaks TLS where
// its listener does.
func TestTheNextGateKnowsTheListener(t *testing.T) {
	t.Parallel()
	s := &Server{}
	s.Start()
	s.Configure(Config{Table: NewTable(nil, ""), Listeners: map[string]ListenerConfig{"secure": {TLS: true}, "all": {Redirect: true}}})
	var lns []net.Listener
	for name, at := range map[string][2]string{"secure": {"tcp4", "127.0.0.1:0"}, "all": {"tcp4", "0.0.0.0:0"}, "file": {"unix", filepath.Join(t.TempDir(), "s")}} {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		f, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s.listeners = append(s.listeners, &listener{s: s, name: name, fd: int(f.Fd())})
		lns = append(lns, ln)
	}
	for i, ln := range lns {
		to := ln.Addr().String()
		if a, ok := ln.Addr().(*net.TCPAddr); ok {
			to = fmt.Sprintf("127.0.0.1:%d", a.Port)
		}
		client, err := (&net.Dialer{}).DialContext(t.Context(), ln.Addr().Network(), to)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		fd := connFD(t, server)
		defer unix.Close(fd)
		if p := s.placeOf(fd); p.name != s.listeners[i].name || p.TLS != (p.name == "secure") {
			t.Errorf("%s: %+v", s.listeners[i].name, p)
		}
	}
	_, elsewhere := pair(t)
	fd := connFD(t, elsewhere)
	defer unix.Close(fd)
	if p := s.placeOf(fd); p.name != "" || p.TLS || p.Redirect {
		t.Errorf("a listener that is no more: %+v", p)
	}
}

// TestTheNextGateTakesTLS: the ClientHello of a connection that a killed gate had leads
// to its app, also where its listener is no more.
func TestTheNextGateTakesTLS(t *testing.T) {
	t.Parallel()
	g := startGate(t, secureNames(map[string]string{"a.test": "a"}, ""))
	g.secureApp("a")
	link, err := DialPacket(g.back())
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(link)
	client, server := pair(t)
	fd := connFD(t, server)
	p := Passed{Rescued: true}
	if err := unix.Sendmsg(link, p.append(nil, 1), unix.UnixRights(fd), nil, 0); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	tc := tls.Client(client, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	_ = tc.SetDeadline(time.Now().Add(patience))
	if line, err := bufio.NewReader(tc).ReadString('\n'); line != "a \"a.test\" \"a.test\" \n" {
		t.Errorf("%q, %v", line, err)
	}
}
