package applog

import (
	"regexp"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func testLoop(t testing.TB) *evloop.Loop {
	t.Helper()
	l, err := evloop.New()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAccessFields(t *testing.T) {
	l := testLoop(t)
	log := &Log{entries: make(chan *entry, 10), spare: make(chan []byte, 1)}
	al := NewAccess(l, log, "blog")
	r := wsgi.Request{Method: []byte("GET"), Path: []byte("/" + strings.Repeat("p", 10_000)), Proto: "HTTP/1.1",
		Headers: []wsgi.Header{{Name: []byte("REFERER"), Value: []byte("first")}, {Name: []byte("Referer"), Value: []byte("second")}}}
	var n Note
	n.Record(&r, &wsgi.Peer{}) // a unix socket
	al.Write(&n, 304, 17, 1_234_567_890, 9)
	al.Flush()
	text := string((<-log.entries).text)
	want := regexp.MustCompile(`^- - - \[.*\] "GET /p+\.\.\. HTTP/1\.1" 304 0 "first" "-" 1\.234567 9 blog\n$`)
	if !want.MatchString(text) || strings.Count(text, "p") != maxAccessField-1 {
		t.Errorf("%.200s … %s", text, text[len(text)-80:])
	}
	n.Reset()
	if cap(n.buf) > 4<<10 {
		t.Errorf("it keeps %d bytes", cap(n.buf))
	}
	// A batch goes out when it is full, without waiting for its timer.
	n.Record(&wsgi.Request{Method: []byte("GET"), Path: []byte("/"), Proto: "HTTP/1.1"}, &wsgi.Peer{RemoteAddr: "::1"})
	for range 1000 {
		al.Write(&n, 200, 1, 1000, 9)
	}
	e := <-log.entries
	if len(e.text) < accessBatch || len(e.text) > accessBatch+200 || strings.Count(string(e.text), "\n") != e.lines() {
		t.Errorf("a batch of %d bytes, %d lines", len(e.text), e.lines())
	}
}

// Noting and writing a request costs no allocation.
func TestAccessAllocations(t *testing.T) {
	l := testLoop(t)
	log := &Log{entries: make(chan *entry, 1000), spare: make(chan []byte, 1)}
	al := NewAccess(l, log, "blog")
	for _, json := range []bool{false, true} {
		al.json = json
		var n Note
		r := wsgi.Request{Method: []byte("GET"), Path: []byte("/x"), Query: []byte("y=1"), Proto: "HTTP/1.1",
			Headers: []wsgi.Header{{Name: []byte("User-Agent"), Value: []byte("curl/8 \"é\"")}}}
		p := wsgi.Peer{RemoteAddr: "127.0.0.1"}
		one := func() {
			n.Record(&r, &p)
			al.Write(&n, 200, 5, 12345, 9)
			n.Reset()
		}
		one()
		al.batch.ends = make([]accessEnd, 0, 1000)
		if allocs := testing.AllocsPerRun(100, one); allocs > 0 {
			t.Errorf("json %t: %v allocations a request", json, allocs)
		}
		al.Flush()
	}
}

func BenchmarkAccess(b *testing.B) {
	l := testLoop(b)
	log := &Log{entries: make(chan *entry, 1), spare: make(chan []byte, 1)}
	al := NewAccess(l, log, "blog")
	var n Note
	r := wsgi.Request{Method: []byte("GET"), Path: []byte("/some/path"), Query: []byte("y=1"), Proto: "HTTP/1.1",
		Headers: []wsgi.Header{{Name: []byte("Host"), Value: []byte("localhost")}, {Name: []byte("User-Agent"), Value: []byte("Mozilla/5.0 (X11; Linux x86_64)")}}}
	p := wsgi.Peer{RemoteAddr: "127.0.0.1"}
	for range b.N {
		n.Record(&r, &p)
		al.Write(&n, 200, 5, 12345, 9)
		n.Reset()
		select {
		case e := <-log.entries:
			log.spare <- e.text
		default:
		}
	}
}
