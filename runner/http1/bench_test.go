package http1

import (
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const wrkRequest = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"

const browserRequest = "GET /blog/2024/05/?page=2 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n" +
	"Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: csrftoken=abcdefghijklmnopqrstuvwxyz0123456789; sessionid=0123456789abcdefghijklmnop\r\n\r\n"

func BenchmarkParseHead(b *testing.B) {
	for name, raw := range map[string]string{"wrk": wrkRequest, "browser": browserRequest} {
		b.Run(name, func(b *testing.B) {
			var p Parser
			var r wsgi.Request
			buf := []byte(raw)
			b.ReportAllocs()
			for b.Loop() {
				if n, err := p.ParseHead(buf, &r); n != len(buf) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkParseHeadAndEnviron(b *testing.B) {
	for name, raw := range map[string]string{"wrk": wrkRequest, "browser": browserRequest} {
		b.Run(name, func(b *testing.B) {
			var p Parser
			var r wsgi.Request
			peer := wsgi.Peer{RemoteAddr: "127.0.0.1", RemotePort: "54321", ServerName: "localhost", ServerPort: "8000", Software: "wsgid/1.0.0"}
			buf := []byte(raw)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				if n, err := p.ParseHead(buf, &r); n != len(buf) || err != nil {
					b.Fatal(n, err)
				}
				dst = wsgi.AppendRequest(dst[:0], 0, 1, &r, &peer)
			}
		})
	}
}

func BenchmarkAppendHead(b *testing.B) {
	h := wsgi.ResponseHead{Status: 200, Line: []byte("200 OK"), Fields: []byte("Content-Type: text/plain\r\n"), ContentLength: 13}
	var d DateCache
	o := HeadOptions{Proto: "HTTP/1.1", KeepAlive: true, BodyLength: -1, Date: d.Line(time.Now()), Extra: []byte("X-Wsgid: 1.0.0\r\n")}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = AppendHead(dst[:0], &h, &o)
	}
}
