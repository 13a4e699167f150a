package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStreaming(t *testing.T) {
	next := make(chan struct{})
	f := start(t, Limits{}, func(in *Incoming) {
		in.Sink.Head(head(200, "200 OK", "", -1), nil, false)
		for range 3 {
			<-next
			in.Sink.Data([]byte("piece"), false)
		}
		in.Sink.Data(nil, true)
	})
	req := f.request(t.Context(), http.MethodGet, "/", nil)
	resp, err := f.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// Each piece comes before the next is made.
	buf := make([]byte, 5)
	for range 3 {
		next <- struct{}{}
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "piece" {
			t.Fatalf("%v %q", err, buf)
		}
	}
	if n, err := resp.Body.Read(buf); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
}

// A client that does not read holds nobody up, and gets everything later.
func TestSlowClient(t *testing.T) {
	const pieces, size = 300, 64 << 10
	done := make(chan struct{})
	f := start(t, Limits{}, func(in *Incoming) {
		in.Sink.Head(head(200, "200 OK", "", -1), nil, false)
		for i := range pieces {
			in.Sink.Data(bytes.Repeat([]byte{byte(i)}, size), i == pieces-1)
		}
		close(done)
	})
	req := f.request(t.Context(), http.MethodGet, "/", nil)
	resp, err := f.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-done // nothing of the body has been read yet
	for i := range pieces {
		b := make([]byte, size)
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			t.Fatal(i, err)
		}
		if b[0] != byte(i) || b[size-1] != byte(i) {
			t.Fatalf("piece %d holds %d", i, b[0])
		}
	}
	if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte("0123456789"), 50000), 0o600); err != nil {
		t.Fatal(err)
	}
	f := start(t, Limits{}, func(in *Incoming) {
		file, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		switch in.Target {
		case "/clipped":
			in.Sink.Head(head(200, "200 OK", "", 3), nil, false)
		default:
			in.Sink.Head(head(200, "200 OK", "", -1), []byte("before"), false)
		}
		in.Sink.File(file, 5, 400000, false)
		in.Sink.Data([]byte("after"), true)
		if in.Target == "/twice" {
			return
		}
	})
	c := f.client()
	resp, err := c.Get("https://" + f.addr + "/")
	want := "before" + strings.Repeat("5678901234", 40000) + "after"
	if got := read(t, resp, err); got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	resp, err = c.Get("https://" + f.addr + "/clipped")
	if got := read(t, resp, err); got != "567" {
		t.Errorf("%q where Content-Length is 3", got)
	}
}

func TestClientGone(t *testing.T) {
	for _, streaming := range []bool{false, true} {
		began := make(chan *Incoming, 1)
		f := start(t, Limits{}, func(in *Incoming) {
			if streaming {
				in.Sink.Head(head(200, "200 OK", "", -1), []byte("x"), false)
			}
			began <- in
		})
		ctx, cancel := context.WithCancel(t.Context())
		req := f.request(ctx, http.MethodGet, "/", nil)
		errs := make(chan error, 1)
		go func() {
			resp, err := f.client().Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			errs <- err
		}()
		in := <-began
		cancel()
		if err := <-errs; err == nil {
			t.Error("the client was not cut off")
		}
		deadline := time.After(time.Minute)
	told:
		for {
			select {
			case got := <-f.cancelled:
				if got != in || in.Ended() {
					t.Error("another request was cancelled")
				}
				break told
			case <-deadline:
				t.Fatal("nobody was told that the client is gone")
			}
		}
		// What the worker sends now goes nowhere.
		if !streaming {
			in.Sink.Head(head(200, "200 OK", "", -1), nil, false)
		}
		in.Sink.Data([]byte("late"), false)
		file, err := os.Open(f.certFile)
		if err != nil {
			t.Fatal(err)
		}
		in.Sink.File(file, 0, 10, true)
		if _, err := file.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Error("a file that nobody takes stays open")
		}
	}
}

func TestBrokenResponses(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) {
		switch in.Target {
		case "/fail":
			in.Sink.Fail(503, "no worker was free within 30s")
		case "/abort":
			in.Sink.Head(head(200, "200 OK", "", -1), []byte("part"), false)
			in.Sink.Fail(502, "the worker died")
		case "/short":
			in.Sink.Head(head(200, "200 OK", "", 10), []byte("part"), true)
		case "/long":
			in.Sink.Head(head(200, "200 OK", "", 3), []byte("partial"), true)
		}
	})
	c := f.client()
	resp, err := c.Get("https://" + f.addr + "/fail")
	if got := read(t, resp, err); resp.StatusCode != http.StatusServiceUnavailable || got != "503 Service Unavailable: no worker was free within 30s\n" || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("X-Wsgid") != "1.0.0" {
		t.Errorf("%d %q %v", resp.StatusCode, got, resp.Header)
	}
	resp, err = c.Get("https://" + f.addr + "/long")
	if got := read(t, resp, err); got != "par" {
		t.Errorf("%q where Content-Length is 3", got)
	}
	for _, path := range []string{"/abort", "/short"} {
		resp, err := c.Get("https://" + f.addr + path)
		status := 0
		if err == nil {
			status = resp.StatusCode
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil && (path != "/abort" || status != 502) {
			t.Errorf("%s: the client takes a part for the whole", path)
		}
	}
	const want = "a response was 6 bytes shorter than its Content-Length; it is truncated"
	f.until(want, func() bool { return strings.Contains(f.log(), want) })
}

// A response that fails when a part of it has been sent is seen to be not complete.
func TestAbortedStream(t *testing.T) {
	received := make(chan struct{})
	f := start(t, Limits{}, func(in *Incoming) {
		in.Sink.Head(head(200, "200 OK", "", -1), []byte("part"), false)
		<-received
		in.Sink.Fail(502, "the worker died")
	})
	resp, err := f.client().Get("https://" + f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.ReadFull(resp.Body, make([]byte, 4))
	received <- struct{}{}
	if rest, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the response ended with %q", rest)
	}
}

func TestNoBody(t *testing.T) {
	f := start(t, Limits{}, func(in *Incoming) {
		switch in.Target {
		case "/204":
			in.Sink.Head(head(204, "204 No Content", "", -1), []byte("never"), true)
		case "/304":
			in.Sink.Head(head(304, "304 Not Modified", "Etag: x\r\n", 9), []byte("never"), true)
		default:
			in.Sink.Head(head(200, "200 OK", "", 9), []byte("some body"), true)
		}
	})
	c := f.client()
	for _, target := range []string{"/204", "/304", "/head"} {
		method := "GET"
		if target == "/head" {
			method = "HEAD"
		}
		for range 2 {
			req := f.request(t.Context(), method, target, nil)
			resp, err := c.Do(req)
			if got := read(t, resp, err); got != "" {
				t.Errorf("%s: %q", target, got)
			}
			if length := resp.Header.Get("Content-Length"); target == "/head" && length != "9" || target == "/204" && length != "" {
				t.Errorf("%s: Content-Length %q", target, length)
			}
		}
	}
}
