package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestParseHead(t *testing.T) {
	raw := "\r\nPOST /a%20b?x=1 HTTP/1.1\r\nHost: example.com:81\r\nX-A: \t v \r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\nhello"
	var p Parser
	var r wsgi.Request
	n, err := p.ParseHead([]byte(raw), &r)
	if err != nil || raw[n:] != "hello" {
		t.Fatal(n, err)
	}
	if string(r.Method) != "POST" || string(r.Path) != "/a%20b" || string(r.Query) != "x=1" || r.Proto != "HTTP/1.1" ||
		string(r.Host) != "example.com:81" || r.ContentLength != 5 || r.Chunked || !r.KeepAlive || !r.Expect100 || len(r.Headers) != 4 {
		t.Fatalf("%+v", r)
	}
	if h := r.Headers[1]; string(h.Name) != "X-A" || string(h.Value) != "v" {
		t.Fatalf("%q", h)
	}
	if p.Started() {
		t.Error("a finished request counts as started")
	}
}

func TestParseHeadTargets(t *testing.T) {
	for _, c := range []struct{ target, host, path, query string }{
		{"/", "h", "/", ""},
		{"/a?", "h", "/a", ""},
		{"/a?b?c", "h", "/a", "b?c"},
		{"/a#f", "h", "/a", ""},
		{"/a?b#f?x", "h", "/a", "b"},
		{"//a//b", "h", "//a//b", ""},
		{"/../x/%2e%2e/y", "h", "/../x/%2e%2e/y", ""},
		{"http://o.test", "o.test", "/", ""},
		{"http://o.test/", "o.test", "/", ""},
		{"HTTPS://o.test:8443?q", "o.test:8443", "/", "q"},
		{"http://u:p@[::1]:80/x", "[::1]:80", "/x", ""},
	} {
		var p Parser
		var r wsgi.Request
		_, err := p.ParseHead([]byte("GET "+c.target+" HTTP/1.1\r\nHost: h\r\n\r\n"), &r)
		if err != nil || string(r.Host) != c.host || string(r.Path) != c.path || string(r.Query) != c.query {
			t.Errorf("%s: %v host %q path %q query %q", c.target, err, r.Host, r.Path, r.Query)
		}
		if (r.Query != nil) != strings.Contains(strings.SplitN(c.target, "#", 2)[0], "?") {
			t.Errorf("%s: query is nil: %t", c.target, r.Query == nil)
		}
	}
}

func TestParseHeadKeepAlive(t *testing.T) {
	for head, want := range map[string]bool{
		"HTTP/1.1\r\nHost: h\r\n":                                                true,
		"HTTP/1.1\r\nHost: h\r\nConnection: close\r\n":                           false,
		"HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n":                        false,
		"HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n": false,
		"HTTP/1.0\r\n":                                  false,
		"HTTP/1.0\r\nConnection: Keep-Alive\r\n":        true,
		"HTTP/1.0\r\nConnection: keep-alive, close\r\n": false,
	} {
		var p Parser
		var r wsgi.Request
		if _, err := p.ParseHead([]byte("GET / "+head+"\r\n"), &r); err != nil || r.KeepAlive != want {
			t.Errorf("%q: %v %t", head, err, r.KeepAlive)
		}
	}
}

func TestParseHeadRefuses(t *testing.T) {
	long := strings.Repeat("a", 17<<10)
	for _, c := range []struct {
		raw    string
		status int
		reason string
	}{
		{"GET / HTTP/1.1\n", 400, "a line ends without CR"},
		{"\x16\x03\x01", 400, "request does not start with a method"},
		{"GET / HTTP/2.0\r\n", 505, "version is not HTTP/1.x"},
		{"GET /" + long, 414, "request line is too long"},
		{"GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat(long, 4), 431, "headers are too long"},
		{"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 129), 431, "too many headers"},
		{"CONNECT h:1 HTTP/1.1\r\n", 501, "CONNECT is for proxies"},
		{"GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", 417, "Expect other than 100-continue"},
	} {
		var p Parser
		var r wsgi.Request
		n, err := p.ParseHead([]byte(c.raw), &r)
		var e *Error
		if !errors.As(err, &e) || n != 0 || e.Status != c.status || e.Reason != c.reason {
			t.Errorf("%.60q: %d, %v; want %d %s", c.raw, n, err, c.status, c.reason)
		}
	}
}

func TestDecode(t *testing.T) {
	var c ChunkedReader
	src := []byte("5;x=\"y\"\r\nhello\r\n00006\r\n world\r\n0\r\nA: b\r\n\r\nGET")
	var got []byte
	for {
		data, n, done, err := c.Decode(src)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, data...)
		src = src[n:]
		if done {
			break
		}
		if n == 0 {
			t.Fatal("no progress")
		}
	}
	if string(got) != "hello world" || string(src) != "GET" {
		t.Fatalf("%q, rest %q", got, src)
	}
}
