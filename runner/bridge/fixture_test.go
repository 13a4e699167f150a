package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writePair writes a self-signed certificate whose name is cn.
func writePair(t *testing.T, dir, cn string) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certtest.SelfSigned(t, certtest.Called(cn)).Write(t, certFile, keyFile)
	return certFile, keyFile
}

// fixture is a server with an application in place of the loop.
type fixture struct {
	*Server
	t         *testing.T
	addr      string
	certFile  string
	cancelled chan *Incoming

	mu    sync.Mutex
	lines []string
	limit Limits
}

// start serves app, which is called on one goroutine a request; change is done to the server
// before anyone can reach it.
func start(t *testing.T, limits Limits, app func(in *Incoming), change ...func(*Server)) *fixture {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, "first")
	cert, err := LoadCertificate(certFile, keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	if limits.MaxBody == 0 {
		limits.MaxBody = 100 << 20
	}
	limits.Reasons = true
	f := &fixture{t: t, certFile: certFile, cancelled: make(chan *Incoming, 64), limit: limits}
	var apps sync.WaitGroup
	f.Server = &Server{
		Submit: func(in *Incoming) { apps.Go(func() { app(in) }) },
		Cancel: func(in *Incoming) { f.cancelled <- in },
		Limits: func() Limits {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.limit
		},
		Log: func(line string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.lines = append(f.lines, line)
		},
		Version: "1.0.0",
	}
	loop, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	f.Loop = loop
	f.HTTP1 = func(c *Sealed) {
		h := &hello{c: c, loop: loop}
		loop.Own(c.Descriptor(), h)
		h.OnEvents(0) // its request may have come with the end of the handshake
	}
	for _, do := range change {
		do(f.Server)
	}
	var others sync.WaitGroup
	others.Go(func() {
		if err := loop.Run(); err != nil {
			t.Error(err)
		}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	config := f.Config(cert)
	others.Go(func() { f.accept(ln.(*net.TCPListener), config) })
	t.Cleanup(func() {
		ln.Close()
		f.Close()
		apps.Wait()
		f.until("all connections are forgotten", func() bool { return f.Connections() == 0 })
		loop.Call(loop.Stop)
		others.Wait()
	})
	return f
}

// accept hands over whoever connects, as a listener of the master's does.
func (f *fixture) accept(ln *net.TCPListener, config *tls.Config) {
	for {
		c, err := ln.AcceptTCP()
		if err != nil {
			return
		}
		raw, err := c.SyscallConn()
		if err != nil {
			f.t.Error(err)
			return
		}
		fd := -1
		_ = raw.Control(func(n uintptr) { fd, err = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 0) })
		if err != nil {
			f.t.Error(err)
			return
		}
		peer := wsgi.Peer{HTTPS: true}
		peer.RemoteAddr, peer.RemotePort = hostPort(c.RemoteAddr())
		peer.ServerName, peer.ServerPort = hostPort(c.LocalAddr())
		_ = c.Close()
		f.Loop.Call(func() {
			if !f.Greet(&Arrival{FD: fd, Peer: peer}, config) {
				_ = unix.Close(fd)
			}
		})
	}
}

// hello answers the first request of a connection with HTTP/1, as far as these tests need it.
type hello struct {
	c    *Sealed
	loop *evloop.Loop
	done bool
}

// OnEvents implements evloop.Pollable.
func (h *hello) OnEvents(events uint32) {
	h.c.Ready(events&unix.EPOLLRDHUP != 0)
	for {
		var b [4096]byte
		n, errno := h.c.Read(b[:])
		switch {
		case errno == unix.EAGAIN:
			return
		case errno != 0 || n == 0:
			h.loop.Remove(h.c.Descriptor())
			_ = unix.Close(h.c.Descriptor())
			return
		case !h.done:
			h.done = true
			_, _ = h.c.Write([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"), []byte("hello"))
			h.c.Farewell()
			_ = unix.Shutdown(h.c.Descriptor(), unix.SHUT_WR)
		}
	}
}

func (f *fixture) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.lines, "\n")
}

// client speaks HTTP/2.
func (f *fixture) client() *http.Client { return f.speaks("HTTP/2.0") }

// speaks is a client of one protocol: "HTTP/1.1" or "HTTP/2.0".
func (f *fixture) speaks(proto string) *http.Client {
	var p http.Protocols
	p.SetHTTP1(proto == "HTTP/1.1")
	p.SetHTTP2(proto == "HTTP/2.0")
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: &p}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// dial opens a TLS connection for raw HTTP/2.
func (f *fixture) dial() *tls.Conn {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		f.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	f.t.Cleanup(func() { c.Close() })
	return c
}

// environ returns an entry of an encoded request.
func environ(in *Incoming, key string) string {
	env := in.Msg[wsgi.HeaderSize+4:][:wsgi.EnvironLen(in.Msg)]
	i := bytes.Index(env, append([]byte{byte(len(key))}, key...))
	if i < 0 {
		return "-"
	}
	v := env[i+1+len(key):]
	switch v[0] {
	case 'z':
		return string(v[2 : 2+int(v[1])])
	case 'a', 'u':
		return string(v[5 : 5+int(binary.LittleEndian.Uint32(v[1:]))])
	}
	return "?"
}

// bodyOf reads the body as a worker would.
func bodyOf(in *Incoming) []byte {
	if in.File == nil {
		return in.Msg[wsgi.HeaderSize+4+wsgi.EnvironLen(in.Msg):]
	}
	defer in.File.Close()
	b, err := io.ReadAll(io.NewSectionReader(in.File, 0, 1<<40))
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

func head(status int, line, fields string, length int64) *wsgi.ResponseHead {
	return &wsgi.ResponseHead{Status: status, Line: []byte(line), Fields: []byte(fields), ContentLength: length}
}

func ok(in *Incoming, body string) {
	in.Sink.Head(head(200, "200 OK", "Content-Type: text/plain\r\n", -1), []byte(body), true)
}

func read(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// request makes one with a target as it is to be sent.
func (f *fixture) request(ctx context.Context, method, target string, body io.Reader) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "https://"+f.addr+target, body)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}
