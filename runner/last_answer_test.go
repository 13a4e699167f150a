package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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
`, size), func(s *appspec.Spec) {
		s.Workers.Threads, s.Workers.StopTimeout = clients, appspec.Duration(patience)
	})
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
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil || !resp.Close {
				t.Errorf("the client is not told that this is the last answer: %v", err)
				return
			}
			if _, err := io.WriteString(c, "GET /?more HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
				t.Errorf("%d bytes of %d, %v", n, size, err)
			}
		})
	}
	wg.Wait()
	if err := h.Wait(a.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a.spec.Path, "inmore")); err == nil {
		t.Error("a request beyond the last answer was run")
	}
}

// Over HTTP/2 who reads an answer says all the time that it may go on, also when all of it
// was sent and the server, which stops or has other limits from now on, is done with the
// connection.
func TestLastAnswerOfASlowClientOverHTTP2(t *testing.T) {
	t.Parallel()
	const size = 500_000
	for what, change := range map[string]func(*testing.T, *testApp, *Handle){
		"stop": func(t *testing.T, a *testApp, h *Handle) {
			if err := h.Drain(a.ctx(), nil); err != nil {
				t.Fatal(err)
			}
		},
		"limits": func(_ *testing.T, a *testApp, h *Handle) {
			a.update(h, func(s *appspec.Spec) { s.Request.KeepAliveTimeout = appspec.Duration(7 * time.Second) })
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			a, w := secureApp(t, fmt.Sprintf(`
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * %d]
`, size), func(s *appspec.Spec) { s.Workers.StopTimeout = appspec.Duration(patience) })
			h := a.start(StateReady)
			tr := &http.Transport{TLSClientConfig: w.tls, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, a.addr)
				if err == nil {
					err = c.(*net.TCPConn).SetReadBuffer(16 << 10)
				}
				return c, err
			}}
			defer tr.CloseIdleConnections()
			req, err := http.NewRequestWithContext(a.ctx(), http.MethodGet, "https://127.0.0.1/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			change(t, a, h)
			got, buf := 0, make([]byte, 32<<10)
			for err == nil {
				var n int
				n, err = resp.Body.Read(buf)
				got += n
				time.Sleep(20 * time.Millisecond) // its pace
			}
			if got != size || !errors.Is(err, io.EOF) || resp.ProtoMajor != 2 {
				t.Errorf("%s: %d bytes of %d, then %v", resp.Proto, got, size, err)
			}
		})
	}
}
