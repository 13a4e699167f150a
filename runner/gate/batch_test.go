package gate

import (
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// inBatch is what a receiver is to learn of a connection that it gets in a batch.
var inBatch = []Passed{
	{Host: []byte("a.test"), Listen: "127.0.0.1:80", Unread: 100, Left: true, Client: netip.MustParseAddrPort("127.0.0.1:4711")},
	{Host: []byte("a.test"), Listen: "127.0.0.1:80", Unread: 1, Left: true, Client: netip.MustParseAddrPort("[::1]:1"), Rescued: true},
	{Host: []byte("A.test:80"), Listen: "unix:s", Unread: maxLook, Left: true, TLS: true},
	{Host: []byte(""), Listen: "[::]:80", Unread: 50, Skip: 40, Left: true, Client: netip.MustParseAddrPort("192.0.2.1:2"),
		Proxied: &Proxied{Known: true, From: netip.MustParseAddrPort("192.0.2.7:3"), To: netip.MustParseAddrPort("[2001:db8::1]:4")}},
}

func batchOf(all []Passed) []byte {
	b := append([]byte{kindBatch}, make([]byte, 8)...)
	b[1] = 7
	for i := range all {
		b = all[i].appendEntry(b)
	}
	return b
}

// descriptors are n that belong to nobody else.
func descriptors(t *testing.T, n int) (fds []int) {
	t.Helper()
	for range n {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	return fds
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func TestABatchSaysOfEachConnectionWhatAPassingSays(t *testing.T) {
	l := &Link{Room: &Room{}}
	fds := descriptors(t, len(inBatch))
	if !l.understand(batchOf(inBatch), fds) {
		t.Fatal("it is not understood")
	}
	for i, a := range l.came {
		if a.fd != fds[i] || !reflect.DeepEqual(a.p, inBatch[i]) {
			t.Errorf("%d: descriptor %d of %d: %+v\nwant %+v", i, a.fd, fds[i], a.p, inBatch[i])
		}
		unix.Close(a.fd)
	}
	if len(l.came) != len(inBatch) || l.newest != 7+uint64(len(inBatch))-1 {
		t.Errorf("%d came, the last one is %d", len(l.came), l.newest)
	}
}

// TestWhatDidNotComeIsNotSaidToHaveCome: of a batch of which some descriptors are missing,
// as we had no more, those before are taken; the other side passes the rest again. What
// makes no sense is not taken, and no descriptor is left open.
func TestWhatDidNotComeIsNotSaidToHaveCome(t *testing.T) {
	whole := batchOf(inBatch)
	one := len(batchOf(inBatch[:1]))
	for name, c := range map[string]struct {
		msg  []byte
		fds  int
		came int
	}{
		"one descriptor is missing":    {whole, len(inBatch) - 1, len(inBatch) - 1},
		"there are none":               {whole, 0, 0},
		"the message is cut":           {whole[:len(whole)-1], len(inBatch), len(inBatch) - 1},
		"cut in the second connection": {whole[:one+3], len(inBatch), 1},
		"a flag that is unknown":       {append(batchOf(inBatch[:1]), append([]byte{0x80}, whole[10:]...)...), len(inBatch), 1},
		"nothing is unread":            {batchOf([]Passed{{Host: []byte("a"), Listen: "b"}}), 1, 0},
		"more is unread than is read":  {batchOf([]Passed{{Host: []byte("a"), Listen: "b", Unread: maxLook + 1}}), 1, 0},
		"more is skipped than unread":  {batchOf([]Passed{{Host: []byte("a"), Listen: "b", Unread: 5, Skip: 6}}), 1, 0},
	} {
		l := &Link{Room: &Room{}}
		fds := descriptors(t, c.fds)
		if l.understand(c.msg, fds) {
			t.Errorf("%s: it is understood", name)
		}
		if len(l.came) != c.came || c.came > 0 && l.newest != 6+uint64(c.came) {
			t.Errorf("%s: %d came, want %d; the last one is %d", name, len(l.came), c.came, l.newest)
		}
		for i, fd := range fds {
			if isOpen(fd) != (i < c.came) {
				t.Errorf("%s: descriptor %d of %d is left open, or one that came is closed", name, i, c.fds)
			}
		}
		for _, a := range l.came {
			unix.Close(a.fd)
		}
	}
}

// FuzzABatch: whatever comes, what is taken has a descriptor and bytes that can be read.
func FuzzABatch(f *testing.F) {
	f.Add(batchOf(inBatch))
	f.Add(batchOf(inBatch[3:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		known := ""
		for rest := b; len(rest) > 0; {
			p, next, ok := parseEntry(rest, &known)
			if !ok {
				return
			}
			if p.Unread <= 0 || p.Unread > maxLook || p.Skip < 0 || p.Skip > p.Unread || len(next) >= len(rest) {
				t.Fatalf("%+v", p)
			}
			rest = next
		}
	})
}

// messages are those that came over a link, by what each brings.
func readLink(t *testing.T, fd int, r *evloop.Receiver) (kind byte, fds []int) {
	t.Helper()
	await.TrueIn(t, patience, "a message of the gate", func() bool {
		msg, came, errno := r.RecvAll(fd)
		if errno == unix.EAGAIN {
			return false
		}
		if errno != 0 || len(msg) == 0 {
			t.Fatal("the link has ended: ", errno)
		}
		kind, fds = msg[0], came
		return true
	})
	return kind, fds
}

// TestConnectionsThatComeTogetherArePassedTogether: to a master that says it takes them so.
// One that says nothing, as it was made before there were batches, gets them one by one.
// Neither has said that they came when it goes, so they are passed to the next one.
func TestConnectionsThatComeTogetherArePassedTogether(t *testing.T) {
	t.Parallel()
	for name, greets := range map[string]bool{"a master that greets": true, "one that does not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startGate(t, names(map[string]string{"a.test": "a"}, ""))
			ln := listenPacket(t, filepath.Join(g.dir, "a"))
			first, _ := dial(t, g.addr)
			fmt.Fprint(first, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			link := acceptPacket(t, ln)
			r := evloop.NewReceiver(maxMessage)
			kind, fds := readLink(t, link, r)
			if kind != kindPassed || len(fds) != 1 {
				t.Fatalf("%q with %d descriptors, before anything was said", kind, len(fds))
			}
			evloop.CloseAll(fds)
			if greets {
				l := &Link{Room: &Room{}, fd: link}
				l.Greet()
				await.TrueIn(t, patience, "the gate to hear it", func() (heard bool) {
					g.lead.Call(func() { heard = g.s.apps["a"].link != nil && g.s.apps["a"].link.Together() })
					return heard
				})
			}
			const n = 2*MostTogether + 5
			// In one turn of the gate: all are there when it accepts.
			held := make(chan struct{})
			g.lead.Post(func() { <-held })
			for range n {
				c, _ := dial(t, g.addr)
				fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			}
			close(held)
			messages := 0
			for came := 0; came < n; messages++ {
				kind, fds := readLink(t, link, r)
				if want := map[bool]byte{true: kindBatch, false: kindPassed}[greets]; kind != want {
					t.Fatalf("a message of kind %q, want %q", kind, want)
				}
				came += len(fds)
				evloop.CloseAll(fds)
			}
			if greets && messages > n/4 || !greets && messages != n {
				t.Errorf("%d connections came in %d messages", n, messages)
			}
			unix.Close(ln)
			unix.Close(link)
			_ = unix.Unlink(filepath.Join(g.dir, "a"))
			a := g.app("a")
			await.TrueIn(t, patience, "all to come to the next master", func() bool { return a.came.Load() == n+1 })
			_ = first.SetDeadline(time.Now().Add(patience))
			b := make([]byte, 16)
			if k, err := first.Read(b); err != nil || !strings.HasPrefix(string(b[:k]), "HTTP/1.1 200") {
				t.Errorf("%q %v", b[:k], err)
			}
		})
	}
}

func listenPacket(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Listen(fd, 16)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func acceptPacket(t *testing.T, ln int) int {
	t.Helper()
	fd, _, err := unix.Accept4(ln, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestAMasterReadsWhatABatchLeft: the bytes of a request, a PROXY header before it, and
// what came behind what the gate has looked at.
func TestAMasterReadsWhatABatchLeft(t *testing.T) {
	t.Parallel()
	for network, addr := range kinds(t) {
		l := &Link{Room: &Room{}}
		fd := sent(t, network, addr, "12345678")
		p := Passed{Unread: 6, Skip: 4, Left: true}
		var room []byte
		if !l.claim(fd, &p, &room) || string(p.Bytes) != "5678" || p.Unread == 0 {
			t.Errorf("%s: %q, %d unread", network, p.Bytes, p.Unread)
		}
		again := Passed{Unread: 6, Skip: 4, Left: true, Rescued: true}
		if l.claim(fd, &again, &room) {
			t.Errorf("%s: another one gets it, too", network)
		}
		// Where the room is full there may be more.
		fd = sent(t, network, addr, strings.Repeat("x", maxLook+10))
		full := Passed{Unread: maxLook, Left: true}
		if !l.claim(fd, &full, &room) || len(full.Bytes) != maxLook || full.Unread != 0 {
			t.Errorf("%s: %d bytes, %d unread", network, len(full.Bytes), full.Unread)
		}
	}
}

// TestManyAtOnceAreAllAnswered by a master that takes batches, with bytes of each its own.
func TestManyAtOnceAreAllAnswered(t *testing.T) {
	t.Parallel()
	conf := names(map[string]string{"a.test": "a", "b.test": "b"}, "")
	conf.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	g := startGate(t, conf)
	g.greeter("a")
	g.app("b")
	for round := range 5 {
		type asked struct {
			want string
			read func() (*http.Response, error)
		}
		var all []asked
		held := make(chan struct{})
		g.lead.Post(func() { <-held })
		for i := range 50 {
			c, r := dial(t, g.addr)
			_ = c.SetDeadline(time.Now().Add(patience))
			name := []string{"a", "b"}[i%2]
			fmt.Fprintf(c, "PROXY TCP4 192.0.2.1 198.51.100.2 %d 80\r\nGET / HTTP/1.1\r\nHost: %s.test\r\n\r\n", 1000+i, name)
			all = append(all, asked{fmt.Sprintf("%s 192.0.2.1:%d", name, 1000+i), func() (*http.Response, error) { return http.ReadResponse(r, nil) }})
		}
		close(held)
		for i, a := range all {
			resp, err := a.read()
			if err != nil {
				t.Fatalf("round %d, %d: %v", round, i, err)
			}
			b := make([]byte, 100)
			n, _ := resp.Body.Read(b)
			resp.Body.Close()
			if string(b[:n]) != a.want {
				t.Errorf("round %d, %d: %q, want %q", round, i, b[:n], a.want)
			}
		}
	}
	// An app says that a connection has come when it may have answered already.
	await.TrueIn(t, patience, "all to be counted", func() bool { c := g.counts(); return c.Routed == 250 && c.Waiting == 0 },
		func() any { return g.counts() })
}
