package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// A client that has asked for more, when a master that stops has given it its last answer,
// gets that answer whole: a close with something unread, or to which something still comes,
// is a reset, by which the kernel throws away what it has not sent yet.
func TestLastAnswerOfWhoAsksOn(t *testing.T) {
	t.Parallel()
	const clients, size = 8, 600_000
	a := newTestApp(t, fmt.Sprintf(`
import os, time
def application(environ, start_response):
    open("in" + environ["QUERY_STRING"], "w").close()
    while not os.path.exists("go"): time.sleep(0.005)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * %d]
`, size), func(s *appspec.Spec) { s.Workers.Threads = clients })
	h := a.start(StateReady)
	all := make([]*client, clients)
	for i := range all {
		all[i] = a.dial()
		all[i].send(fmt.Sprintf("GET /?%d HTTP/1.1\r\nHost: h\r\n\r\n", i))
	}
	for i := range all {
		await.True(t, fmt.Sprintf("request %d is at work", i), func() bool {
			_, err := os.Stat(filepath.Join(a.spec.Path, fmt.Sprintf("in%d", i)))
			return err == nil
		})
	}
	if err := h.Drain(a.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	a.put("go", "")
	for _, c := range all {
		resp := c.response("GET")
		if !resp.Close {
			t.Error("the client is not told that this is the last answer")
		}
		c.send("GET /?more HTTP/1.1\r\nHost: h\r\n\r\n")
		var got int
		buf := make([]byte, 4096)
		for err := error(nil); err == nil; {
			var n int
			n, err = resp.Body.Read(buf)
			got += n
		}
		if got != size {
			t.Errorf("%d bytes of %d", got, size)
		}
	}
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a.spec.Path, "inmore")); err == nil {
		t.Error("a request beyond the last answer was run")
	}
}
