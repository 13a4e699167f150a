package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// readsSlowly reads a big answer with little room for it.
func (g *gateGust) readsSlowly() {
	q := g.question(g.host())
	q.size = 1<<20 + g.r.IntN(5<<20)
	var c net.Conn
	if g.r.IntN(3) == 0 {
		if t := g.greets(q, narrow); t != nil {
			c = t
		}
	} else if t := g.dial(g.plain, "127.0.0.1"); t != nil {
		c = narrow(t)
	}
	if c == nil {
		return
	}
	defer c.Close()
	if _, err := io.WriteString(c, q.text()); err != nil {
		g.lost(q, err)
		return
	}
	g.rests(200 * time.Millisecond)
	g.answer(&slowly{Reader: c, g: g, size: 30_000 + g.r.IntN(200_000)}, q)
}

// narrow leaves little room for what comes. With less than a segment of the loopback interface
// each would wait for a timer of the kernel.
func narrow(c net.Conn) net.Conn {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(96 << 10)
	}
	return c
}

// slowly rests now and then.
type slowly struct {
	io.Reader
	g         *gateGust
	size, had int
}

func (s *slowly) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if s.had += n; s.had > s.size {
		s.had = 0
		s.g.rests(20 * time.Millisecond)
	}
	return n, err
}

// uploads sends a body, most often once it is told to.
func (g *gateGust) uploads() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	q.method, q.body = http.MethodPost, bytes.Repeat([]byte{byte('a' + g.r.IntN(26))}, g.r.IntN(1<<g.r.IntN(22)+1))
	if g.r.IntN(3) == 0 {
		g.exchange(c, bufio.NewReader(c), q)
		return
	}
	q.fields = "Expect: 100-continue\r\n"
	if _, err := io.WriteString(c, q.text()); err != nil {
		g.lost(q, err)
		return
	}
	r := bufio.NewReader(c)
	begin, err := r.Peek(12)
	if err != nil {
		g.lost(q, err)
		return
	}
	if string(begin) == "HTTP/1.1 100" {
		if _, err := c.Write(q.body); err != nil {
			g.lost(q, err)
			return
		}
	}
	g.answer(r, q)
}

// comesByProxy says whose the connection is, as a proxy does, or as one must not.
func (g *gateGust) comesByProxy() {
	addr := g.plain
	q := g.question(g.host())
	first, right := "", true
	switch g.r.IntN(6) {
	case 0, 1:
		q.from = fmt.Sprintf("192.0.2.%d", 1+g.r.IntN(200))
		first = "PROXY TCP4 " + q.from + " 198.51.100.1 4444 80\r\n"
	case 2:
		q.from = fmt.Sprintf("192.0.2.%d", 1+g.r.IntN(200))
		ip := net.ParseIP(q.from).To4()
		first = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + string(ip) + "\xc6\x33\x64\x01\x11\x5c\x00\x50"
	case 3:
		q.from = proxySource
		first = "PROXY UNKNOWN\r\n"
	case 4:
		first, right = "", false
	default:
		first, right = "PROXY TCP4 somewhere\r\n", false
	}
	c := g.dial(addr, proxySource)
	if c == nil {
		return
	}
	defer c.Close()
	if cut := g.r.IntN(len(first) + 1); right && cut > 0 && cut < len(first) {
		_, _ = io.WriteString(c, first[:cut])
		g.rests(5 * time.Millisecond)
		first = first[cut:]
	}
	if !right {
		_, _ = io.WriteString(c, first+q.text())
		if n, err := io.Copy(io.Discard, c); n > 0 {
			g.t.Errorf("seed %d: a connection whose PROXY header is %q was answered: %d bytes, %v", g.seed, first, n, err)
		}
		return
	}
	if _, err := io.WriteString(c, first); err != nil {
		g.lost(q, err)
		return
	}
	r := bufio.NewReader(c)
	for more := g.r.IntN(3); g.exchange(c, r, q) && more > 0; more-- {
		next := g.question(g.host())
		next.from, next.since, next.before, next.returned = q.from, q.begun, q.host, true
		q = next
	}
}

// upgrades asks for another protocol, which no app speaks, and for one that an app would.
func (g *gateGust) upgrades() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	q.fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if g.r.IntN(2) == 0 {
		q.fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
	}
	g.exchange(c, bufio.NewReader(c), q)
}

// longHead sends more than a gate looks at before it reads it.
func (g *gateGust) longHead() {
	c := g.connects()
	if c == nil {
		return
	}
	defer c.Close()
	q := g.question(g.host())
	n := 20<<10 + g.r.IntN(40<<10)
	q.fields, q.long = "Cookie: c="+strings.Repeat("c", n)+"\r\n", true
	text := q.text()
	cut := g.r.IntN(len(text))
	if _, err := io.WriteString(c, text[:cut]); err != nil {
		g.lost(q, err)
		return
	}
	g.rests(30 * time.Millisecond)
	if _, err := io.WriteString(c, text[cut:]); err != nil {
		g.lost(q, err)
		return
	}
	g.answer(c, q)
}
