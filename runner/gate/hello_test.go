package gate

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// helloOf is what a client of crypto/tls sends first.
func helloOf(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(theirs, c).HandshakeContext(context.Background())
	}()
	head := make([]byte, recordHead)
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	theirs.Close()
	<-done
	return append(head, body...)
}

// records cuts the handshake message of a hello into records of at most n bytes.
func records(hello []byte, n int) []byte {
	var out []byte
	for part := range slices.Chunk(hello[recordHead:], n) {
		out = append(out, recordHandshake, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

func TestAHelloInPieces(t *testing.T) {
	whole := helloOf(t, &tls.Config{ServerName: "Blog.Example", NextProtos: []string{"h2", "http/1.1"}})
	for name, b := range map[string][]byte{
		"one record": whole, "20 records": records(whole, (len(whole)-recordHead)/20+1), "a byte a record": records(whole, 1),
	} {
		t.Run(name, func(t *testing.T) {
			for i := range len(b) {
				if h, err := readHello(b[:i]); h != nil || err != nil {
					t.Fatalf("after %d bytes of %d: %v, %v", i, len(b), h, err)
				}
			}
			h, err := readHello(b)
			if err != nil || h == nil || h.Name != "Blog.Example" || !slices.Equal(h.ALPN, []string{"h2", "http/1.1"}) {
				t.Fatalf("%+v, %v", h, err)
			}
		})
	}
}

func TestHellosOfAllKinds(t *testing.T) {
	pad := func(n int) []string { // protocols that make a hello long
		var out []string
		for range n / 256 {
			out = append(out, strings.Repeat("x", 255))
		}
		return out
	}
	if h, err := readHello(helloOf(t, &tls.Config{InsecureSkipVerify: true, ServerName: "192.0.2.1"})); err != nil || h.Name != "" {
		t.Errorf("an address is not a server name: %+v, %v", h, err)
	}
	if h, err := readHello(helloOf(t, &tls.Config{InsecureSkipVerify: true})); err != nil || h.Name != "" || h.ALPN != nil {
		t.Errorf("without a server name: %+v, %v", h, err)
	}
	if h, err := readHello(helloOf(t, &tls.Config{ServerName: "blog.example", NextProtos: pad(14 << 10)})); err != nil || h.Name != "blog.example" {
		t.Errorf("nearly 16 KiB: %+v, %v", h, err)
	}
	long := records(helloOf(t, &tls.Config{ServerName: "blog.example", NextProtos: pad(16 << 10)}), 1000)
	if _, err := readHello(long[:4000]); !errors.Is(err, errHelloLong) {
		t.Errorf("more than 16 KiB is refused as soon as it says so: %v", err)
	}
	dotted := bytes.Replace(helloOf(t, &tls.Config{ServerName: "blog.examplex"}), []byte("blog.examplex"), []byte("blog.example."), 1)
	if h, err := readHello(dotted); err == nil {
		t.Errorf("a server name with a dot at its end is taken, which the server refuses: %+v", h)
	}
	nul := bytes.Replace(helloOf(t, &tls.Config{ServerName: "blog.example"}), []byte("blog.example"), []byte("blog\x00example"), 1)
	if h, err := readHello(nul); err != nil || NewTable(map[string]string{"blog.example": "blog"}, "").Lookup([]byte(h.Name)) != "" {
		t.Errorf("a NUL in the name: %+v, %v", h, err)
	}
	for _, b := range []string{"GET / HTTP/1.1\r\n", "\x16\x03\x01\x00\x00", "\x16\x10\x00", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", "\x80\x2e\x01\x03\x01", "\x15\x03\x01\x00\x02\x01\x00"} {
		if h, err := readHello([]byte(b)); err == nil {
			t.Errorf("%q is taken: %+v", b, h)
		}
	}
}

// replay is a connection that says what was recorded and hears nothing.
type replay struct{ *bytes.Reader }

func (replay) Write(p []byte) (int, error)      { return len(p), nil }
func (replay) Close() error                     { return nil }
func (replay) LocalAddr() net.Addr              { return nil }
func (replay) RemoteAddr() net.Addr             { return nil }
func (replay) SetDeadline(time.Time) error      { return nil }
func (replay) SetReadDeadline(time.Time) error  { return nil }
func (replay) SetWriteDeadline(time.Time) error { return nil }

// FuzzHello: what the gate goes by is what the server sees, or the gate refuses. It
// refuses more than the server in two things alone: what is longer than 16 KiB, and an
// alert before the hello.
func FuzzHello(f *testing.F) {
	for _, c := range []*tls.Config{
		{ServerName: "blog.example", NextProtos: []string{"h2", "http/1.1"}},
		{InsecureSkipVerify: true}, {ServerName: "blog.example", MaxVersion: tls.VersionTLS12},
	} {
		hello := helloOf(f, c)
		f.Add(hello)
		f.Add(records(hello, 17))
		f.Add(hello[:len(hello)-1])
		f.Add(append(slices.Clone(hello), hello...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var seen *tls.ClientHelloInfo
		enough := errors.New("enough")
		server := tls.Server(replay{bytes.NewReader(b)}, &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			seen = i
			return nil, enough
		}})
		_ = server.HandshakeContext(t.Context())
		h, err := readHello(b)
		switch {
		case h == nil && seen == nil:
		case h == nil:
			alertFirst := b[0] == 21
			for at := 0; at+recordHead <= len(b); at += recordHead + int(b[at+3])<<8 + int(b[at+4]) {
				alertFirst = alertFirst || b[at] == 21
			}
			if !errors.Is(err, errHelloLong) && !alertFirst {
				t.Fatalf("the server takes it, for %q, the gate does not: %v", seen.ServerName, err)
			}
		case seen == nil:
			t.Fatalf("the gate takes it, for %q, the server does not", h.Name)
		case h.Name != seen.ServerName || !slices.Equal(h.ALPN, seen.SupportedProtos):
			t.Fatalf("the gate goes by %q %q, the server by %q %q", h.Name, h.ALPN, seen.ServerName, seen.SupportedProtos)
		}
	})
}

func BenchmarkReadHello(b *testing.B) {
	hello := helloOf(b, &tls.Config{ServerName: "blog.example"})
	b.ReportAllocs()
	for b.Loop() {
		if h, err := readHello(hello); h == nil {
			b.Fatal(err)
		}
	}
}
