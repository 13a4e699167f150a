package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestShutdown(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{})
	f := start(t, Limits{}, func(in *Incoming) {
		if in.Target == "/slow" {
			close(began)
			<-release
		}
		ok(in, "done")
	})
	idle := f.client()
	resp, err := idle.Get("https://" + f.addr + "/")
	read(t, resp, err)
	got := make(chan string, 1)
	go func() {
		resp, err := f.client().Get("https://" + f.addr + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-began
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		stopped <- f.Shutdown(ctx)
	}()
	// It waits for the request that is under way.
	select {
	case err := <-stopped:
		t.Fatal("Shutdown returned with a request under way:", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if body := <-got; body != "done" {
		t.Error(body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// Who has connected when Shutdown begins, and has not even greeted yet, has his
// request answered, as the last one.
func TestShutdownLetsInWhoHasCome(t *testing.T) {
	for range 5 {
		f := start(t, Limits{}, func(in *Incoming) { ok(in, "done") })
		const clients = 20
		conns := make(chan net.Conn, clients)
		for range clients {
			c, err := net.Dial("tcp", f.addr)
			if err != nil {
				t.Fatal(err)
			}
			conns <- c
		}
		f.until("all to be there", func() bool { return f.Connections() == clients })
		stopped := make(chan error, 1)
		go func() { stopped <- f.Shutdown(t.Context()) }()
		var all sync.WaitGroup
		for range clients {
			client := f.client()
			client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
				select {
				case c := <-conns:
					return c, nil
				default:
					return nil, errors.New("its connection was cut")
				}
			}
			all.Go(func() {
				resp, err := client.Get("https://" + f.addr + "/")
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if b, err := io.ReadAll(resp.Body); string(b) != "done" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
			})
		}
		all.Wait()
		select {
		case err := <-stopped:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("Shutdown waits for connections that have had their last answer")
		}
	}
}

func TestShutdownGivesUp(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	f := start(t, Limits{}, func(in *Incoming) { close(began); <-release })
	defer close(release)
	go func() {
		resp, err := f.client().Get("https://" + f.addr + "/")
		if err == nil {
			resp.Body.Close()
		}
	}()
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := f.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	<-f.cancelled
}
