package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// caught keeps what is written first, and ends the connection's use.
type caught struct {
	net.Conn
	first []byte
}

func (c *caught) Write(b []byte) (int, error) {
	c.first = bytes.Clone(b)
	return 0, io.ErrClosedPipe
}

// trusted is a client of a name; not every app has a certificate of its own.
func (g *gateGust) trusted(name string) *tls.Config {
	c := g.ca.trust(name)
	c.InsecureSkipVerify = true
	return c
}

// greets makes a TLS connection by a name that an app has; nil: it has none by now.
func (g *gateGust) greets(q *gateQuestion, wrap func(net.Conn) net.Conn) *tls.Conn {
	raw := g.dial(g.secure, "127.0.0.1")
	if raw == nil {
		return nil
	}
	q.sni, q.made = q.host, q.begun
	c := tls.Client(wrap(raw), g.trusted(q.sni))
	err := c.HandshakeContext(g.t.Context())
	if err == nil {
		return c
	}
	_ = c.Close()
	if strings.Contains(err.Error(), "unrecognized name") && slices.Contains(g.owners(q.host, q.begun), "") {
		g.count("answered by an alert")
	} else {
		g.lost(q, err)
	}
	return nil
}

// whispers sends its hello in small records, and these in pieces.
func (g *gateGust) whispers() {
	q := g.question(g.host())
	c := g.greets(q, func(c net.Conn) net.Conn { return &whispered{Conn: c, g: g, size: 1 + g.r.IntN(300)} })
	if c == nil {
		return
	}
	defer c.Close()
	g.exchange(c, bufio.NewReader(c), q)
}

// whispered cuts the first record that is written into many.
type whispered struct {
	net.Conn
	g    *gateGust
	size int
	said bool
}

func (c *whispered) Write(b []byte) (int, error) {
	const head = 5
	if c.said || len(b) < head {
		return c.Conn.Write(b)
	}
	c.said = true
	var out []byte
	for rest := b[head:]; len(rest) > 0; {
		n := min(c.size, len(rest))
		out = binary.BigEndian.AppendUint16(append(out, b[:3]...), uint16(n))
		out, rest = append(out, rest[:n]...), rest[n:]
	}
	for len(out) > 0 {
		n := min(1+c.g.r.IntN(2000), len(out))
		if _, err := c.Conn.Write(out[:n]); err != nil {
			return 0, err
		}
		out = out[n:]
		c.g.rests(time.Millisecond)
	}
	return len(b), nil
}

// keepsTLS asks over one connection for the names of its app and of others.
func (g *gateGust) keepsTLS() {
	first := g.question(g.host())
	c := g.greets(first, func(c net.Conn) net.Conn { return c })
	if c == nil {
		return
	}
	defer c.Close()
	r := bufio.NewReader(c)
	since := first.begun
	for n := 1 + g.r.IntN(12); n > 0 && !g.over(); n-- {
		q := g.question(first.host)
		if g.r.IntN(3) == 0 {
			q.host = g.host()
		}
		q.sni, q.made, q.since, q.size = first.host, first.begun, since, g.r.IntN(20_000)
		_ = c.SetDeadline(time.Now().Add(patience))
		if !g.exchange(c, r, q) {
			return
		}
		since = q.begun
	}
}

// speaksHTTP2 asks over one connection, several times at once, for the names of its app and of
// others.
func (g *gateGust) speaksHTTP2() {
	first := g.question(g.host())
	probe := g.greets(first, func(c net.Conn) net.Conn { return c })
	if probe == nil {
		return
	}
	_ = probe.Close()
	made := time.Now()
	config := g.trusted(first.host)
	tr := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 16 << 10},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: patience}).DialContext(ctx, network, g.secure)
		}}
	client := &http.Client{Transport: tr, Timeout: patience}
	defer tr.CloseIdleConnections()
	done := make(chan struct{})
	n := 1 + g.r.IntN(6)
	for range n {
		q := g.question(first.host)
		if g.r.IntN(3) == 0 {
			q.host = g.host()
		}
		q.sni, q.made, q.since, q.size = first.host, made, made, 1<<g.r.IntN(21)
		leaves := g.r.IntN(4) == 0
		go func() {
			defer func() { done <- struct{}{} }()
			g.stream(client, q, leaves)
		}()
	}
	for range n {
		<-done
	}
}

// stream asks one request of an HTTP/2 connection; leaves: it does not read it to its end.
func (g *gateGust) stream(client *http.Client, q *gateQuestion, leaves bool) {
	req, err := http.NewRequestWithContext(g.t.Context(), q.method, "https://"+q.sni+q.path+"?"+strconv.Itoa(q.size), nil)
	if err != nil {
		g.t.Error(err)
		return
	}
	req.Host = q.host
	resp, err := client.Do(req)
	switch {
	case err != nil && strings.Contains(err.Error(), "unrecognized name") && slices.Contains(g.owners(q.sni, q.made), ""):
		g.count("answered by an alert")
	case err != nil:
		g.lost(q, err)
	case leaves:
		_, _ = io.CopyN(io.Discard, resp.Body, int64(q.size/3))
		_ = resp.Body.Close()
	default:
		g.judge(q, resp)
	}
}
