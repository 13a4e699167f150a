package runner

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A client may end its side as soon as it has sent its requests (nc -N, old
// libraries, load balancers' probes) and still gets every answer whole.
func TestClientThatEndsItsSide(t *testing.T) {
	t.Parallel()
	a, _, ways := everyWay(t, pepApp, nil, func(s *appspec.Spec) { s.Workers.Threads = 3 })
	for _, w := range []way{ways[0], ways[2]} {
		t.Run(w.name, func(t *testing.T) {
			shut := func(c *client) {
				t.Helper()
				if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			for _, proto := range []string{"1.1", "1.0"} {
				// In the middle of a stream.
				token := w.name + "half" + proto
				c := w.dial(t)
				c.send("GET /stream?" + token + " HTTP/" + proto + "\r\nHost: h\r\n\r\n")
				resp := c.response("GET")
				expectPiece(t, resp.Body, "one")
				shut(c)
				w.get(t, "/go?"+token)
				expectPiece(t, resp.Body, "two")
				w.get(t, "/go?"+token)
				expectPiece(t, resp.Body, "three")
				if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
					t.Errorf("HTTP/%s: %q, %v after the last piece", proto, rest, err)
				}
				c.closed()
				closedOnce(t, w, token)

				// Before the answer has begun.
				token = w.name + "early" + proto
				c = w.dial(t)
				c.send("GET /write?" + token + " HTTP/" + proto + "\r\nHost: h\r\nConnection: close\r\n\r\n")
				shut(c)
				w.get(t, "/go?"+token)
				if got := c.answer("GET"); got.StatusCode != http.StatusOK || got.body != "onetwothree" || got.err != nil {
					t.Errorf("HTTP/%s, shut at once: %s %q %v", proto, got.Status, got.body, got.err)
				}
				c.closed()
			}
			// Behind several requests, and a large one.
			c := w.dial(t)
			c.send(strings.Repeat("GET /list HTTP/1.1\r\nHost: h\r\n\r\n", 20) + "GET /pieces?" + w.name + " HTTP/1.1\r\nHost: h\r\n\r\n")
			shut(c)
			for i := range 20 {
				if got := c.answer("GET"); got.body != "no length" {
					t.Fatalf("answer %d: %s %q %v", i, got.Status, got.body, got.err)
				}
			}
			if got := c.answer("GET"); len(got.body) != 350000 || got.err != nil {
				t.Errorf("the large one: %s, %d bytes, %v", got.Status, len(got.body), got.err)
			}
			c.closed()
			// What it sent beyond its last request must not cost it the answer.
			for range 20 {
				c := w.dial(t)
				c.send("GET /pieces?" + w.name + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + strings.Repeat("GET /list HTTP/1.1\r\nHost: h\r\n\r\n", 5000))
				shut(c)
				if got := c.answer("GET"); len(got.body) != 350000 || got.err != nil {
					t.Errorf("with more behind it: %s, %d bytes, %v", got.Status, len(got.body), got.err)
				}
			}
			// Half a request is none.
			c = w.dial(t)
			c.send("GET /list HTTP/1.1\r\nHost: h\r\n")
			shut(c)
			c.closed()
		})
	}
	a.checkValidator()
}
