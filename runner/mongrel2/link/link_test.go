package link_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"json", "tnetstring"} {
		t.Run(protocol, func(t *testing.T) {
			s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{{Path: "/app", Protocol: protocol}}})
			m := newMailbox()
			open(t, s, 0, m.events())
			c := dial(t, s).send("POST /app/a%20b/%2F?q=%41#f HTTP/1.1\r\nHost: [::1]:77\r\nX-A: 1\r\nX-A: \"2\\\r\nX-B: \xe9\x01\t.  \r\nX_U: u\r\nMETHOD: EVIL\r\nContent-Length: 4\r\n\r\nb\x00\xffy")
			in := receive(t, "request", m.in)
			r := &in.Request
			got := fmt.Sprintf("%s %s %s %s %s %s %v %d %v %s", r.Method, r.ScriptName, r.Path, r.Query, r.Proto, r.Host, r.KeepAlive, r.ContentLength, in.Peer.HTTPS, in.Peer.RemoteAddr)
			if want := "POST /app /app/a%20b/%2F q=%41 HTTP/1.1 [::1]:77 true 4 false 127.0.0.1"; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if string(in.Body) != "b\x00\xffy" {
				t.Errorf("body %q", in.Body)
			}
			fields := map[string][]string{}
			for _, h := range r.Headers {
				fields[string(h.Name)] = append(fields[string(h.Name)], string(h.Value))
			}
			want := map[string][]string{
				"host": {"[::1]:77"}, "x-a": {"1", "\"2\\"}, "x-b": {"\xe9\x01\t."}, "x_u": {"u"}, "method": {"EVIL"},
				"content-length": {"4"}, "x-forwarded-for": {"127.0.0.1"},
			}
			if !reflect.DeepEqual(fields, want) {
				t.Errorf("headers %q", fields)
			}
			if string(in.Message.ServerID) != s.Handlers[0].Ident || len(in.Message.ClientID) == 0 || string(in.Message.Path) != "/app/a%20b/%2F" || in.Message.JSON != (protocol == "json") {
				t.Errorf("message %s %s %s", in.Message.ServerID, in.Message.ClientID, in.Message.Path)
			}
			reply := in.Reply
			in.Release()
			reply.Head(head("200 OK", -1), []byte("done"), true)
			if status, body := c.get("POST"); status != 200 || body != "done" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

func TestRouteThatIsNoMountPoint(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{{Path: "/table"}}})
	open(t, s, 0, link.Events{Request: echo})
	for path, want := range map[string]string{
		"/table": "GET /table|?|h|", "/table/": "GET /table|/?|h|", "/tablefoo": "GET |/tablefoo?|h|",
		// mongrel2 1.12.2 takes a path that a route begins with for the route's.
		"/tab": "GET |/tab?|h|", "/": "GET |/?|h|",
	} {
		c := dial(t, s).send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, body := c.get("GET"); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
}

// TestResponse pins what goes out for what an application said, and whether
// the connection is closed.
func TestResponse(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	open(t, s, 0, m.events())
	const common = "Content-Type: text/plain\r\nX-Wsgid: test\r\n"
	long := func(r *link.Reply) { r.Head(head("200 OK", 2), []byte("abc"), true) }
	for _, test := range []struct {
		name    string
		request string
		answer  func(r *link.Reply)
		want    string
		open    bool
	}{
		{"whole", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", -1), []byte("abc"), true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 3\r\n\r\nabc", true},
		{"empty", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", -1), nil, true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 0\r\n\r\n", true},
		{"chunked", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) {
			r.Head(head("200 OK", -1), []byte("abc"), false)
			r.Data(nil, false)
			r.Data([]byte("de"), false)
			r.Data(nil, true)
		}, "HTTP/1.1 200 OK\r\n" + common + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", true},
		{"client closes", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", -1), []byte("abc"), true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 3\r\nConnection: close\r\n\r\nabc", false},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", -1), []byte("abc"), true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 3\r\nConnection: close\r\n\r\nabc", false},
		{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", -1), []byte("abc"), true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", true},
		{"1.0 stream", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", func(r *link.Reply) {
			r.Head(head("200 OK", -1), []byte("abc"), false)
			r.Data([]byte("de"), true)
		}, "HTTP/1.1 200 OK\r\n" + common + "Connection: close\r\n\r\nabcde", false},
		{"HEAD", "HEAD / HTTP/1.1\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", 7), []byte("abc"), true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 7\r\n\r\n", true},
		{"204", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) { r.Head(head("204 No Content", -1), []byte("abc"), true) },
			"HTTP/1.1 204 No Content\r\n" + common + "\r\n", true},
		{"304", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) {
			r.Head(head("304 Not Modified", -1), nil, false)
			r.Data([]byte("x"), true)
		}, "HTTP/1.1 304 Not Modified\r\n" + common + "\r\n", true},
		{"too long", "GET / HTTP/1.1\r\n\r\n", long, "HTTP/1.1 200 OK\r\n" + common + "Content-Length: 2\r\n\r\nab", true},
		{"too short", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) { r.Head(head("200 OK", 9), []byte("abc"), true) },
			"HTTP/1.1 200 OK\r\n" + common + "Content-Length: 9\r\n\r\nabc", false},
		{"failure", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) { r.Fail(503, "queue is full") },
			"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\nX-Wsgid: test\r\nContent-Length: 39\r\n\r\n503 Service Unavailable: queue is full\n", true},
		{"failure later", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) {
			r.Head(head("200 OK", -1), []byte("abc"), false)
			r.Fail(502, "worker died")
		}, "HTTP/1.1 200 OK\r\n" + common + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false},
		{"after the end", "GET / HTTP/1.1\r\n\r\n", func(r *link.Reply) {
			long(r)
			long(r)
			r.Data([]byte("x"), true)
			r.Fail(500, "x")
		}, "HTTP/1.1 200 OK\r\n" + common + "Content-Length: 2\r\n\r\nab", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, s).send(test.request)
			in := receive(t, "request", m.in)
			reply := in.Reply
			in.Release()
			test.answer(reply)
			if test.open {
				// The connection is closed by its next request.
				c.send("GET /next HTTP/1.1\r\nConnection: close\r\n\r\n")
				in := receive(t, "second request", m.in)
				reply := in.Reply
				in.Release()
				reply.Head(&wsgi.ResponseHead{Status: 200, Line: []byte("200 OK"), Fields: []byte("Next: 1\r\n"), HasDate: true}, nil, true)
				test.want += "HTTP/1.1 200 OK\r\nNext: 1\r\nX-Wsgid: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
			}
			if got := withoutDate(c.rest()); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// In bursts that mongrel2 has room for: it kills a connection with more than
// sixteen answers in its queue, and on a machine with too much to do that can be
// what it finds when it runs again.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	open(t, s, 0, m.events())
	const bursts, burst = 14, 15
	go func() {
		for range bursts * burst {
			in := <-m.in
			echo(in)
		}
	}()
	c := dial(t, s)
	for b := range bursts {
		var all strings.Builder
		for i := range burst {
			fmt.Fprintf(&all, "GET /%d/%d HTTP/1.1\r\nHost: h\r\n\r\n", b, i)
		}
		c.send(all.String())
		for i := range burst {
			if _, body := c.get("GET"); body != fmt.Sprintf("GET |/%d/%d?|h|", b, i) {
				t.Fatalf("answer %d of burst %d is %q", i, b, body)
			}
		}
	}
}

func TestOneRequestOfAConnectionAtATime(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	c := dial(t, s).send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
	first := receive(t, "request", m.in)
	await.True(t, "the second message", func() bool { return l.Received() == 2 })
	if len(m.in) != 0 || l.Active() != 1 {
		t.Fatal("the second request was given out before the first was answered")
	}
	echo(first)
	echo(receive(t, "second request", m.in))
	c.get("GET")
	if _, body := c.get("GET"); !strings.Contains(body, "/2") {
		t.Fatal(body)
	}
	await.True(t, "no request active", func() bool { return l.Active() == 0 })
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	c := dial(t, s).send("GET / HTTP/1.1\r\n\r\n")
	in := receive(t, "request", m.in)
	reply := in.Reply
	in.Release()
	reply.Head(head("200 OK", -1), []byte("abc"), false)
	c.Close()
	if gone := receive(t, "notice", m.gone); gone != reply || !reply.Gone() || l.Active() != 0 {
		t.Fatalf("gone %p, want %p; active %d", gone, reply, l.Active())
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	reply.Data([]byte("x"), false)
	reply.File(f, 0, 5, false)
	if _, err := f.Stat(); err == nil {
		t.Error("the file of a client that is gone stays open")
	}
	reply.Data(nil, true)
	// A response to a connection that has died unseen makes mongrel2 send a
	// notice, which nobody must take for another request's.
	echo(func() *link.Incoming {
		c := dial(t, s).send("GET / HTTP/1.1\r\n\r\n")
		in := receive(t, "request", m.in)
		t.Cleanup(func() { c.Close() })
		return in
	}())
}

func TestWebsocketsAndRawProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{{Path: "/"}, {Path: "@chat"}, {Path: "<x"}}})
	called := link.Events{Request: func(in *link.Incoming) {
		t.Errorf("the application was called: %s %s", in.Request.Method, in.Message.Path)
		echo(in)
	}}
	for i := range s.Handlers {
		open(t, s, i, called)
	}
	const closing = "Content-Type: text/plain; charset=utf-8\r\nX-Wsgid: test\r\n"
	for request, want := range map[string]string{
		"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n": "HTTP/1.1 400 Bad Request\r\n" + closing + "Content-Length: 57\r\nConnection: close\r\n\r\n400 Bad Request: this server does not support websockets\n",
		"@chat {\"a\":1}\x00": "",
		"<x y='1'/>\x00":      "",
		"JSON / HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n{\"type\":\"disconnect\"}": "HTTP/1.1 501 Not Implemented\r\n" + closing + "Content-Length: 20\r\nConnection: close\r\n\r\n501 Not Implemented\n",
		"WEBSOCKET / HTTP/1.1\r\nHost: h\r\n\r\n":                                           "HTTP/1.1 501 Not Implemented\r\n" + closing + "Content-Length: 20\r\nConnection: close\r\n\r\n501 Not Implemented\n",
		"XML / HTTP/1.1\r\nHost: h\r\n\r\n":                                                 "HTTP/1.1 501 Not Implemented\r\n" + closing + "Content-Length: 20\r\nConnection: close\r\n\r\n501 Not Implemented\n",
	} {
		if got := withoutDate(dial(t, s).send(request).rest()); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", request, got, want)
		}
	}
}

func TestSmuggledRequestIsDropped(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	got := withoutDate(dial(t, s).send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n").rest())
	want := "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nX-Wsgid: test\r\nContent-Length: 57\r\nConnection: close\r\n\r\n400 Bad Request: Transfer-Encoding other than chunked\n"
	want = strings.Replace(want, "57", fmt.Sprint(len("400 Bad Request: Transfer-Encoding other than chunked\n")), 1)
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	await.True(t, "the messages", func() bool { return l.Received() >= 2 })
	if len(m.in) != 0 {
		t.Error("the smuggled request reached the application")
	}
}

func TestTwoLinks(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{Handlers: []mongrel2test.Handler{{Path: "/a"}, {Path: "/b", Protocol: "json"}}})
	other := mongrel2test.Start(t, mongrel2test.Options{})
	open(t, s, 0, link.Events{Request: echo})
	open(t, s, 1, link.Events{Request: echo})
	open(t, other, 0, link.Events{Request: echo})
	other.Stop()
	for range 3 {
		for _, path := range []string{"/a", "/b"} {
			c := dial(t, s).send("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
			if _, body := c.get("GET"); body != "GET "+path+"|?|h|" {
				t.Fatal(body)
			}
		}
	}
}

func TestCloseSendsWhatItHas(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	for range 5 {
		m := newMailbox()
		l := open(t, s, 0, m.events(), func(c *link.Config) { c.Linger = patience })
		answered := dial(t, s).send("GET /answered HTTP/1.1\r\n\r\n")
		echo2 := receive(t, "request", m.in)
		unanswered := dial(t, s).send("GET /unanswered HTTP/1.1\r\n\r\n")
		receive(t, "request", m.in)
		big := strings.Repeat("x", 5<<20)
		echo2.Reply.Head(head("200 OK", -1), []byte(big), true)
		l.Close()
		if _, body := answered.get("GET"); body != big {
			t.Fatalf("%d bytes arrived", len(body))
		}
		if rest := unanswered.rest(); rest != "" {
			t.Fatalf("unanswered request got %q", rest)
		}
		if st := l.State().Phase; st != link.PhaseClosed {
			t.Fatal(st)
		}
		echo2.Reply.Data([]byte("x"), true)
	}
}

func TestDetach(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	m := newMailbox()
	l := open(t, s, 0, m.events())
	c := dial(t, s).send("GET /old HTTP/1.1\r\nHost: h\r\n\r\n")
	in := receive(t, "request", m.in)
	open(t, s, 0, link.Events{Request: echo}) // the successor
	l.Detach()
	await.True(t, "leave", func() bool { return l.State().Phase == link.PhaseDetached })
	// What mongrel2 pushes to us in the moment of leaving is lost: every second request, until
	// it has noticed.
	answered := 0
	await.True(t, "mongrel2 to notice", func() bool {
		c := dial(t, s).send("GET /lost HTTP/1.1\r\nHost: h\r\n\r\n")
		c.SetDeadline(time.Now().Add(time.Second))
		if _, err := c.r.Peek(1); err == nil {
			answered++
		} else {
			answered = 0
		}
		return answered == 3
	})
	for range 4 {
		c := dial(t, s).send("GET /new HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, body := c.get("GET"); body != "GET |/new?|h|" {
			t.Fatal(body)
		}
	}
	echo(in)
	if _, body := c.get("GET"); body != "GET |/old?|h|" {
		t.Fatal(body)
	}
	if len(m.in) != 0 {
		t.Error("a detached link was given a request")
	}
}

// TestKeepAlive: without the control message mongrel2 cuts a connection off
// that is silent for five seconds here.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{Settings: map[string]string{"limits.min_ping": "5", "limits.tick_timer": "1"}})
	m := newMailbox()
	open(t, s, 0, m.events(), func(c *link.Config) { c.KeepAlive = 600 * time.Millisecond })
	begun := time.Now()
	c := dial(t, s).send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	in := receive(t, "request", m.in)
	idle := dial(t, s)
	idle.rest() // mongrel2 closes the one that nobody keeps
	await.True(t, "twice the limit", func() bool { return time.Since(begun) > 11*time.Second })
	echo(in)
	if _, body := c.get("GET"); body != "GET |/?|h|" {
		t.Fatal(body)
	}
}

// TestOwnLoop drives a link from an event loop, as a master does.
func TestOwnLoop(t *testing.T) {
	t.Parallel()
	s := mongrel2test.Start(t, mongrel2test.Options{})
	l, err := link.New(link.Config{Recv: s.Handlers[0].Recv, Send: s.Handlers[0].Send}, link.Events{Request: echo})
	if err != nil {
		t.Fatal(err)
	}
	ended := drive(l, func() {})
	client := http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	for range 50 {
		resp, err := client.Get(s.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	l.Shutdown()
	receive(t, "end", l.Done())
	receive(t, "end of the loop", ended)
}

func TestChroot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root: mongrel2 changes its root only for root; TestUpload is the same without")
	}
	s := mongrel2test.Start(t, mongrel2test.Options{Chroot: true})
	open(t, s, 0, link.Events{Request: echo})
	body := strings.Repeat("0123456789", 5000)
	c := dial(t, s).send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + body)
	if _, got := c.get("POST"); got != "POST |/up?|h|file 50000 50000:"+body {
		t.Errorf("%.100q", got)
	}
	if left := files(t, filepath.Join(s.Dir, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %q", left)
	}
}
