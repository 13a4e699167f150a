package runner

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gust is a client of TestTempest: it asks in any way, reads as it likes, and goes when it
// likes.
type gust struct {
	t    testing.TB
	ways []way
	r    *rand.Rand
	stop <-chan struct{}
}

// over tells that it is time to go.
func (g *gust) over() bool {
	select {
	case <-g.stop:
		return true
	default:
		return false
	}
}

func (g *gust) run() {
	for !g.over() {
		w := g.ways[g.r.IntN(len(g.ways))]
		if w.tls != nil && g.r.IntN(2) == 0 {
			g.http2(w)
		} else {
			g.http1(w)
		}
	}
}

// paths are asked for; the quick ones more often.
var gustPaths = strings.Fields("/ / / /wait /wait /big /stream /stream /drip /file /readall /readsome /readall /write /close /short /breaks /raise /late /die /dies")

func (g *gust) path() string { return gustPaths[g.r.IntN(len(gustPaths))] }

// request is one of HTTP/1.1, maybe with a body; whole is how much of it is sent by a client
// that is cut off.
func (g *gust) request() string {
	path := g.path()
	switch size := []int{0, 0, 5, 3000, 200000, 2 << 20}[g.r.IntN(6)]; {
	case size == 0:
		return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n"
	case g.r.IntN(3) == 0:
		half := strings.Repeat("k", size/2+1)
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", path, len(half), half, len(half), half)
	default:
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, size, strings.Repeat("b", size))
	}
}

// http1 makes a connection with some requests on it. What goes wrong on it may go wrong.
func (g *gust) http1(w way) {
	plain, err := net.Dial("tcp", w.addr)
	if err != nil {
		g.t.Errorf("nobody listens at %s: %v", w.addr, err)
		return
	}
	defer plain.Close()
	tcp := plain.(*net.TCPConn)
	if g.r.IntN(4) == 0 {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	_ = plain.SetDeadline(time.Now().Add(5 * time.Second))
	c := plain
	if w.tls != nil {
		c = tls.Client(plain, w.tls)
	}
	for n := 1 + g.r.IntN(3); n > 0 && !g.over(); n-- {
		text := g.request()
		for more := g.r.IntN(3); more > 0 && len(text) < 1000; more-- { // pipelined
			text += g.request()
		}
		if g.r.IntN(6) == 0 {
			text = text[:g.r.IntN(len(text))]
		}
		sent := make(chan struct{})
		go func() { // it may be answered, or cut off, before all is sent
			defer close(sent)
			_, _ = io.WriteString(c, text)
		}()
		goes := g.read(c)
		if g.r.IntN(8) == 0 && w.tls == nil {
			_ = tcp.CloseWrite()
			goes = g.read(c)
		}
		if goes {
			if g.r.IntN(3) == 0 {
				_ = tcp.SetLinger(0) // a reset
			}
			_ = plain.Close()
		}
		<-sent
		if goes {
			return
		}
	}
}

// read reads some of what comes; true: it has enough.
func (g *gust) read(c io.Reader) bool {
	switch g.r.IntN(5) {
	case 0: // at once
		return true
	case 1: // nothing, for a while
		select {
		case <-g.stop:
		case <-time.After(time.Duration(g.r.IntN(600)) * time.Millisecond):
		}
		return g.r.IntN(2) == 0
	case 2: // slowly
		for range g.r.IntN(40) {
			if _, err := io.CopyN(io.Discard, c, 30000); err != nil {
				return true
			}
			time.Sleep(5 * time.Millisecond) // so slow it reads
		}
		return true
	default:
		_, err := io.CopyN(io.Discard, c, int64(g.r.IntN(200000)))
		return err != nil
	}
}

// http2 makes a connection with several streams at a time.
func (g *gust) http2(w way) {
	tr := &http.Transport{TLSClientConfig: w.tls.Clone(), ForceAttemptHTTP2: true, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 16 << 10}}
	c := &http.Client{Transport: tr, Timeout: 3 * time.Second}
	type stream struct {
		path  string
		body  int
		bytes int64
		wait  time.Duration
	}
	done := make(chan struct{})
	n := 1 + g.r.IntN(5)
	for range n {
		s := stream{g.path(), []int{0, 0, 3000, 300000}[g.r.IntN(4)], int64(g.r.IntN(1 << 20)), time.Duration(g.r.IntN(200)) * time.Millisecond}
		go func() {
			defer func() { done <- struct{}{} }()
			method, body := http.MethodGet, io.Reader(nil)
			if s.body > 0 {
				method, body = http.MethodPost, strings.NewReader(strings.Repeat("b", s.body))
			}
			req, err := http.NewRequest(method, "https://"+w.addr+s.path, body)
			if err != nil {
				return
			}
			resp, err := c.Do(req)
			if err != nil {
				return
			}
			select {
			case <-g.stop:
			case <-time.After(s.wait):
			}
			_, _ = io.CopyN(io.Discard, resp.Body, s.bytes)
			_ = resp.Body.Close()
		}()
	}
	for range n {
		<-done
	}
	tr.CloseIdleConnections()
}
