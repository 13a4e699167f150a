package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestAppendHead(t *testing.T) {
	const fields = "Content-Type: text/plain\r\n"
	for _, c := range []struct {
		name    string
		status  int
		line    string
		said    int64 // Content-Length of the application
		o       HeadOptions
		want    string // behind fields
		framing Framing
	}{
		{"said", 200, "200 OK", 5, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: -1}, "Content-Length: 5\r\n", FramingLength},
		{"known", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: 7}, "Content-Length: 7\r\n", FramingLength},
		{"said wins over known", 200, "200 OK", 5, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: 7}, "Content-Length: 5\r\n", FramingLength},
		{"empty", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: 0}, "Content-Length: 0\r\n", FramingLength},
		{"chunked", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: -1}, "Transfer-Encoding: chunked\r\n", FramingChunked},
		{"chunked, then close", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.1", BodyLength: -1}, "Transfer-Encoding: chunked\r\nConnection: close\r\n", FramingChunked},
		{"until close", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.0", KeepAlive: true, BodyLength: -1}, "Connection: close\r\n", FramingClose},
		{"1.0 kept", 200, "200 OK", 5, HeadOptions{Proto: "HTTP/1.0", KeepAlive: true, BodyLength: -1}, "Content-Length: 5\r\nConnection: keep-alive\r\n", FramingLength},
		{"1.0 closed", 200, "200 OK", 5, HeadOptions{Proto: "HTTP/1.0", BodyLength: -1}, "Content-Length: 5\r\nConnection: close\r\n", FramingLength},
		{"head", 200, "200 OK", 5, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, Head: true, BodyLength: 0}, "Content-Length: 5\r\n", FramingNone},
		{"head, length of the body", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, Head: true, BodyLength: 9}, "Content-Length: 9\r\n", FramingNone},
		{"head, no body made", 200, "200 OK", -1, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, Head: true, BodyLength: 0}, "", FramingNone},
		{"204", 204, "204 No Content", 5, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: 5}, "", FramingNone},
		{"304", 304, "304 Not Modified", 5, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: 0}, "Content-Length: 5\r\n", FramingNone},
		{"304, nothing said", 304, "304 Not Modified", -1, HeadOptions{Proto: "HTTP/1.0", KeepAlive: true, BodyLength: -1}, "Connection: keep-alive\r\n", FramingNone},
		{"lines of ours", 200, "200 OK", 0, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, Date: []byte("Date: d\r\n"), Server: []byte("Server: s\r\n"), Extra: []byte("X-Wsgid: 1\r\n")},
			"X-Wsgid: 1\r\nDate: d\r\nServer: s\r\nContent-Length: 0\r\n", FramingLength},
		{"no reason", 299, "299", 0, HeadOptions{Proto: "HTTP/1.1", KeepAlive: true}, "Content-Length: 0\r\n", FramingLength},
	} {
		h := wsgi.ResponseHead{Status: c.status, Line: []byte(c.line), Fields: []byte(fields), ContentLength: c.said}
		got, framing := AppendHead(nil, &h, &c.o)
		line := c.line
		if len(line) == 3 {
			line += " "
		}
		if want := "HTTP/1.1 " + line + "\r\n" + fields + c.want + "\r\n"; string(got) != want || framing != c.framing {
			t.Errorf("%s: framing %d\n%q\nwant %d\n%q", c.name, framing, got, c.framing, want)
		}
	}
	h := wsgi.ResponseHead{Status: 200, Line: []byte("200 OK"), HasDate: true, HasServer: true}
	got, _ := AppendHead(nil, &h, &HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, Date: []byte("Date: d\r\n"), Server: []byte("Server: s\r\n")})
	if want := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"; string(got) != want {
		t.Errorf("the application's own Date and Server: %q", got)
	}
}

func TestAppendChunk(t *testing.T) {
	b := AppendChunk(AppendChunk(AppendChunk(nil, []byte("hello")), nil), bytes.Repeat([]byte("x"), 26))
	b = append(b, LastChunk...)
	if want := "5\r\nhello\r\n1a\r\nxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n"; string(b) != want {
		t.Errorf("%q", b)
	}
	var c ChunkedReader
	data, n, _, err := c.Decode(b)
	if string(data) != "hello" || n != 8 || err != nil {
		t.Error(data, n, err)
	}
}

// The answers of ours are read by another implementation.
func TestAppendError(t *testing.T) {
	for _, c := range []struct {
		status int
		reason string
		o      HeadOptions
		body   string
		retry  string
	}{
		{503, "no worker was free within 30s", HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, Reasons: true}, "503 Service Unavailable: no worker was free within 30s\n", "1"},
		{400, "duplicate Host", HeadOptions{Proto: "HTTP/1.1", Extra: []byte("X-Wsgid: 1\r\n"), Reasons: true}, "400 Bad Request: duplicate Host\n", ""},
		{502, "worker 7 died", HeadOptions{Proto: "HTTP/1.1"}, "502 Bad Gateway\n", ""},
		{504, "", HeadOptions{Proto: "HTTP/1.0", KeepAlive: true}, "504 Gateway Timeout\n", ""},
		{502, "x", HeadOptions{Proto: "HTTP/1.1", Head: true}, "", ""},
		{599, "", HeadOptions{}, "599 Status 599\n", ""},
	} {
		method := "GET"
		if c.o.Head {
			method = "HEAD"
		}
		b := AppendError(nil, c.status, c.reason, &c.o)
		r := bufio.NewReader(bytes.NewReader(b))
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != c.body || r.Buffered() > 0 || resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.retry || resp.Close == c.o.KeepAlive {
			t.Errorf("%d %q: %v, %q, %+v", c.status, c.reason, err, body, resp)
		}
	}
}

func TestDateCache(t *testing.T) {
	var d DateCache
	at := time.Date(2024, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600))
	if got := string(d.Line(at)); got != "Date: Sat, 03 Feb 2024 03:05:06 GMT\r\n" {
		t.Error(got)
	}
	if got := string(d.Line(at.Add(time.Second))); got != "Date: Sat, 03 Feb 2024 03:05:07 GMT\r\n" {
		t.Error(got)
	}
	if n := testing.AllocsPerRun(10, func() { d.Line(at) }); n != 0 {
		t.Error(n, "allocations")
	}
}
