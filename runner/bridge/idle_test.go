package bridge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Who has been idle longest is let go first, and told by GOAWAY. Who has a request, or has only just had one, stays.
func TestShedIdle(t *testing.T) {
	const age = 50 * time.Millisecond
	began, release := make(chan struct{}), make(chan struct{})
	f := start(t, Limits{KeepAliveTimeout: time.Hour}, func(in *Incoming) {
		if in.Target == "/wait" {
			close(began)
			<-release
		}
		ok(in, "done")
	})
	get := func(c *http.Client, path string) {
		t.Helper()
		resp, err := c.Get("https://" + f.addr + path)
		if got := read(t, resp, err); got != "done" {
			t.Error(got)
		}
	}
	shed := func(n int) int { return f.ShedIdle(n, age) }
	busy, old, young := f.client(), f.client(), f.client()
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		get(busy, "/wait")
	}()
	<-began
	get(old, "/")
	f.until("the first to be idle", func() bool { return shed(0) == 0 && idleConns(f.Server) == 1 })
	get(young, "/")
	f.until("the second to be idle", func() bool { return idleConns(f.Server) == 2 })
	time.Sleep(2 * age) // what is measured
	again := dialed(young)
	if n := shed(1); n != 1 {
		t.Fatalf("%d go", n)
	}
	f.until("one to be gone", func() bool { return f.Connections() == 2 })
	get(young, "/")
	if again.Load() != 0 {
		t.Error("it was the younger one")
	}
	// However long it takes to come here.
	f.until("the younger one to be idle", func() bool { return idleConns(f.Server) == 1 })
	if n := f.ShedIdle(5, time.Minute); n != 0 {
		t.Errorf("%d go that were used since", n)
	}
	if n := f.ShedIdle(5, 0); n != 1 {
		t.Errorf("%d go, want the one that is not at a request", n)
	}
	// Else its next request may be on the way to the connection that goes, and be
	// answered there.
	f.until("the younger one to be gone", func() bool { return f.Connections() == 1 })
	get(young, "/") // on another connection
	close(release)
	<-waited
	get(old, "/") // on another connection
	f.until("all to be idle", func() bool { return idleConns(f.Server) == 3 })
	time.Sleep(2 * age)
	if n := shed(5); n != 3 {
		t.Errorf("%d of 3 go", n)
	}
	f.until("all to be gone", func() bool { return f.Connections() == 0 })
	if l := f.log(); l != "" {
		t.Errorf("said: %s", l)
	}
}

func idleConns(s *Server) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.http2 {
		if since, _ := c.idleSince(); !since.IsZero() {
			n++
		}
	}
	return n
}

// A client that is let go hears GOAWAY without an error. A request that is on its way
// then is answered; or the client hears that it was not begun, and sends it again.
func TestShedBetweenFrames(t *testing.T) {
	const block = "\x82\x84\x87\x41\x01h"
	request := h2frame(frameHeaders, flagEndOfHeaders|1, 1, block)
	goAway := h2frame(frameGoAway, 0, 0, strings.Repeat("\x00", 8)) // no stream, no error
	for cut := range len(request) {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			t.Parallel()
			f := start(t, Limits{KeepAliveTimeout: time.Hour}, func(in *Incoming) { ok(in, "reached") })
			c := f.dialH2()
			f.until("it is idle", func() bool { return idleConns(f.Server) == 1 })
			if _, err := io.WriteString(c, request[:cut]); err != nil {
				t.Fatal(err)
			}
			if cut == 0 {
				if n := f.ShedIdle(1, 0); n != 1 {
					t.Fatal("it is not shed")
				}
				got, err := io.ReadAll(c)
				if err != nil || !strings.Contains(string(got), goAway) {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			f.ShedIdle(1, 0)
			if _, err := io.WriteString(c, request[cut:]); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			buf := make([]byte, 4096)
			for !strings.Contains(got.String(), "reached") {
				n, err := c.Read(buf)
				got.Write(buf[:n])
				if err != nil {
					if !errors.Is(err, io.EOF) || !strings.Contains(got.String(), goAway) {
						t.Fatalf("%v, %q", err, got.String())
					}
					return
				}
			}
		})
	}
}
