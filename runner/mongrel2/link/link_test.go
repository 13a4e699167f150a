package link_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/link"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func open(t testing.TB, s *mongrel2test.Server, i int, ev link.Events) *link.Link {
	t.Helper()
	h := s.Handlers[i]
	l, err := link.Open(link.Config{Recv: h.Recv, Send: h.Send, Chroot: s.Chroot, Fields: "X-Wsgid: test\r\n"}, ev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func hello(in *link.Incoming) {
	defer in.Release()
	body := "hello " + string(in.Request.Path) + " " + string(in.Body)
	in.Reply.Head(&wsgi.ResponseHead{Status: 200, Line: []byte("200 OK"), Fields: []byte("Content-Type: text/plain\r\n"), ContentLength: -1}, []byte(body), true)
}

func TestHello(t *testing.T) {
	s := mongrel2test.Start(t, mongrel2test.Options{})
	open(t, s, 0, link.Events{Request: hello})
	c := &http.Client{Timeout: 10 * time.Second}
	for range 3 {
		resp, err := c.Post(s.URL+"/a%20b?x", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err, s.Log())
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || string(b) != "hello /a%20b body" || resp.Header.Get("X-Wsgid") != "test" {
			t.Fatalf("%v %q %v", err, b, resp)
		}
	}
}
