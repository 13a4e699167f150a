package bridge

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// dialed counts the connections of a client.
func dialed(c *http.Client) *atomic.Int64 {
	n := new(atomic.Int64)
	c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return n
}

// A change of keep_alive_timeout comes to connections that are open: who is idle
// has another one for his next request, and that one ends after the new time.
func TestKeepAliveTimeoutIsLive(t *testing.T) {
	f := start(t, Limits{KeepAliveTimeout: time.Hour}, func(in *Incoming) { ok(in, "done") })
	client := f.client()
	n := dialed(client)
	get := func() {
		t.Helper()
		resp, err := client.Get("https://" + f.addr + "/")
		if got := read(t, resp, err); got != "done" {
			t.Error(got)
		}
	}
	get()
	get()
	if n.Load() != 1 {
		t.Fatalf("%d connections", n.Load())
	}
	f.LimitsChanged() // nothing has: it stays open
	get()
	if n.Load() != 1 {
		t.Fatalf("%d connections, and nothing was changed", n.Load())
	}
	f.setLimits(func(l *Limits) { l.KeepAliveTimeout = 100 * time.Millisecond })
	f.LimitsChanged()
	get()
	f.until("the idle connection ends", func() bool { return f.Connections() == 0 })
	f.setLimits(func(l *Limits) { l.KeepAliveTimeout = time.Hour })
	f.LimitsChanged()
	before := n.Load()
	get()
	get()
	if n.Load() != before+1 {
		t.Errorf("%d connections for two requests", n.Load()-before)
	}
}

// A response that is under way goes on over the change, for as long as it takes,
// and its connection ends behind it.
func TestResponseOverChangedLimits(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	f := start(t, Limits{KeepAliveTimeout: time.Hour}, func(in *Incoming) {
		in.Sink.Head(head(200, "200 OK", "Content-Type: text/plain\r\n", -1), []byte("first "), false)
		close(began)
		<-release
		in.Sink.Data([]byte("last"), true)
	})
	client := f.client()
	resp, err := client.Get("https://" + f.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	<-began
	f.setLimits(func(l *Limits) { l.KeepAliveTimeout = 50 * time.Millisecond })
	f.LimitsChanged()
	// Longer than an idle connection is kept, and than net/http waits for the end of
	// one that is told GOAWAY.
	time.Sleep(1500 * time.Millisecond)
	close(release)
	if got := read(t, resp, nil); got != "first last" {
		t.Errorf("%q", got)
	}
	f.until("the connection ends", func() bool { return f.Connections() == 0 })
}

// No request is lost while the limits change all the time.
func TestNoRequestIsLostWhenLimitsChange(t *testing.T) {
	f := start(t, Limits{KeepAliveTimeout: time.Hour}, func(in *Incoming) { ok(in, "done") })
	var stop atomic.Bool
	var good atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		client := f.client()
		for range 4 {
			all.Go(func() {
				for !stop.Load() {
					resp, err := client.Post("https://"+f.addr+"/", "text/plain", strings.NewReader("body"))
					if err != nil {
						t.Error(err)
						return
					}
					b, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if string(b) != "done" || err != nil {
						t.Errorf("%q, %v", b, err)
						return
					}
					good.Add(1)
				}
			})
		}
	}
	for i := range 30 {
		f.setLimits(func(l *Limits) { l.KeepAliveTimeout = time.Hour + time.Duration(i)*time.Second })
		f.LimitsChanged()
		before := good.Load()
		f.until("requests go on", func() bool { return good.Load() >= before+20 })
	}
	stop.Store(true)
	all.Wait()
}
