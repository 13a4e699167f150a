package bridge

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// A head that is too long is answered over HTTP/2 too, and the connection lives.
func TestLongHeadOverHTTP2(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") })
	client := f.client()
	for _, c := range []struct {
		header string
		status int
	}{{strings.Repeat("x", 30_000), 200}, {strings.Repeat("x", 70_000), 431}, {strings.Repeat("x", 150_000), 431}, {strings.Repeat("x", 500_000), 431}, {strings.Repeat("x", 1_000_000), 431}, {"x", 200}} {
		req := f.request(t.Context(), http.MethodGet, "/", nil)
		req.Header.Set("X-Long", c.header)
		resp, err := client.Do(req)
		if got := read(t, resp, err); resp.StatusCode != c.status {
			t.Errorf("%d bytes: %d %q", len(c.header), resp.StatusCode, got)
		}
	}
	// Many short ones.
	req := f.request(t.Context(), http.MethodGet, "/", nil)
	for range 100 {
		req.Header.Add("X-Many", strings.Repeat("y", 1000))
	}
	resp, err := client.Do(req)
	if got := read(t, resp, err); resp.StatusCode != 431 {
		t.Errorf("100 headers of 1,000 bytes: %d %q", resp.StatusCode, got)
	}
	f.until("the log tells it", func() bool { return strings.Contains(f.log(), "431: headers are too long") })
}

// A head past what net/http reads closes the connection, with GOAWAY, and is told
// and counted as the others. The limit is known to the client: Go's does not send
// such a head at all.
func TestEndlessHeadOverHTTP2(t *testing.T) {
	var counted atomic.Int64
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") }, func(s *Server) {
		s.Refused = func(_ wsgi.Peer, status int) { counted.Store(int64(status)) }
	})
	client := f.client()
	resp, err := client.Get("https://" + f.addr + "/")
	read(t, resp, err)
	req := f.request(t.Context(), http.MethodGet, "/", nil)
	req.Header.Set("X-Long", strings.Repeat("x", 2*maxHead2))
	if resp, err := client.Do(req); err == nil || !strings.Contains(err.Error(), "larger than peer's advertised limit") {
		t.Errorf("%v, %v", resp, err)
	}
	c := f.dialH2()
	const block = "\x82\x84\x87\x41\x01h"
	// A field of 10,000 bytes, written out: "x" and its length by HPACK.
	field := "\x00\x01x\x7f\x91\x4d" + strings.Repeat("v", 10_000)
	go func() {
		_, err := io.WriteString(c, h2frame(frameHeaders, 1, 1, block))
		for n := 0; n < 2*maxHead2 && err == nil; n += len(field) {
			_, err = io.WriteString(c, h2frame(frameContinue, 0, 1, field))
		}
	}()
	got, err := io.ReadAll(c)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		t.Fatal("the connection is not closed")
	}
	if goaway := "\x07\x00\x00\x00\x00\x00"; !strings.Contains(string(got), goaway) {
		t.Errorf("no GOAWAY before the end: %q", got)
	}
	f.until("the log tells it", func() bool {
		return strings.Contains(f.log(), "431: the head of an HTTP/2 request is larger than 1048576 bytes; the connection is closed")
	})
	f.until("it is counted", func() bool { return counted.Load() == 431 })
}

// h2frame is a frame by hand.
func h2frame(kind, flags byte, stream uint32, payload string) string {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[5:], stream)
	return string(b) + payload
}

// A head that does not come to its end closes the connection, wherever it stops;
// one that comes slowly, but in time, is answered. The limit is that of the moment.
func TestHeaderTimeoutOverHTTP2(t *testing.T) {
	f := start(t, Limits{HeaderTimeout: time.Minute}, func(in *Incoming) { ok(in, "reached") })
	// GET / HTTPS with :authority h, by the static table of HPACK.
	const block = "\x82\x84\x87\x41\x01h"
	for what, rest := range map[string]string{
		"in the frame's head":   h2frame(frameHeaders, flagEndOfHeaders|1, 1, block)[:5],
		"in the frame":          h2frame(frameHeaders, flagEndOfHeaders|1, 1, block)[:11],
		"before a continuation": h2frame(frameHeaders, 1, 1, block[:3]),
		"in a continuation":     h2frame(frameHeaders, 1, 1, block[:3]) + h2frame(frameContinue, flagEndOfHeaders, 1, block[3:])[:10],
	} {
		f.setLimits(func(l *Limits) { l.HeaderTimeout = time.Minute }) // it is the handshake's, too
		c := f.dialH2()
		if _, err := io.ReadFull(c, make([]byte, 9)); err != nil { // the server's first frame
			t.Fatal(err)
		}
		f.setLimits(func(l *Limits) { l.HeaderTimeout = 500 * time.Millisecond })
		began := time.Now()
		if _, err := io.WriteString(c, rest); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: it is not closed", what)
		}
		if d := time.Since(began); d < 100*time.Millisecond {
			t.Errorf("%s: closed after %v", what, d)
		}
	}
	told := func() int {
		return strings.Count(f.log(), "408: the head of an HTTP/2 request did not arrive within 500ms (request.header_timeout)")
	}
	f.until("all of them are told", func() bool { return told() >= 4 })
	if n := told(); n != 4 {
		t.Errorf("told %d times: %s", n, f.log())
	}
	f.setLimits(func(l *Limits) { l.HeaderTimeout = time.Minute })
	c := f.dialH2()
	for _, b := range []byte(h2frame(frameHeaders, 1, 1, block[:3]) + h2frame(frameContinue, flagEndOfHeaders, 1, block[3:])) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	var got strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(got.String(), "reached") {
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("a head byte by byte: %v, %q", err, got.String())
		}
	}
}

// dialH2 opens a connection with HTTP/2 by hand, its preface sent.
func (f *fixture) dialH2() *tls.Conn {
	f.t.Helper()
	c := f.dial()
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+h2frame(4, 0, 0, "")+h2frame(4, 1, 0, "")); err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) setLimits(change func(*Limits)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.limit)
}

// HTTP/2 does not run over ciphers that it forbids.
func TestWeakCipherOverHTTP2(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "reached") })
	for suite, good := range map[uint16]bool{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: false, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true} {
		for proto, want := range map[string]bool{"HTTP/2.0": good, "HTTP/1.1": true} {
			client := f.speaks(proto)
			config := client.Transport.(*http.Transport).TLSClientConfig
			config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{suite}
			resp, err := client.Get("https://" + f.addr + "/")
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s over %s: %v", proto, tls.CipherSuiteName(suite), err)
			}
		}
	}
}
