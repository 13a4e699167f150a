package http1

import (
	"bytes"
	"errors"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// FuzzConnection: no panic, and no other result when the bytes arrive in two
// pieces or one by one. What is accepted holds to the rules that the rest of
// the program builds on.
func FuzzConnection(f *testing.F) {
	for _, c := range readCases(f) {
		if len(c.raw) < 2000 {
			f.Add(c.raw, uint16(len(c.raw)/2))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, at uint16) {
		whole := play(raw)
		if n := int(at); n > 0 && n < len(raw) {
			if got := playSplit(raw, true, n, len(raw)); got != whole {
				t.Errorf("split at %d: %s\nwhole: %s", n, got, whole)
			}
		}
		if len(raw) < 1<<10 {
			if got := playSplit(raw, at%2 == 0, 1); got != whole {
				t.Errorf("byte by byte: %s\nwhole: %s", got, whole)
			}
		}
	})
}

func FuzzParseHead(f *testing.F) {
	for _, c := range readCases(f) {
		if len(c.raw) < 2000 {
			f.Add(c.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p Parser
		var r wsgi.Request
		n, err := p.ParseHead(raw, &r)
		if err != nil || n == 0 {
			if n != 0 {
				t.Errorf("%d bytes taken beside %v", n, err)
			}
			return
		}
		if n > len(raw) || !bytes.HasSuffix(raw[:n], []byte("\r\n\r\n")) {
			t.Fatalf("the head ends at %d of %q", n, raw)
		}
		if len(r.Path) == 0 || r.Path[0] != '/' && string(r.Path) != "*" {
			t.Errorf("path %q", r.Path)
		}
		if r.Chunked != (r.ContentLength < 0) {
			t.Errorf("chunked %t, length %d", r.Chunked, r.ContentLength)
		}
		if len(r.Host) > 0 && !wsgi.ValidHost(r.Host) {
			t.Errorf("host %q", r.Host)
		}
		for _, h := range r.Headers {
			for _, c := range h.Name {
				if !tokenChar[c] {
					t.Errorf("name %q", h.Name)
				}
			}
			if bytes.ContainsAny(h.Value, "\r\n\x00") || len(trim(h.Value)) != len(h.Value) {
				t.Errorf("value %q", h.Value)
			}
		}
	})
}

// FuzzChunkedReader: any cut gives the same data, and the data is never more
// than what came in.
func FuzzChunkedReader(f *testing.F) {
	f.Add([]byte("5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nrest"), uint16(3))
	f.Add([]byte("ffffffffffffffff\r\n"), uint16(1))
	f.Add([]byte("5 \t;a=b\r\nhello\r\n0 ;\r\n\r\n"), uint16(2))
	f.Add([]byte("1\r\na\r\n1\r\nb\r\n00\r\n\r\n"), uint16(7))
	f.Fuzz(func(t *testing.T, raw []byte, at uint16) {
		whole, n, done, err := decodeAll(raw, len(raw))
		split, m, done2, err2 := decodeAll(raw, int(at))
		if !bytes.Equal(whole, split) || n != m || done != done2 || !errors.Is(err, err2) {
			t.Errorf("whole: %q %d %t %v\nsplit: %q %d %t %v", whole, n, done, err, split, m, done2, err2)
		}
		if len(whole) > len(raw) {
			t.Errorf("%d bytes of data in %d", len(whole), len(raw))
		}
	})
}

func decodeAll(raw []byte, at int) (data []byte, taken int, done bool, err error) {
	var c ChunkedReader
	at = min(at, len(raw))
	for _, part := range [][]byte{raw[:at], raw[at:]} {
		for len(part) > 0 {
			d, n, end, err := c.Decode(part)
			data = append(data, d...)
			taken += n
			if err != nil || end {
				return data, taken, end, err
			}
			part = part[n:]
		}
	}
	return data, taken, false, nil
}
