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
			req := f.request(t.Context(), http.MethodPost, "/a%20b%2Fc?x=%20", strings.NewReader("hello"))
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
			if resp.Proto != proto || resp.StatusCode != http.StatusCreated || h.Get("X-Wsgid") != "1.0.0" || h.Get("X-Own") != "y" || len(h["Set-Cookie"]) != 2 || h.Get("Date") == "" || h["Content-Type"] != nil {
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
				req := f.request(t.Context(), http.MethodPost, "/", body)
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
			req := f.request(t.Context(), http.MethodPost, "/", body)
			resp, err := f.client(proto).Do(req)
			if got := read(t, resp, err); resp.StatusCode != http.StatusRequestEntityTooLarge || got != "413 Content Too Large: the body is larger than 1000 bytes\n" {
				t.Errorf("known %t: %d %q", known, resp.StatusCode, got)
			}
		}
		const want = ": 413: the body is larger than 1000 bytes"
		f.until(want, func() bool { return strings.Contains(f.log(), want) })
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

// A body that cannot be kept is answered, told in the log and counted, over
// either protocol.
func TestFullDisk(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") })
	statuses := make(chan int, 2)
	f.Refused = func(_ wsgi.Peer, status int) { statuses <- status }
	f.TempFile = func() (*os.File, error) { return nil, &fs.PathError{Op: "open", Path: "spool", Err: syscall.ENOSPC} }
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		req := f.request(t.Context(), http.MethodPost, "/", bytes.NewReader(make([]byte, 1<<20)))
		resp, err := f.client(proto).Do(req)
		got := read(t, resp, err)
		if resp.StatusCode != http.StatusInsufficientStorage || !strings.Contains(got, "the server cannot store the request") {
			t.Errorf("%s: %d %q", proto, resp.StatusCode, got)
		}
		if status := <-statuses; status != http.StatusInsufficientStorage {
			t.Errorf("%s: counted as %d", proto, status)
		}
	}
	told := func() int {
		return strings.Count(f.log(), "507: cannot store the body: open spool: no space left on device")
	}
	f.until("both are told", func() bool { return told() >= 2 })
	if told() != 2 {
		t.Errorf("the log says %q", f.log())
	}
}

func TestTimeouts(t *testing.T) {
	const short = time.Second
	f := start(t, Limits{HeaderTimeout: short, BodyTimeout: short, KeepAliveTimeout: short}, func(in *Incoming) { ok(in, "reached") })
	for raw, want := range map[string]string{
		"":                                  "",
		"GET / HT":                          "408 Request Timeout: the request's head did not arrive within 1s\n",
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n": "reached", // then closed, idle
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell": "408 Request Timeout: no byte of the body arrived within 1s\n",
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
	req := f.request(t.Context(), http.MethodPost, "/", r)
	resp, err := f.client("HTTP/2.0").Do(req)
	if got := read(t, resp, err); resp.StatusCode != http.StatusRequestTimeout || got != "408 Request Timeout: no byte of the body arrived within 1s\n" {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
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
	if read(t, resp, err); resp.StatusCode != http.StatusRequestEntityTooLarge {
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
