package bridge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestRequestAndResponse(t *testing.T) {
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
		req := f.request(t.Context(), http.MethodPost, "/a%20b%2Fc?x=%20", strings.NewReader("hello"))
		req.Header.Set("Content-Type", "text/x")
		req.Header["X-Twice"] = []string{"1", "2"}
		req.Header.Set("Cookie", "a=1; b=2")
		req.Header.Set("Proxy", "evil")
		resp, err := f.client().Do(req)
		got := read(t, resp, err)
		want := "REQUEST_METHOD=POST\nPATH_INFO=/a b/c\nQUERY_STRING=x=%20\nREQUEST_URI=/a%20b%2Fc?x=%20\nSERVER_PROTOCOL=HTTP/2.0\nwsgi.url_scheme=https\nHTTPS=on\nREMOTE_ADDR=127.0.0.1\nCONTENT_LENGTH=5\nCONTENT_TYPE=text/x\nHTTP_X_TWICE=1, 2\nHTTP_COOKIE=a=1; b=2\nHTTP_PROXY=-\nSERVER_SOFTWARE=wsgid/1.0.0\n" +
			"POST /a%20b%2Fc 127.0.0.1 hello"
		if got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		h := resp.Header
		if resp.Proto != "HTTP/2.0" || resp.StatusCode != http.StatusCreated || h.Get("X-Wsgid") != "1.0.0" || h.Get("X-Own") != "y" || len(h["Set-Cookie"]) != 2 || h.Get("Date") == "" || h["Content-Type"] != nil {
			t.Errorf("%s %d %v", resp.Proto, resp.StatusCode, h)
		}
	}
}

func TestBodies(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) {
		file := in.File != nil
		if file != (in.Msg[1]&wsgi.FlagBodyFile != 0) {
			t.Error("the flag of the message is wrong")
		}
		length := environ(in, "CONTENT_LENGTH")
		b := bodyOf(in)
		ok(in, fmt.Sprintf("%s %d %t %t", length, len(b), file, len(bytes.Trim(b, "x")) == 0))
	})
	c := f.client()
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 3 << 20} {
		for _, known := range []bool{true, false} {
			var body io.Reader = strings.NewReader(strings.Repeat("x", size))
			if !known {
				body = io.MultiReader(body) // hides its length
			}
			req := f.request(t.Context(), http.MethodPost, "/", body)
			resp, err := c.Do(req)
			want := fmt.Sprintf("%d %d %t true", size, size, size > 64<<10)
			if got := read(t, resp, err); got != want {
				t.Errorf("size %d, known %t: %s, want %s", size, known, got, want)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	f := start(t, Limits{MaxBody: 1000}, func(in *Incoming) { ok(in, "reached") })
	for _, known := range []bool{true, false} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", 1001))
		if !known {
			body = io.MultiReader(body)
		}
		req := f.request(t.Context(), http.MethodPost, "/", body)
		resp, err := f.client().Do(req)
		if got := read(t, resp, err); resp.StatusCode != http.StatusRequestEntityTooLarge || got != "413 Content Too Large: the body is larger than 1000 bytes\n" {
			t.Errorf("known %t: %d %q", known, resp.StatusCode, got)
		}
	}
	const want = ": 413: the body is larger than 1000 bytes"
	f.until(want, func() bool { return strings.Contains(f.log(), want) })
}

func TestRefusedRequests(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") })
	c := f.client()
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Host = "a b" },
		func(r *http.Request) { r.Method = "CONNECT" },
	} {
		req := f.request(t.Context(), http.MethodGet, "/", nil)
		change(req)
		resp, err := c.Do(req)
		if err != nil {
			continue // the client itself refuses it
		}
		if got := read(t, resp, err); got == "reached" {
			t.Errorf("%v reached the application", req)
		}
	}
	req := f.request(t.Context(), http.MethodGet, "/", nil)
	for i := range 200 {
		req.Header.Add("X-Many", fmt.Sprint(i))
	}
	resp, err := c.Do(req)
	if got := read(t, resp, err); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
}

// A body that cannot be kept is answered, told in the log and counted.
func TestFullDisk(t *testing.T) {
	statuses := make(chan int, 1)
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") }, func(s *Server) {
		s.Refused = func(_ wsgi.Peer, status int) { statuses <- status }
		s.TempFile = func() (*os.File, error) {
			return nil, &fs.PathError{Op: "open", Path: "spool", Err: syscall.ENOSPC}
		}
	})
	req := f.request(t.Context(), http.MethodPost, "/", bytes.NewReader(make([]byte, 1<<20)))
	resp, err := f.client().Do(req)
	got := read(t, resp, err)
	if resp.StatusCode != http.StatusInsufficientStorage || !strings.Contains(got, "the server cannot store the request") {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
	if status := <-statuses; status != http.StatusInsufficientStorage {
		t.Errorf("counted as %d", status)
	}
	told := func() int {
		return strings.Count(f.log(), "507: cannot store the body: open spool: no space left on device")
	}
	f.until("it is told", func() bool { return told() >= 1 })
	if told() != 1 {
		t.Errorf("the log says %q", f.log())
	}
}

func TestTimeouts(t *testing.T) {
	const short = time.Second
	f := start(t, Limits{HeaderTimeout: short, BodyTimeout: short, KeepAliveTimeout: short}, func(in *Incoming) { ok(in, "reached") })
	c := f.dial() // who does not speak at all is let go
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 {
		t.Errorf("%v, %q", err, got)
	}
	// A body that stops.
	f.setLimits(func(l *Limits) { l.HeaderTimeout, l.KeepAliveTimeout = time.Minute, time.Minute }) // the rest takes as long as it takes
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("hell")) }()
	req := f.request(t.Context(), http.MethodPost, "/", r)
	resp, err := f.client().Do(req)
	if got := read(t, resp, err); resp.StatusCode != http.StatusRequestTimeout || got != "408 Request Timeout: no byte of the body arrived within 1s\n" {
		t.Errorf("%d %q", resp.StatusCode, got)
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

// The address of a client is without its zone, as over HTTP/1: networks in trusted_proxies
// have none.
func TestAddressOfAnHTTP2Client(t *testing.T) {
	for from, want := range map[string]string{"[fe80::1%eth0]:5000": "fe80::1", "[::1]:5000": "::1", "192.0.2.1:5000": "192.0.2.1"} {
		if p := (&Server{}).peer2(&http.Request{RemoteAddr: from}); p.RemoteAddr != want || p.RemotePort != "5000" {
			t.Errorf("%s: %q %q, want %q", from, p.RemoteAddr, p.RemotePort, want)
		}
	}
}
