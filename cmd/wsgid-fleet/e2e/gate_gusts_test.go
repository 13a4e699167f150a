package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// gateGust is a client of TestGateTempest: it asks by the gate in any way.
type gateGust struct {
	*gateTempest
	number int
	r      *rand.Rand
	asked  int
	kind   string // of client, that it is now
	from   string // whom apps see, as its connection is now
	stop   <-chan struct{}
}

// kinds of clients, by name.
var gateGusts = []struct {
	name string
	do   func(*gateGust)
}{
	{"kept, host to host", (*gateGust).wanders},
	{"pipelined", (*gateGust).pipelines},
	{"one request a connection", (*gateGust).asksOnce},
	{"byte by byte", (*gateGust).stutters},
	{"head in two", (*gateGust).hesitates},
	{"head in two, again", (*gateGust).hesitates},
	{"head without end", (*gateGust).neverEnds},
	{"half closed", (*gateGust).halfCloses},
	{"reset", (*gateGust).resets},
	{"small records", (*gateGust).whispers},
	{"kept, TLS", (*gateGust).keepsTLS},
	{"HTTP/2", (*gateGust).speaksHTTP2},
	{"slow reader", (*gateGust).readsSlowly},
	{"upload", (*gateGust).uploads},
	{"PROXY", (*gateGust).comesByProxy},
	{"upgrade", (*gateGust).upgrades},
	{"long head", (*gateGust).longHead},
}

func (g *gateGust) over() bool {
	select {
	case <-g.stop:
		return true
	default:
		return false
	}
}

func (g *gateGust) run() {
	for !g.over() {
		kind := gateGusts[g.r.IntN(len(gateGusts))]
		g.count("client: " + kind.name)
		g.kind, g.from = kind.name, "127.0.0.1"
		kind.do(g)
	}
}

// rests for a moment of its own.
func (g *gateGust) rests(most time.Duration) {
	select {
	case <-g.stop:
	case <-time.After(time.Duration(g.r.Int64N(int64(most)))):
	}
}

// host is any of the names.
func (g *gateGust) host() string { return tempestNames[g.r.IntN(len(tempestNames))] }

// dial connects from an address of this machine; nil: the test has failed.
func (g *gateGust) dial(addr, from string) *net.TCPConn {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(g.t.Context(), "tcp", addr)
	if err != nil {
		g.t.Errorf("seed %d: nobody listens at %s: %v", g.seed, addr, err)
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// gateWay is a connection of a client by TCP or by a unix socket.
type gateWay interface {
	net.Conn
	CloseWrite() error
}

// connects makes a connection without TLS; nil: the test has failed.
func (g *gateGust) connects() gateWay {
	if g.r.IntN(3) > 0 {
		if c := g.dial(g.plain, g.from); c != nil {
			return c
		}
		return nil
	}
	c, err := (&net.Dialer{Timeout: patience}).DialContext(g.t.Context(), "unix", g.socket)
	if err != nil {
		g.t.Errorf("seed %d: nobody listens at %s: %v", g.seed, g.socket, err)
		return nil
	}
	g.from = ""
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.UnixConn)
}

// wanders keeps a connection and changes its host to and fro.
func (g *gateGust) wanders() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	r := bufio.NewReader(c)
	since, before, moving := time.Now(), "", g.r.IntN(2) == 0
	host := g.host()
	n := 1 + g.r.IntN(25)
	if !moving {
		n *= 8 // a name may move meanwhile
	}
	for ; n > 0 && !g.over(); n-- {
		if moving {
			host = g.host()
		}
		q := g.question(host)
		// A name that has moved leads its connection back, too.
		q.since, q.before, q.returned = since, before, before != "" && (before != host || len(g.owners(host, since)) > 1)
		_ = c.SetDeadline(time.Now().Add(patience))
		if !g.exchange(c, r, q) {
			return
		}
		since, before = q.begun, host
		if g.r.IntN(4) == 0 {
			g.rests(150 * time.Millisecond)
		}
	}
}

// pipelines sends several requests at once, for one host or for several.
func (g *gateGust) pipelines() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	r := bufio.NewReader(c)
	since, before := time.Now(), ""
	for range 1 + g.r.IntN(3) {
		var all []*gateQuestion
		var text strings.Builder
		host := g.host()
		for n := 2 + g.r.IntN(5); n > 0; n-- {
			if g.r.IntN(3) == 0 {
				host = g.host()
			}
			q := g.question(host)
			q.since, q.returned, q.size, q.before = since, true, g.r.IntN(1<<g.r.IntN(20)+1), before
			all, before = append(all, q), host
			text.WriteString(q.text())
		}
		if _, err := io.WriteString(c, text.String()); err != nil {
			g.lost(all[0], err)
			return
		}
		for _, q := range all {
			if g.r.IntN(6) == 0 {
				g.rests(20 * time.Millisecond)
			}
			if !g.answer(r, q) {
				return // what comes behind it goes with it
			}
		}
		since = all[0].begun
	}
}

func (g *gateGust) asksOnce() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	q.fields = "Connection: close\r\n"
	if g.r.IntN(8) == 0 {
		q.host = fmt.Sprintf("nobody%d.test", g.r.IntN(5))
	}
	g.exchange(c, bufio.NewReader(c), q)
}

// stutters sends a head byte by byte.
func (g *gateGust) stutters() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	for i, text := 0, q.text(); i < len(text); i++ {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			g.lost(q, err)
			return
		}
		if i%16 == 0 {
			g.rests(8 * time.Millisecond)
		}
	}
	g.answer(c, q)
}

// hesitates rests in the middle of a head: a gate has it that long.
func (g *gateGust) hesitates() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	text := q.text()
	cut := g.r.IntN(len(text))
	if _, err := io.WriteString(c, text[:cut]); err != nil {
		g.lost(q, err)
		return
	}
	g.rests(600 * time.Millisecond)
	if _, err := io.WriteString(c, text[cut:]); err != nil {
		g.lost(q, err)
		return
	}
	g.answer(c, q)
}

// neverEnds sends a head that has no end, until it is refused, or goes.
func (g *gateGust) neverEnds() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n", g.host()); err != nil {
		return
	}
	size := 1 << g.r.IntN(14)
	for range g.r.IntN(300) {
		if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", size, strings.Repeat("x", size)); err != nil {
			break
		}
		if g.r.IntN(20) == 0 {
			g.rests(50 * time.Millisecond)
		}
	}
	if g.r.IntN(2) == 0 {
		_ = c.CloseWrite()
	}
}

// halfCloses asks and says that it says no more.
func (g *gateGust) halfCloses() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	q.size = g.r.IntN(300_000)
	if g.r.IntN(3) == 0 {
		q.method, q.body = http.MethodPost, bytes.Repeat([]byte("u"), g.r.IntN(200_000))
	}
	if _, err := io.WriteString(c, q.text()+string(q.body)); err != nil {
		g.lost(q, err)
		return
	}
	g.rests(3 * time.Millisecond)
	_ = c.CloseWrite()
	g.answer(c, q)
}

// resets goes with a reset at any moment: before the head, in it, while the connection is
// handed over, in the answer.
func (g *gateGust) resets() {
	for range 1 + g.r.IntN(6) {
		addr := g.plain
		if g.r.IntN(3) == 0 {
			addr = g.secure
		}
		c := g.dial(addr, "127.0.0.1")
		if c == nil {
			return
		}
		_ = c.SetLinger(0)
		q := g.question(g.host())
		q.size = 1 << g.r.IntN(23)
		text := q.text()
		if addr == g.secure {
			hello := &caught{Conn: c}
			_ = tls.Client(hello, g.trusted(q.host)).HandshakeContext(g.t.Context())
			text = string(hello.first)
		}
		if g.r.IntN(2) == 0 {
			text = text[:g.r.IntN(len(text))]
		}
		_, _ = io.WriteString(c, text)
		switch g.r.IntN(4) {
		case 0:
		case 1:
			g.rests(time.Millisecond)
		default:
			_ = c.SetReadDeadline(time.Now().Add(time.Duration(1 + g.r.Int64N(int64(200*time.Millisecond)))))
			_, _ = io.CopyN(io.Discard, c, g.r.Int64N(1<<g.r.IntN(20)+1))
		}
		_ = c.Close()
	}
}
