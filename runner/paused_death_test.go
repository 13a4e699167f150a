package runner

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A worker that is killed while it waits for its client, who does not read, ends that
// response; the master, and what else it serves, goes on.
func TestWorkerThatDiesWhileItWaitsForItsClient(t *testing.T) {
	for _, kind := range []string{"http", "mongrel2", "https", "HTTP/2"} {
		t.Run(kind, func(t *testing.T) {
			var dir string
			a, h, ways := everyWay(t, bulkApp, nil, func(s *appspec.Spec) {
				dir = spoolFolder(t)
				s.Request.ResponseBuffer, s.Request.Spool = 1<<20, 4<<20
				s.Request.BodyTimeout, s.Request.MinRate = appspec.Duration(5*patience), 0 // nobody is let go for what is tried
			})
			const path = "/stream?320" // 40 MiB
			i := map[string]int{"http": 0, "mongrel2": 1, "https": 2, "HTTP/2": 2}[kind]
			w := ways[i]
			if kind == "HTTP/2" {
				c := w.client2(t)
				go func() {
					if resp, err := c.Get("https://" + w.addr + path); err == nil {
						t.Cleanup(func() { _ = resp.Body.Close() })
					}
				}()
			} else if _, err := io.WriteString(w.narrow(t, 4<<10), "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			last, since := int64(0), time.Now()
			eventually(t, "the worker to wait", func() bool {
				if n := spoolSize(t, h.PID, dir); n != last {
					last, since = n, time.Now()
				}
				return last > 0 && time.Since(since) > 300*time.Millisecond
			})
			st, err := h.Status(a.ctx(), 0)
			if err != nil || st.Requests.Active != 1 || len(st.Workers) != 1 {
				t.Fatalf("%+v, %v", st, err)
			}
			if err := syscall.Kill(st.Workers[0].PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			a.wait(h, func(now Status) bool {
				return now.State == StateReady && now.Restarts == 1 && now.Requests.Active == 0 && now.Workers[0].PID != st.Workers[0].PID
			})
			a.mustLogLine("GET /stream: 502: worker ", " died: killed by SIGKILL")
			if got := w.get(t, "/"); got.StatusCode != 200 {
				t.Errorf("afterwards: %s", got.Status)
			}
			if kind != "HTTP/2" { // there a client may still read what had come
				noSpool(t, h.PID, dir)
			}
		})
	}
}
