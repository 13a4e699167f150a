package runner

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// Clients behind mongrel2 that read nothing of long responses make the master no
// larger than request.response_buffer and request.spool say, whether an app writes
// the response or sends a file; who reads is served, and nothing is left.
func TestBudgetBehindMongrel2(t *testing.T) {
	const memory, spool, clients, size = 4 << 20, 16 << 20, 6, 40 << 20
	const bar = 32 << 20
	folder := shortdir.New(t)
	name := filepath.Join(folder, "big")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	for _, path := range []string{"/stream?320", "/file?" + name} {
		t.Run(path[:5], func(t *testing.T) {
			var dir string
			a, h, ways := everyWay(t, bulkApp, nil, func(s *appspec.Spec) {
				dir = spoolFolder(t)
				s.Workers.Min, s.Workers.Max = clients, clients
				s.Request.ResponseBuffer, s.Request.Spool = memory, spool
			})
			w := ways[1]
			w.get(t, "/") // what a first request needs is not counted
			grown := peak(t, h.PID)
			for range clients {
				if _, err := io.WriteString(w.narrow(t, 4<<10), "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
			}
			most := int64(0)
			eventually(t, "all of them to be done", func() bool {
				most = max(most, spoolSize(t, h.PID, dir))
				st, err := h.Status(a.ctx(), 0)
				return err == nil && st.Requests.Total >= clients && st.Requests.Active == 0
			})
			if most > spool {
				t.Errorf("the spool had %d bytes", most)
			}
			// What ZeroMQ has taken, and the message that is put together, come on top.
			g := grown()
			t.Logf("the master grew by %d KiB, the spool had %d KiB", g>>10, most>>10)
			if g > memory+2*spool+bar {
				t.Errorf("the master grew by %d KiB", g>>10)
			}
			if got := w.get(t, path); got.err != nil || len(got.body) < size {
				t.Errorf("who reads got %d bytes, %v", len(got.body), got.err)
			}
			noSpool(t, h.PID, dir)
			if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 || len(st.Workers) != clients {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}
