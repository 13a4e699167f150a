package runner

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// What mongrel2 has sent while a master begins to drain is answered. (What mongrel2
// itself loses, as it has not heard yet that its handler leaves, gets no answer at
// all.)
func TestMongrel2DrainAnswersWhatHasCome(t *testing.T) {
	for range 4 {
		m2 := mongrel2test.Start(t, mongrel2test.Options{})
		a := newTestApp(t, "def application(e, s):\n s('200 OK', [('Content-Length', '2')])\n return [b'ok']\n", func(s *appspec.Spec) {
			s.Sockets.HTTP = nil
			s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: m2.Handlers[0].Recv, Send: m2.Handlers[0].Send}}
		})
		h := a.startWith(StateReady, nil, 1)
		a.mustLogLine("mongrel2 at " + m2.Handlers[0].Recv + " is ready")
		var answered atomic.Int64
		var draining atomic.Bool
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c := dial(t, m2.Addr)
					_ = c.SetDeadline(time.Now().Add(2 * time.Second))
					_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
					var resp *http.Response
					if err == nil {
						resp, err = http.ReadResponse(bufio.NewReader(c), nil)
					}
					_ = c.Close()
					switch {
					case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
						t.Errorf("a request that was taken was closed without an answer: %v", err)
						return
					case err != nil && !draining.Load():
						continue // this machine is busy
					case err != nil:
						return // mongrel2 has lost it
					case resp.StatusCode != http.StatusOK:
						t.Errorf("status %d", resp.StatusCode)
						return
					}
					answered.Add(1)
				}
			})
		}
		eventually(t, "there is load", func() bool { return answered.Load() > 40 || t.Failed() })
		draining.Store(true)
		if err := h.Drain(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := h.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		close(stop)
		clients.Wait()
	}
}
