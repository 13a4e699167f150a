package runner

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/http1"
)

// A head is as large as the spec says, by whatever protocol it comes, and on the
// connections that are open when that changes.
func TestLimitsOfAHead(t *testing.T) {
	t.Parallel()
	files := writeCertificate(t, t.TempDir())
	plain := newTestApp(t, helloApp, nil)
	secure := newTestApp(t, helloApp, func(s *appspec.Spec) { s.Sockets.HTTP[0].TLS = files })
	type way struct {
		name   string
		app    *testApp
		h      *Handle
		url    string
		client *http.Client
	}
	ways := []way{
		{"HTTP/1.1", plain, plain.start(StateReady), "http://" + plain.addr, &http.Client{Transport: &http.Transport{}}},
		{"HTTP/1.1 over TLS", secure, secure.start(StateReady), "https://" + secure.addr, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}},
		{"HTTP/2", secure, nil, "https://" + secure.addr, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}},
	}
	ask := func(w *way, query, header, headers int) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/?"+strings.Repeat("a", query), nil)
		if err != nil {
			t.Fatal(err)
		}
		if header > 0 {
			req.Header.Set("A", strings.Repeat("x", header))
		}
		for range headers {
			req.Header.Add("B", "1")
		}
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	type row struct{ query, header, headers, status int }
	check := func(what string, rows []row) {
		t.Helper()
		for i := range ways {
			for _, r := range rows {
				if got := ask(&ways[i], r.query, r.header, r.headers); got != r.status {
					t.Errorf("%s, %s: %+v: %d", ways[i].name, what, r, got)
				}
			}
		}
	}
	change := func(set func(*appspec.Request)) {
		t.Helper()
		for _, w := range ways {
			if w.h == nil {
				continue
			}
			spec := *w.app.spec
			set(&spec.Request)
			w.app.spec = &spec
			if err := w.h.Update(w.app.ctx(), &spec, 2, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	check("by default", []row{
		{20_000, 0, 0, 200}, {0, 70_000, 0, 200}, {0, 0, 130, 200},
		{33_000, 0, 0, 414}, {0, 82_000, 0, 431}, {0, 0, 257, 431}, {0, 0, 0, 200},
	})
	change(func(r *appspec.Request) { r.MaxLine, r.MaxHead, r.MaxHeaders = 1<<10, 2<<10, 20 })
	check("lower", []row{{900, 0, 0, 200}, {1100, 0, 0, 414}, {0, 1500, 0, 200}, {0, 2100, 0, 431}, {0, 0, 15, 200}, {0, 0, 21, 431}})
	change(func(r *appspec.Request) {
		r.MaxLine, r.MaxHead, r.MaxHeaders = appspec.Size(http1.Most.MaxLine), appspec.Size(http1.Most.MaxHead), http1.Most.MaxFields
	})
	check("highest", []row{{48_000, 0, 0, 200}, {0, 110_000, 0, 200}, {0, 0, 1000, 200}})
	for _, a := range []*testApp{plain, secure} {
		for _, setting := range []string{"request.max_line", "request.max_head", "request.max_headers"} {
			a.mustLogLine("(" + setting + ")")
		}
	}
}

// The table allows what masters and gates can carry.
func TestHighestLimitsOfAHead(t *testing.T) {
	for path, most := range map[string]int{"request.max_line": http1.Most.MaxLine, "request.max_head": http1.Most.MaxHead, "request.max_headers": http1.Most.MaxFields} {
		if a := appspec.Table().Attribute[path]; int(a.Max) != most {
			t.Errorf("%s may be %v, and %d is the most", path, a.Max, most)
		}
	}
}
