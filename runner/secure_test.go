package runner

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// secureApp is an app that is served over TLS alone.
func secureApp(t *testing.T, code string, change func(*appspec.Spec)) (*testApp, way) {
	t.Helper()
	a := newTestApp(t, code, func(s *appspec.Spec) {
		s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
		if change != nil {
			change(s)
		}
	})
	return a, way{name: "https", tls: &tls.Config{InsecureSkipVerify: true}}
}

// echoApp answers with the path and the body.
const echoApp = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode() + environ["wsgi.input"].read()]
`

// Requests that follow each other without a wait are answered in turn, however the
// client cuts them into records: through everything, or all in one.
func TestPipelineOverTLS(t *testing.T) {
	a, w := secureApp(t, echoApp, nil)
	a.start(StateReady)
	w.addr = a.addr
	const raw = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n" +
		"GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
	const behind = "GET /5 HTTP/1.1\r\n" // nobody reads it, so it comes with the others or is refused
	for _, size := range []int{1, 7, len(raw + behind)} {
		c := w.dial(t)
		if size > len(raw) {
			c.send(raw + behind)
		} else {
			for i := 0; i < len(raw); i += size {
				c.send(raw[i:min(i+size, len(raw))])
			}
		}
		for _, want := range []string{"/1", "/2abc", "/3def", "/4"} {
			if got := c.answer("GET"); got.text(t) != "200 "+want {
				t.Errorf("records of %d: %q, want %q", size, got.body, want)
			}
		}
		// Its end is told, and not that of the network alone.
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			t.Errorf("records of %d: %q %v", size, rest, err)
		}
	}
}

// What ends with the connection is told from what was cut: by the farewell of TLS.
func TestEndOfAStreamOverTLS(t *testing.T) {
	a, w := secureApp(t, `
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    def parts():
        yield b"part "
        if environ["PATH_INFO"] == "/cut":
            os._exit(7)
        yield b"rest"
    return parts()
`, nil)
	h := a.start(StateReady)
	w.addr = a.addr
	whole := w.ask(t, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if whole.text(t) != "200 part rest" {
		t.Errorf("%q", whole.body)
	}
	if cut := w.ask(t, "GET /cut HTTP/1.0\r\n\r\n"); cut.err == nil || cut.body != "part " {
		t.Errorf("a part passes for the whole: %q, %v", cut.body, cut.err)
	}
	a.wait(h, func(st Status) bool { return st.State == StateReady })
}

func TestExpectOverTLS(t *testing.T) {
	a, w := secureApp(t, echoApp, func(s *appspec.Spec) { s.Request.MaxBody = 100 })
	a.start(StateReady)
	w.addr = a.addr
	c := w.dial(t)
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if line, err := c.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	_, _ = c.r.ReadString('\n')
	c.send("hello")
	if got := c.answer("POST"); got.text(t) != "200 /hello" {
		t.Error(got.body)
	}
	// One that is too large is refused before it is sent.
	c.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n")
	if got := c.answer("POST"); got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(got.Status)
	}
}

// Who forgets TLS is told so, and who says nothing is let go.
func TestHandshakesThatFail(t *testing.T) {
	a, _ := secureApp(t, echoApp, nil)
	h := a.start(StateReady)
	c := a.dial()
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if got := c.answer("GET"); got.text(t) != "400 400 Bad Request: this port speaks HTTPS, the request came without TLS\n" {
		t.Error(got.body)
	}
	before := openFiles(t, h.PID)
	a.update(h, func(s *appspec.Spec) { s.Request.HeaderTimeout = appspec.Duration(500 * time.Millisecond) })
	for _, begin := range []string{"", "\x16\x03\x01\x02\x00", "\x16\x03\x01\x00\x05hello", "SSH-2.0-x\r\n"} {
		c := a.dial()
		c.send(begin)
		_, err := io.Copy(io.Discard, c)
		if isTimeout(err) {
			t.Errorf("%q is not let go", begin)
		}
	}
	eventually(t, "their descriptors to be closed", func() bool { return openFiles(t, h.PID) <= before })
}

// The client may change the keys at any time, and ask for ours to change: also while a
// response is on its way.
func TestChangeOfKeys(t *testing.T) {
	a, _ := secureApp(t, echoApp, nil)
	a.start(StateReady)
	cmd := exec.CommandContext(t.Context(), "stdbuf", "-o0", "openssl", "s_client", "-connect", a.addr, "-tls1_3", "-noservername")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	told, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	defer time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }).Stop()
	until := func(r io.ByteReader, what string) {
		t.Helper()
		var all strings.Builder
		for !strings.HasSuffix(all.String(), what) {
			b, err := r.ReadByte()
			if err != nil {
				t.Fatalf("%v before %q: %q", err, what, all.String())
			}
			all.WriteByte(b)
		}
	}
	out, lines := bufio.NewReader(answers), bufio.NewReader(told)
	for i := range 3 {
		_, _ = io.WriteString(in, "K\n")
		until(lines, "KEYUPDATE\n")
		fmt.Fprintf(in, "GET /answer-%d HTTP/1.1\r\nHost: h\r\n\r\n", i)
		until(out, fmt.Sprintf("\r\n\r\n/answer-%d", i))
	}
}

// A client that reads slowly, and then all at once, gets every byte of a response that is
// larger than what the kernel keeps.
func TestSlowReaderOverTLS(t *testing.T) {
	a, w := secureApp(t, `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [bytes([48 + i % 10]) * 65537 for i in range(200)]
`, func(s *appspec.Spec) { s.Request.ResponseBuffer = 1 << 20 })
	a.start(StateReady)
	w.addr = a.addr
	var want bytes.Buffer
	for i := range 200 {
		want.Write(bytes.Repeat([]byte{byte('0' + i%10)}, 65537))
	}
	c := w.dial(t)
	c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
	for range 2 {
		resp := c.response("GET")
		var got bytes.Buffer
		for got.Len() < 300_000 {
			if _, err := io.CopyN(&got, resp.Body, 3001); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.Copy(&got, resp.Body); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("%d bytes of %d, %v", got.Len(), want.Len(), err)
		}
	}
}

// Who has connected when the app is stopped, and has not even greeted yet, has his request
// answered, as the last one; who is idle too, for a second.
func TestStopLetsInWhoHasComeByTLS(t *testing.T) {
	for round := range 5 {
		a, w := secureApp(t, echoApp, nil)
		h := a.start(StateReady)
		w.addr = a.addr
		const clients = 20
		var conns []net.Conn
		var idle []*client
		for range clients {
			c, err := net.Dial("tcp", a.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			conns = append(conns, c)
		}
		for range clients {
			c := w.dial(t)
			c.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n")
			if got := c.answer("GET"); got.text(t) != "200 /first" {
				t.Fatal(got.body)
			}
			idle = append(idle, c)
		}
		var all sync.WaitGroup
		all.Go(func() {
			if err := errors.Join(h.Drain(a.ctx(), nil), h.Wait(a.ctx())); err != nil {
				t.Error(err)
			}
		})
		ask := func(c net.Conn, isNew bool) {
			_ = c.SetDeadline(time.Now().Add(patience))
			_, err := io.WriteString(c, "GET /last HTTP/1.1\r\nHost: h\r\n\r\n")
			b := []byte(nil)
			if err == nil {
				b, err = io.ReadAll(c)
			}
			if !isNew && len(b) == 0 {
				return // it came after the second that idle connections have
			}
			if !strings.HasSuffix(string(b), "/last") || err != nil {
				t.Errorf("round %d, new %t: %q, %v", round, isNew, b, err)
			}
		}
		for _, c := range conns {
			all.Go(func() { ask(tls.Client(c, w.tls), true) })
		}
		for _, c := range idle {
			all.Go(func() { ask(c.Conn, false) })
		}
		all.Wait()
	}
}

// A client that goes while its request is at work is noticed when it is sent something,
// and its worker is free again.
func TestClientGoneOverTLS(t *testing.T) {
	a, w := secureApp(t, `
import time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    def drip():
        for i in range(2000):
            time.sleep(0.05)
            yield b"piece "
    return drip() if environ["PATH_INFO"] == "/drip" else [b"free"]
`, nil)
	h := a.start(StateReady)
	w.addr = a.addr
	c := w.dial(t)
	c.send("GET /drip HTTP/1.1\r\nHost: h\r\n\r\n")
	resp := c.response("GET")
	if _, err := io.ReadFull(resp.Body, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	_ = c.Conn.(*tls.Conn).NetConn().Close()
	a.wait(h, func(st Status) bool { return st.Requests.Active == 0 })
	if got := w.get(t, "/"); got.text(t) != "200 free" {
		t.Error(got.body)
	}
	var cut *net.OpError
	if _, err := io.Copy(io.Discard, resp.Body); !errors.As(err, &cut) {
		t.Errorf("%v", err)
	}
}
