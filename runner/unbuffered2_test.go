package runner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// clientBy is a client that speaks HTTP, HTTPS or HTTP2 to a test's certificate.
func clientBy(t *testing.T, proto string) (web *http.Client, scheme string) {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(proto != "HTTP2")
	p.SetHTTP2(proto == "HTTP2")
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: &p}
	t.Cleanup(tr.CloseIdleConnections)
	scheme = "https://"
	if proto == "HTTP" {
		scheme = "http://"
	}
	return &http.Client{Transport: tr, Timeout: patience}, scheme
}

// By HTTP/2 a body is read as it arrives too, and streams that wait for a worker do not
// hold up the one that a worker reads.
func TestBodyIsReadAsItArrivesByHTTP2(t *testing.T) {
	t.Parallel()
	a := unbuffered(t, func(s *appspec.Spec) {
		s.Sockets.HTTP[0].TLS = writeCertificate(t, t.TempDir())
		s.Request.MaxBody = 3 << 20
	})
	h := a.start(StateReady)
	web, scheme := clientBy(t, "HTTP2")
	type result struct {
		status int
		body   string
		err    error
	}
	post := func(ctx context.Context, target string, body io.Reader, length int64) <-chan result {
		done := make(chan result, 1)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+a.addr+target, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		go func() {
			resp, err := web.Do(r)
			if err != nil {
				done <- result{err: err}
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if resp.Proto != "HTTP/2.0" {
				err = errors.Join(err, errors.New("it was "+resp.Proto))
			}
			done <- result{resp.StatusCode, string(b), err}
		}()
		return done
	}
	want := func(done <-chan result, status int, body string) {
		t.Helper()
		if r := <-done; r.err != nil || r.status != status || body != "" && r.body != body {
			t.Errorf("%d %q %v, not %d %q", r.status, r.body, r.err, status, body)
		}
	}
	begin := func(ctx context.Context, target string, length int64) (<-chan result, *io.PipeWriter) {
		t.Helper()
		body, w := io.Pipe()
		done := post(ctx, target, body, length)
		_, _ = io.WriteString(w, "hello") // fails where the answer was faster
		return done, w
	}

	done, w := begin(a.ctx(), "/?length", 10)
	a.mustLogLine("request length first b'hello'")
	_, _ = io.WriteString(w, "world")
	_ = w.Close()
	want(done, 200, "hello|world|10")

	done, w = begin(a.ctx(), "/?unknown", -1)
	a.mustLogLine("request unknown first b'hello'")

	// All of the one worker's others wait, with more than a connection takes by default.
	const beside, size = 30, 200_000
	var others []<-chan result
	for i := range beside {
		others = append(others, post(a.ctx(), fmt.Sprintf("/hash?%d", i), strings.NewReader(strings.Repeat("x", size)), size))
	}
	a.wait(h, func(st Status) bool { return st.Requests.Active == beside+1 })
	_, _ = io.WriteString(w, strings.Repeat("world", 100_000))
	_ = w.Close()
	want(done, 200, "hello|"+strings.Repeat("world", 100_000)+"|none")
	for _, done := range others {
		want(done, 200, "")
	}

	done, w = begin(a.ctx(), "/early", 10)
	want(done, 200, "early")
	_ = w.Close()

	ctx, leave := context.WithCancel(a.ctx())
	done, w = begin(ctx, "/?gone", -1)
	a.mustLogLine("request gone first b'hello'")
	leave()
	_ = w.CloseWithError(context.Canceled)
	if r := <-done; r.err == nil {
		t.Errorf("who left is answered: %v", r)
	}
	a.mustLogLine("request gone raised ClientGone True")

	done, w = begin(a.ctx(), "/?large", -1)
	a.mustLogLine("request large first b'hello'")
	go func() {
		_, _ = w.Write(make([]byte, 3<<20))
		_ = w.Close()
	}()
	want(done, 413, "")
	a.mustLogLine("request large raised ClientGone True")

	done = post(a.ctx(), "/?after", strings.NewReader("helloworld"), 10)
	want(done, 200, "hello|world|10")
	st := a.wait(h, func(st Status) bool { return st.Requests.Active == 0 })
	if st.Restarts != 0 || st.Requests.Timeouts != 0 || st.Requests.Errors != 0 {
		t.Errorf("%+v", st)
	}
}
