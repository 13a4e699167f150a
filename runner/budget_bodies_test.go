package runner

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// The bodies of requests have as much room as request.spool says, all together: one
// that finds none is answered 503 and may come again, those that have some go on,
// and one that is alone always has.
func TestBudgetOfBodies(t *testing.T) {
	bodiesInFiles(t)
	const spool, size, part = 4 << 20, 9 << 20, 3 << 20
	var dir string
	a, h, ways := everyWay(t, bulkApp, nil, func(s *appspec.Spec) {
		dir = spoolFolder(t)
		s.Request.Spool = spool
	})
	head := fmt.Sprintf("POST /size HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size)
	for _, w := range []way{ways[0], ways[2]} {
		t.Run(w.name, func(t *testing.T) {
			first := w.dial(t)
			first.send(head + string(make([]byte, part)))
			eventually(t, "a third of the first body", func() bool { return spoolSize(t, h.PID, dir) >= part })
			second := w.dial(t)
			second.send(head + string(make([]byte, part)))
			if got := second.answer("POST"); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
				t.Errorf("without room: %s, %v", got.Status, got.Header)
			}
			a.mustLogLine("POST /size", "503", "request.spool is full with the bodies of other requests")
			_ = second.Close()
			eventually(t, "its place to be free", func() bool { return spoolSize(t, h.PID, dir) <= part })
			first.send(string(make([]byte, size-part)))
			if got := first.answer("POST"); got.StatusCode != http.StatusOK || got.body != fmt.Sprint(size) {
				t.Errorf("who was first: %s, %q, %v", got.Status, got.body, got.err)
			}
			noSpool(t, h.PID, dir)
			if got := w.postChunked(t, "/size", bytes.Repeat([]byte("b"), 2*spool), 100_000); got.body != fmt.Sprint(2*spool) {
				t.Errorf("alone: %s, %q", got.Status, got.body)
			}
			noSpool(t, h.PID, dir)
		})
	}
}
