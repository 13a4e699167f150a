package bridge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writePair writes a self-signed certificate whose name is cn.
func writePair(t *testing.T, dir, cn string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		// As certbot does it: a new file takes the place of the old.
		if err := os.WriteFile(name+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
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

// start serves app, which is called on one goroutine a request.
func start(t *testing.T, limits Limits, app func(in *Incoming)) *fixture {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, "first")
	cert, err := LoadCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if limits.MaxBody == 0 {
		limits.MaxBody = 100 << 20
	}
	f := &fixture{t: t, certFile: certFile, cancelled: make(chan *Incoming, 64), limit: limits}
	var apps sync.WaitGroup
	f.Server = &Server{
		Submit: func(in *Incoming) { apps.Go(func() { app(in) }) },
		Cancel: func(in *Incoming) { f.cancelled <- in },
		Limits: func() Limits { return f.limit },
		Log: func(line string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.lines = append(f.lines, line)
		},
		Version: "1.0.0",
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.Serve(ln, cert) }()
	t.Cleanup(func() {
		f.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		apps.Wait()
		f.until("all connections are forgotten", func() bool {
			f.Server.mu.Lock()
			defer f.Server.mu.Unlock()
			return len(f.raw)+len(f.conns) == 0
		})
	})
	return f
}

func (f *fixture) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.lines, "\n")
}

// client speaks one protocol: "HTTP/1.1" or "HTTP/2.0".
func (f *fixture) client(proto string) *http.Client {
	var p http.Protocols
	p.SetHTTP1(proto == "HTTP/1.1")
	p.SetHTTP2(proto == "HTTP/2.0")
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: &p}
	f.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// dial opens a TLS connection for raw HTTP/1.
func (f *fixture) dial() *tls.Conn {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		f.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	f.t.Cleanup(func() { c.Close() })
	return c
}

// each runs a test with both protocols.
func each(t *testing.T, test func(t *testing.T, proto string)) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) { test(t, proto) })
	}
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

func TestRequestAndResponse(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		f := start(t, Limits{}, func(in *Incoming) {
			var b strings.Builder
			for _, k := range []string{"REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SERVER_PROTOCOL", "wsgi.url_scheme", "HTTPS", "REMOTE_ADDR", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_X_TWICE", "HTTP_COOKIE", "HTTP_PROXY", "SERVER_SOFTWARE"} {
				fmt.Fprintf(&b, "%s=%s\n", k, environ(in, k))
			}
			fmt.Fprintf(&b, "%s %s %s %s", in.Method, in.Target, in.Remote, bodyOf(in))
			in.Sink.Head(head(201, "201 Created", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Own: y\r\n", -1), []byte(b.String()), true)
			if !in.Ended() {
				t.Error("the response has not ended")
			}
		})
		for range 2 { // the second on the same connection
			req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+f.addr+"/a%20b%2Fc?x=%20", strings.NewReader("hello"))
			req.Header.Set("Content-Type", "text/x")
			req.Header["X-Twice"] = []string{"1", "2"}
			req.Header.Set("Cookie", "a=1; b=2")
			req.Header.Set("Proxy", "evil")
			resp, err := f.client(proto).Do(req)
			got := read(t, resp, err)
			want := "REQUEST_METHOD=POST\nPATH_INFO=/a b/c\nQUERY_STRING=x=%20\nREQUEST_URI=/a%20b%2Fc?x=%20\nSERVER_PROTOCOL=" + proto +
				"\nwsgi.url_scheme=https\nHTTPS=on\nREMOTE_ADDR=127.0.0.1\nCONTENT_LENGTH=5\nCONTENT_TYPE=text/x\nHTTP_X_TWICE=1, 2\nHTTP_COOKIE=a=1; b=2\nHTTP_PROXY=-\nSERVER_SOFTWARE=wsgid/1.0.0\n" +
				"POST /a%20b%2Fc 127.0.0.1 hello"
			if got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			h := resp.Header
			if resp.Proto != proto || resp.StatusCode != 201 || h.Get("X-Wsgid") != "1.0.0" || h.Get("X-Own") != "y" || len(h["Set-Cookie"]) != 2 || h.Get("Date") == "" || h["Content-Type"] != nil {
				t.Errorf("%s %d %v", resp.Proto, resp.StatusCode, h)
			}
		}
	})
}

func TestBodies(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		f := start(t, Limits{}, func(in *Incoming) {
			file := in.File != nil
			if file != (in.Msg[1]&wsgi.FlagBodyFile != 0) {
				t.Error("the flag of the message is wrong")
			}
			length := environ(in, "CONTENT_LENGTH")
			b := bodyOf(in)
			ok(in, fmt.Sprintf("%s %d %t %t", length, len(b), file, len(bytes.Trim(b, "x")) == 0))
		})
		c := f.client(proto)
		for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 3 << 20} {
			for _, known := range []bool{true, false} {
				var body io.Reader = strings.NewReader(strings.Repeat("x", size))
				if !known {
					body = io.MultiReader(body) // hides its length
				}
				req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+f.addr+"/", body)
				resp, err := c.Do(req)
				want := fmt.Sprintf("%d %d %t true", size, size, size > 64<<10)
				if got := read(t, resp, err); got != want {
					t.Errorf("size %d, known %t: %s, want %s", size, known, got, want)
				}
			}
		}
	})
}

func TestTooLarge(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		f := start(t, Limits{MaxBody: 1000}, func(in *Incoming) { ok(in, "reached") })
		for _, known := range []bool{true, false} {
			var body io.Reader = strings.NewReader(strings.Repeat("x", 1001))
			if !known {
				body = io.MultiReader(body)
			}
			req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+f.addr+"/", body)
			resp, err := f.client(proto).Do(req)
			if got := read(t, resp, err); resp.StatusCode != 413 || got != "413 Content Too Large: the body is larger than 1000 bytes\n" {
				t.Errorf("known %t: %d %q", known, resp.StatusCode, got)
			}
		}
		if want := "127.0.0.1: 413: the body is larger than 1000 bytes"; !strings.Contains(f.log(), want) {
			t.Errorf("the log says %q", f.log())
		}
	})
}

func TestRefusedRequests(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") })
	for raw, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n": "400 Bad Request: no Host",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "400 Bad Request: Content-Length beside Transfer-Encoding",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n":                         "400 Bad Request: bad chunk size",
		"GET / HTTP/1.1\nHost: h\n\n":                          "400 Bad Request: a line ends without CR",
		"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 200): "431 Request Header Fields Too Large: too many headers",
	} {
		c := f.dial()
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !strings.HasSuffix(string(got), "\r\n\r\n"+want+"\n") || !strings.Contains(string(got), "\r\nConnection: close\r\n") {
			t.Errorf("%.50q: %v, %q", raw, err, got)
		}
	}
	c := f.client("HTTP/2.0")
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "a b" },
		func(r *http.Request) { r.Method = "CONNECT" },
	} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+f.addr+"/", nil)
		change(req)
		resp, err := c.Do(req)
		if err != nil {
			continue // the client itself refuses it
		}
		if got := read(t, resp, err); got == "reached" {
			t.Errorf("%v reached the application", req)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+f.addr+"/", nil)
	for i := range 200 {
		req.Header.Add("X-Many", fmt.Sprint(i))
	}
	resp, err := c.Do(req)
	if got := read(t, resp, err); resp.StatusCode != 431 {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
}

func TestTimeouts(t *testing.T) {
	const short = 100 * time.Millisecond
	f := start(t, Limits{HeaderTimeout: short, BodyTimeout: short, KeepAliveTimeout: short}, func(in *Incoming) { ok(in, "reached") })
	for raw, want := range map[string]string{
		"":                                  "",
		"GET / HT":                          "408 Request Timeout: the request's head did not arrive within 100ms\n",
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n": "reached", // then closed, idle
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell": "408 Request Timeout: no byte of the body arrived within 100ms\n",
	} {
		c := f.dial()
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		_, body, _ := strings.Cut(string(got), "\r\n\r\n")
		if err != nil || body != want {
			t.Errorf("%q: %v, %q", raw, err, got)
		}
	}
	// HTTP/2: a body that stops.
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("hell")) }()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+f.addr+"/", r)
	resp, err := f.client("HTTP/2.0").Do(req)
	if got := read(t, resp, err); resp.StatusCode != 408 || got != "408 Request Timeout: no byte of the body arrived within 100ms\n" {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
}

func TestStreaming(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		next := make(chan struct{})
		f := start(t, Limits{}, func(in *Incoming) {
			in.Sink.Head(head(200, "200 OK", "", -1), nil, false)
			for range 3 {
				<-next
				in.Sink.Data([]byte("piece"), false)
			}
			in.Sink.Data(nil, true)
		})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+f.addr+"/", nil)
		resp, err := f.client(proto).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		// Each piece comes before the next is made.
		buf := make([]byte, 5)
		for range 3 {
			next <- struct{}{}
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "piece" {
				t.Fatalf("%v %q", err, buf)
			}
		}
		if n, err := resp.Body.Read(buf); n != 0 || err != io.EOF {
			t.Error(n, err)
		}
	})
}

// A client that does not read holds nobody up, and gets everything later.
func TestSlowClient(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		const pieces, size = 300, 64 << 10
		done := make(chan struct{})
		f := start(t, Limits{}, func(in *Incoming) {
			in.Sink.Head(head(200, "200 OK", "", -1), nil, false)
			for i := range pieces {
				in.Sink.Data(bytes.Repeat([]byte{byte(i)}, size), i == pieces-1)
			}
			close(done)
		})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+f.addr+"/", nil)
		resp, err := f.client(proto).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		<-done // nothing of the body has been read yet
		for i := range pieces {
			b := make([]byte, size)
			if _, err := io.ReadFull(resp.Body, b); err != nil {
				t.Fatal(i, err)
			}
			if b[0] != byte(i) || b[size-1] != byte(i) {
				t.Fatalf("piece %d holds %d", i, b[0])
			}
		}
		if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Error(n, err)
		}
	})
}

func TestFile(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, bytes.Repeat([]byte("0123456789"), 50000), 0o600); err != nil {
			t.Fatal(err)
		}
		f := start(t, Limits{}, func(in *Incoming) {
			file, err := os.Open(name)
			if err != nil {
				t.Error(err)
			}
			switch in.Target {
			case "/clipped":
				in.Sink.Head(head(200, "200 OK", "", 3), nil, false)
			default:
				in.Sink.Head(head(200, "200 OK", "", -1), []byte("before"), false)
			}
			in.Sink.File(file, 5, 400000, false)
			in.Sink.Data([]byte("after"), true)
			if in.Target == "/twice" {
				return
			}
		})
		c := f.client(proto)
		resp, err := c.Get("https://" + f.addr + "/")
		want := "before" + strings.Repeat("5678901234", 40000) + "after"
		if got := read(t, resp, err); got != want {
			t.Errorf("%d bytes, want %d", len(got), len(want))
		}
		resp, err = c.Get("https://" + f.addr + "/clipped")
		if got := read(t, resp, err); got != "567" {
			t.Errorf("%q where Content-Length is 3", got)
		}
	})
}

func TestClientGone(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		for _, streaming := range []bool{false, true} {
			began := make(chan *Incoming, 1)
			f := start(t, Limits{}, func(in *Incoming) {
				if streaming {
					in.Sink.Head(head(200, "200 OK", "", -1), []byte("x"), false)
				}
				began <- in
			})
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+f.addr+"/", nil)
			errs := make(chan error, 1)
			go func() {
				resp, err := f.client(proto).Do(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				errs <- err
			}()
			in := <-began
			cancel()
			if err := <-errs; err == nil {
				t.Error("the client was not cut off")
			}
			select {
			case got := <-f.cancelled:
				if got != in || in.Ended() {
					t.Error("another request was cancelled")
				}
			case <-time.After(10 * time.Second):
				t.Fatal("nobody was told that the client is gone")
			}
			// What the worker sends now goes nowhere.
			if !streaming {
				in.Sink.Head(head(200, "200 OK", "", -1), nil, false)
			}
			in.Sink.Data([]byte("late"), false)
			file, err := os.Open(f.certFile)
			if err != nil {
				t.Fatal(err)
			}
			in.Sink.File(file, 0, 10, true)
			if _, err := file.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Error("a file that nobody takes stays open")
			}
		}
	})
}

func TestBrokenResponses(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		f := start(t, Limits{}, func(in *Incoming) {
			switch in.Target {
			case "/fail":
				in.Sink.Fail(503, "no worker was free within 30s")
			case "/abort":
				in.Sink.Head(head(200, "200 OK", "", -1), []byte("part"), false)
				in.Sink.Fail(502, "the worker died")
			case "/short":
				in.Sink.Head(head(200, "200 OK", "", 10), []byte("part"), true)
			case "/long":
				in.Sink.Head(head(200, "200 OK", "", 3), []byte("partial"), true)
			}
		})
		c := f.client(proto)
		resp, err := c.Get("https://" + f.addr + "/fail")
		if got := read(t, resp, err); resp.StatusCode != 503 || got != "503 Service Unavailable: no worker was free within 30s\n" || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("X-Wsgid") != "1.0.0" {
			t.Errorf("%d %q %v", resp.StatusCode, got, resp.Header)
		}
		resp, err = c.Get("https://" + f.addr + "/long")
		if got := read(t, resp, err); got != "par" {
			t.Errorf("%q where Content-Length is 3", got)
		}
		for _, path := range []string{"/abort", "/short"} {
			resp, err := c.Get("https://" + f.addr + path)
			status := 0
			if err == nil {
				status = resp.StatusCode
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if err == nil && (path != "/abort" || status != 502) {
				t.Errorf("%s: the client takes a part for the whole", path)
			}
		}
		if want := "a response was 6 bytes shorter than its Content-Length; it is cut"; !strings.Contains(f.log(), want) {
			t.Errorf("the log says %q", f.log())
		}
	})
}

// A response that fails when a part of it has been sent is seen to be not
// complete, even where it ends with the connection.
func TestAbortedStream(t *testing.T) {
	received := make(chan struct{})
	f := start(t, Limits{}, func(in *Incoming) {
		in.Sink.Head(head(200, "200 OK", "", -1), []byte("part"), false)
		<-received
		in.Sink.Fail(502, "the worker died")
	})
	each(t, func(t *testing.T, proto string) {
		resp, err := f.client(proto).Get("https://" + f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.ReadFull(resp.Body, make([]byte, 4))
		received <- struct{}{}
		if rest, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("the response ended with %q", rest)
		}
	})
	c := f.dial()
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	r := bufio.NewReader(c)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.ReadFull(r, make([]byte, 4))
	received <- struct{}{}
	if rest, err := io.ReadAll(r); err == nil {
		t.Errorf("HTTP/1.0: the response ended with %q", rest)
	}
}

func TestNoBody(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		f := start(t, Limits{}, func(in *Incoming) {
			switch in.Target {
			case "/204":
				in.Sink.Head(head(204, "204 No Content", "", -1), []byte("never"), true)
			case "/304":
				in.Sink.Head(head(304, "304 Not Modified", "Etag: x\r\n", 9), []byte("never"), true)
			default:
				in.Sink.Head(head(200, "200 OK", "", 9), []byte("some body"), true)
			}
		})
		c := f.client(proto)
		for _, target := range []string{"/204", "/304", "/head"} {
			method := "GET"
			if target == "/head" {
				method = "HEAD"
			}
			for range 2 {
				req, _ := http.NewRequestWithContext(t.Context(), method, "https://"+f.addr+target, nil)
				resp, err := c.Do(req)
				if got := read(t, resp, err); got != "" {
					t.Errorf("%s: %q", target, got)
				}
				if length := resp.Header.Get("Content-Length"); target == "/head" && length != "9" || target == "/204" && length != "" {
					t.Errorf("%s: Content-Length %q", target, length)
				}
			}
		}
	})
}

func TestPipeline(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, in.Target+string(bodyOf(in))) })
	c := f.dial()
	raw := "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n" +
		"POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n" +
		"GET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /5 HTTP/1.1\r\n"
	// In pieces that cut through everything.
	for i := 0; i < len(raw); i += 7 {
		if _, err := io.WriteString(c, raw[i:min(i+7, len(raw))]); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReader(c)
	for _, want := range []string{"/1", "/2abc", "/3def", "/4"} {
		resp, err := http.ReadResponse(r, nil)
		if got := read(t, resp, err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

func TestExpectContinue(t *testing.T) {
	f := start(t, Limits{MaxBody: 100}, func(in *Incoming) { ok(in, string(bodyOf(in))) })
	c := f.dial()
	r := bufio.NewReader(c)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if line, err := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	_, _ = r.ReadString('\n')
	_, _ = io.WriteString(c, "hello")
	resp, err := http.ReadResponse(r, nil)
	if got := read(t, resp, err); got != "hello" {
		t.Error(got)
	}
	// One that is too large is refused before it is sent.
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n")
	resp, err = http.ReadResponse(r, nil)
	if read(t, resp, err); resp.StatusCode != 413 {
		t.Error(resp.StatusCode)
	}
}

func TestOldHTTP(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) {
		in.Sink.Head(head(200, "200 OK", "", -1), []byte("a"), false)
		in.Sink.Data([]byte("b"), true)
	})
	c := f.dial()
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(got), "Connection: close\r\n\r\nab") {
		t.Errorf("%v %q", err, got)
	}
}

func TestPlainRequestToTLS(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") })
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if got := read(t, resp, err); got != "400 Bad Request: this port speaks HTTPS, the request came without TLS\n" {
		t.Error(got)
	}
}

func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		release, began := make(chan struct{}), make(chan struct{})
		f := start(t, Limits{}, func(in *Incoming) {
			if in.Target == "/slow" {
				close(began)
				<-release
			}
			ok(in, "done")
		})
		idle := f.client(proto)
		resp, err := idle.Get("https://" + f.addr + "/")
		read(t, resp, err)
		got := make(chan string, 1)
		go func() {
			resp, err := f.client(proto).Get("https://" + f.addr + "/slow")
			if err != nil {
				got <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			got <- string(b)
		}()
		<-began
		stopped := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			stopped <- f.Shutdown(ctx)
		}()
		// It waits for the request that is under way.
		select {
		case err := <-stopped:
			t.Fatal("Shutdown returned with a request under way:", err)
		case <-time.After(50 * time.Millisecond):
		}
		close(release)
		if body := <-got; body != "done" {
			t.Error(body)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// A request that a client sent before it could know of the shutdown is
// answered.
func TestShutdownAnswersIdleConnections(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "done") })
	c := f.dial()
	r := bufio.NewReader(c)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	read(t, resp, err)
	f.drain()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err = http.ReadResponse(r, nil)
	if got := read(t, resp, err); got != "done" || !resp.Close {
		t.Errorf("%q, close %t", got, resp.Close)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		began, release := make(chan struct{}), make(chan struct{})
		f := start(t, Limits{}, func(in *Incoming) { close(began); <-release })
		defer close(release)
		go func() {
			resp, err := f.client(proto).Get("https://" + f.addr + "/")
			if err == nil {
				resp.Body.Close()
			}
		}()
		<-began
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := f.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		<-f.cancelled
	})
}
