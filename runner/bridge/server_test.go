package bridge

import (
	"bufio"
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
	each(t, func(t *testing.T, proto string) {
		release, began := make(chan struct{}), make(chan struct{})
		f := start(t, Limits{}, func(in *Incoming) {
			if in.Target == "/slow" {
				close(began)
				<-release
			}
			ok(in, "done")
		})
		idle := f.client(proto)
		resp, err := idle.Get("https://" + f.addr + "/")
		read(t, resp, err)
		got := make(chan string, 1)
		go func() {
			resp, err := f.client(proto).Get("https://" + f.addr + "/slow")
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
	})
}

// A request that a client sent before it could know of the shutdown is
// answered.
func TestShutdownAnswersIdleConnections(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) { ok(in, "done") })
	c := f.dial()
	r := bufio.NewReader(c)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	read(t, resp, err)
	f.drain()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err = http.ReadResponse(r, nil)
	if got := read(t, resp, err); got != "done" || !resp.Close {
		t.Errorf("%q, close %t", got, resp.Close)
	}
}

// Who has connected when Shutdown begins, and has not even greeted yet, has his
// request answered, as the last one.
func TestShutdownLetsInWhoHasCome(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
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
			stopped := make(chan error, 1)
			go func() { stopped <- f.Shutdown(t.Context()) }()
			var all sync.WaitGroup
			for range clients {
				client := f.client(proto)
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
	})
}

func TestShutdownGivesUp(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		began, release := make(chan struct{}), make(chan struct{})
		f := start(t, Limits{}, func(in *Incoming) { close(began); <-release })
		defer close(release)
		go func() {
			resp, err := f.client(proto).Get("https://" + f.addr + "/")
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
	})
}
