package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// The load's own check: what it calls good and what it calls lost.
func TestLoadCountsEveryAnswer(t *testing.T) {
	cases := []struct {
		name  string
		serve http.HandlerFunc
		cause Cause // empty: all good
	}{
		{"good", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.Path) }, ""},
		{"bad gateway", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "status 502"},
		{"another's answer", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "/load/none") }, Wrong},
		{"closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Closed},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, Cut},
		{"reset", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		}, Reset},
		{"too slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, TimedOut},
	}
	for _, keep := range []bool{true, false} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s keep-alive=%v", c.name, keep), func(t *testing.T) {
				server := httptest.NewServer(c.serve)
				defer server.Close()
				load := &Load{
					App: "a", Addr: strings.TrimPrefix(server.URL, "http://"),
					Connections: 2, KeepAlive: keep, Timeout: patience,
				}
				if c.cause == TimedOut {
					load.Timeout = 200 * time.Millisecond
				}
				load.Start()
				eventually(t, patience, "four answers", func() error {
					if n := load.Counts(); n.Good+uint64(len(n.Lost)) < 4 {
						return fmt.Errorf("%v", n)
					}
					return nil
				})
				counts := load.Stop()
				if counts.Sent != counts.Good+uint64(len(counts.Lost)) {
					t.Errorf("a request has no outcome: %v", counts)
				}
				if c.cause == "" && len(counts.Lost) > 0 || c.cause != "" && counts.Good > 0 {
					t.Errorf("want only %q, have %v", c.cause, counts)
				}
				for _, l := range counts.Lost {
					if l.Cause != c.cause || l.Until.Before(l.Since) {
						t.Fatalf("want %q, have %v", c.cause, l)
					}
				}
			})
		}
	}
}

func TestLoadSeesARefusedConnection(t *testing.T) {
	load := &Load{App: "a", Addr: freeport.Addr(t), Connections: 1}
	load.Start()
	eventually(t, patience, "a loss", func() error {
		if len(load.Counts().Lost) == 0 {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	if counts := load.Stop(); counts.Good != 0 || counts.ByCause()[Refused] != len(counts.Lost) {
		t.Errorf("%v", counts)
	}
}
