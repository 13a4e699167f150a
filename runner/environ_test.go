package runner

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// SERVER_PORT is the port of the connection. Where we do not know one, on a unix
// socket and behind mongrel2, it is the one that the client asked for.
func TestServerPort(t *testing.T) {
	t.Parallel()
	sock := ""
	a, h, ways := everyWay(t, pepApp, nil, func(s *appspec.Spec) {
		sock = filepath.Join(filepath.Dir(s.Path), "x.sock")
		s.Sockets.HTTP = append(s.Sockets.HTTP, appspec.HTTPSocket{Listen: "unix:" + sock, Mode: 0o666})
	})
	environ := func(w way, lines string) map[string]any {
		t.Helper()
		if w.name != "unix" {
			return w.environ(t, "GET /environ HTTP/1.1\r\n"+lines+"\r\n")
		}
		c, err := net.Dial("unix", sock)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return w.environOn(t, c, "GET /environ HTTP/1.1\r\n"+lines+"\r\n")
	}
	_, tcp, err := net.SplitHostPort(ways[0].addr)
	if err != nil {
		t.Fatal(err)
	}
	_, secure, err := net.SplitHostPort(ways[2].addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		w           way
		lines, want string
	}{
		{ways[0], "Host: h:81\r\n", tcp}, {ways[0], "Host: h\r\n", tcp},
		{ways[1], "Host: h:81\r\n", "81"}, {ways[1], "Host: h\r\n", "80"}, {ways[1], "Host: [::1]\r\n", "80"}, {ways[1], "Host: [::1]:82\r\n", "82"},
		{ways[2], "Host: h:81\r\n", secure},
		{way{name: "unix"}, "Host: h:81\r\n", "81"}, {way{name: "unix"}, "Host: h\r\n", "80"},
		{way{name: "unix"}, "Host: [::1]:82\r\n", "82"}, {way{name: "unix"}, "Host:\r\n", "80"},
	} {
		e := environ(c.w, c.lines)
		if e["SERVER_PORT"] != c.want || e["SERVER_NAME"] == "" {
			t.Errorf("%s, %q: SERVER_PORT %q, want %q; SERVER_NAME %q", c.w.name, c.lines, e["SERVER_PORT"], c.want, e["SERVER_NAME"])
		}
	}
	next := *a.spec
	next.Request.TrustedProxies = []string{"127.0.0.0/8"}
	if err := h.Update(a.ctx(), &next, 2, false); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[string]string{
		"Host: h:81\r\nX-Forwarded-Proto: https\r\n": "81", "Host: h\r\nX-Forwarded-Proto: https\r\n": "443",
		"Host: h\r\nX-Forwarded-For: 9.9.9.9\r\n": "80", "Host: h:81\r\nX-Forwarded-For: 9.9.9.9\r\n": "81",
	} {
		if got := environ(ways[1], lines)["SERVER_PORT"]; got != want {
			t.Errorf("mongrel2, %q: SERVER_PORT %q, want %q", lines, got, want)
		}
	}
	a.checkValidator()
}

// wsgi.multiprocess is what is so at the time of the request, also for a worker
// that was started when it was otherwise.
func TestMultiprocessFollowsTheWorkers(t *testing.T) {
	t.Parallel()
	a, h, ways := everyWay(t, pepApp, nil, nil)
	st, err := h.Status(a.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	first := pids(st)
	check := func(want bool) {
		t.Helper()
		for _, w := range ways {
			if got := w.environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n\r\n")["wsgi.multiprocess"]; got != want {
				t.Errorf("%s: wsgi.multiprocess is %v, want %v", w.name, got, want)
			}
		}
	}
	scale := func(lo, hi, workers int) {
		t.Helper()
		if err := h.Scale(a.ctx(), lo, hi); err != nil {
			t.Fatal(err)
		}
		st = a.wait(h, func(st Status) bool { return st.State == StateReady && len(st.Workers) == workers })
	}
	check(false)
	scale(1, 2, 1) // another may be started at any time
	for pid := range pids(st) {
		if !first[pid] {
			t.Errorf("worker %d was started anew: the test shows nothing", pid)
		}
	}
	check(true)
	scale(2, 2, 2)
	for range 10 { // whichever answers
		check(true)
	}
	scale(1, 1, 1)
	check(false)
	a.checkValidator()
}

// A header that is not given to the application does not vanish without a word.
func TestDroppedHeadersAreTold(t *testing.T) {
	t.Parallel()
	a, h, ways := everyWay(t, pepApp, nil, func(s *appspec.Spec) { s.Debug = true })
	ask := func(w way, path string) {
		t.Helper()
		e := w.environ(t, "GET /environ/"+path+" HTTP/1.1\r\nHost: h\r\nOIDC_Claim_name: ann\r\nX-Fine: 1\r\nproxy: p\r\n\r\n")
		if e["HTTP_X_FINE"] != "1" || e["HTTP_OIDC_CLAIM_NAME"] != nil || e["HTTP_PROXY"] != nil {
			t.Errorf("%s: %v", w.name, e)
		}
	}
	for _, w := range ways {
		ask(w, w.name)
		a.mustLogLine("DEBUG - GET /environ/"+w.name+": not given to the application: ", "underscore")
		if w.name != "mongrel2" { // which tells names in lower case, and in its own order
			a.mustLogLine(w.name + ": not given to the application: OIDC_Claim_name, ")
		}
	}
	if strings.Contains(a.logText(), "X-Fine") || strings.Contains(a.logText(), "ann") {
		t.Error("the log holds more than the names of what is dropped")
	}
	next := *a.spec
	next.Debug = false
	if err := h.Update(a.ctx(), &next, 2, false); err != nil {
		t.Fatal(err)
	}
	ask(ways[0], "quiet")
	ask(ways[0], "quiet")
	if strings.Contains(a.logText(), "quiet: not given") {
		t.Error("it is told without debug")
	}
}
