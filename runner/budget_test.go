package runner

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
)

// narrow opens a connection whose kernel keeps few bytes of what is not read.
func (w way) narrow(t testing.TB, bytes int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(bytes); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	if w.tls != nil {
		return tls.Client(c, w.tls)
	}
	return c
}

// client2 speaks HTTP/2, and lets a stream have the least window there is.
func (w way) client2(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: w.tls.Clone(), ForceAttemptHTTP2: true,
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 16 << 10}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * patience}
}

// Clients that ask for more than request.response_buffer and request.spool hold,
// and read none of it, make the master no larger than that. When they must, workers
// wait, but not for long; who reads is served.
func TestBudgetOfResponses(t *testing.T) {
	const memory, spool, clients = 4 << 20, 16 << 20, 12
	for _, kind := range []string{"http", "https", "HTTP/2"} {
		t.Run(kind, func(t *testing.T) {
			var dir string
			a, h, ways := everyWay(t, bulkApp, nil, func(s *appspec.Spec) {
				dir = spoolFolder(t)
				s.Request.ResponseBuffer, s.Request.Spool = memory, spool
				s.Request.BodyTimeout = appspec.Duration(3 * time.Second)
			})
			w := ways[0]
			if kind != "http" {
				w = ways[2]
			}
			for _, w := range ways {
				w.get(t, "/") // what a first request needs is not counted
			}
			grown := peak(t, h.PID)
			const path = "/stream?80" // 10 MiB
			if kind == "HTTP/2" {
				c := w.client2(t)
				for range clients {
					go func() {
						if resp, err := c.Get("https://" + w.addr + path); err == nil {
							t.Cleanup(func() { _ = resp.Body.Close() })
						}
					}()
				}
			} else {
				for range clients {
					if _, err := io.WriteString(w.narrow(t, 4<<10), "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
				}
			}
			a.mustLogLine("GET /stream", "closed: it read nothing of its response for 3s (request.min_rate), while workers had to wait for clients")
			most := int64(0)
			eventually(t, "all of them to be gone", func() bool {
				most = max(most, spoolSize(t, h.PID, dir))
				st, err := h.Status(a.ctx(), 0)
				return err == nil && st.Requests.Total >= clients && st.Requests.Active == 0
			})
			if most > spool {
				t.Errorf("the spool had %d bytes", most)
			}
			// A connection costs something, whatever waits for it.
			if g := grown(); g > memory+clients*(128<<10)+memoryBar {
				t.Errorf("the master grew by %d KiB", g>>10)
			}
			if got := w.get(t, "/stream?80"); got.err != nil || len(got.body) != 80*131072 {
				t.Errorf("who reads got %d bytes, %v", len(got.body), got.err)
			}
			noSpool(t, h.PID, dir)
			if st, err := h.Status(a.ctx(), 0); err != nil || st.Restarts != 0 || len(st.Workers) != 1 {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}

// While workers must wait, clients that read nothing are let go soon, also those
// that hold no worker: what they have of the budget is what the others wait for.
func TestBudgetIsGivenBack(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, bulkApp, func(s *appspec.Spec) {
		s.Request.ResponseBuffer, s.Request.Spool = 1<<20, 16<<20
	})
	h := a.start(StateReady)
	w := way{addr: a.addr}
	begin := time.Now()
	ask := func(target string) {
		if _, err := io.WriteString(w.narrow(t, 4<<10), "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	idle := func(after uint64) {
		a.wait(h, func(st Status) bool { return st.Requests.Total == after && st.Requests.Active == 0 })
	}
	ask("/count?80")
	idle(1) // its response is whole: it has no worker
	ask("/stream?80")
	ask("/stream?80")
	idle(3)
	eventually(t, "the worker to be given the room of a client that has none", func() bool {
		return strings.Contains(a.logText(), "GET /count: closed: it read nothing of its response for 10s")
	})
	if log := a.logText(); strings.Contains(log, "request.body_timeout") {
		t.Errorf("a worker waited until a client was cut off for its own sake:\n%s", log)
	}
	if d := time.Since(begin); d < 9*time.Second {
		t.Errorf("they were closed after %v", d)
	}
}

// A client that reads less than request.min_rate is cut off; one that reads slowly,
// but more than that, gets all of it, however long the kernel's queue lets the
// master write nothing.
func TestLeastRate(t *testing.T) {
	const rate = 64 << 10
	a, _, ways := everyWay(t, bulkApp, nil, func(s *appspec.Spec) {
		s.Workers.Min, s.Workers.Max = 2, 2
		s.Request.BodyTimeout = appspec.Duration(5 * time.Second)
		s.Request.MinRate = rate
	})
	for _, kind := range []string{"http", "https", "HTTP/2"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := ways[0]
			if kind != "http" {
				w = ways[2]
			}
			open := func(pieces int) io.Reader {
				target := fmt.Sprintf("/stream?%d", pieces)
				if kind == "HTTP/2" {
					resp, err := w.client2(t).Get("https://" + w.addr + target)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = resp.Body.Close() })
					return resp.Body
				}
				c := w.narrow(t, 128<<10)
				if _, err := io.WriteString(c, "GET "+target+" HTTP/1.0\r\nHost: h\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				return c
			}
			var wg sync.WaitGroup
			wg.Go(func() { // ten times the rate, for more than two windows
				n, err := readAt(open(64), 10*rate)
				if err != nil || n < 64*131072 {
					t.Errorf("who reads slowly got %d bytes, %v", n, err)
				}
			})
			wg.Go(func() { // an eighth of the rate
				if n, err := readAt(open(640), rate/8); err == nil || n > 8<<20 {
					t.Errorf("who reads too slowly got %d bytes, %v", n, err)
				}
			})
			wg.Wait()
		})
	}
	t.Cleanup(func() {
		n := 0
		eventually(t, "three to be said to be too slow", func() bool {
			log, err := os.ReadFile(filepath.Join(a.spec.Path, applog.FileName))
			n = strings.Count(string(log), "closed: it read")
			return err == nil && n >= 3
		})
		if n != 3 {
			t.Errorf("%d are said to be too slow, want 3", n)
		}
	})
}

// readAt reads to the end at a rate in bytes a second.
func readAt(r io.Reader, rate int) (total int, err error) {
	begin := time.Now()
	b := make([]byte, 4<<10)
	for {
		n, err := r.Read(b)
		if total += n; err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		<-time.After(time.Until(begin.Add(time.Duration(float64(total) / float64(rate) * float64(time.Second)))))
	}
}
