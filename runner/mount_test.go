package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

const mountApp = `
def application(environ, start_response):
    body = ("%s %s" % (environ["SCRIPT_NAME"], environ["PATH_INFO"])).encode()
    start_response("200 OK" if environ["PATH_INFO"] != "/healthz" or environ["SCRIPT_NAME"] else "500 Lost", [("Content-Length", str(len(body)))])
    return [body]
`

// An app below a prefix is told where it is, whether the proxy in front cuts the
// prefix off or not, and after a change in place.
func TestMount(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, mountApp, func(s *appspec.Spec) {
		s.ScriptName = "/blog"
		s.Static = []appspec.Static{{URL: "/static/", Dir: "assets"}}
		s.Health = &appspec.Health{Path: "/healthz", Interval: appspec.Duration(50 * time.Millisecond), Timeout: appspec.Duration(time.Minute), Failures: 1}
		s.Request.TrustedProxies = []string{"127.0.0.0/8"}
		s.Request.TrustedHeaders = []string{"x-forwarded-prefix"}
	})
	if err := os.MkdirAll(filepath.Join(a.spec.Path, "assets"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.spec.Path, "assets", "a.txt"), []byte("asset"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := a.start(StateReady)
	a.wait(h, func(st Status) bool { return st.Health != nil && st.Health.OK })
	check := func(rows map[string]string) {
		t.Helper()
		for path, want := range rows {
			if code, got := a.get(path); code != 200 || got != want {
				t.Errorf("%s: %d %q, want %q", path, code, got, want)
			}
		}
	}
	check(map[string]string{
		"/blog/x": "/blog /x", "/blog": "/blog ", "/blog/": "/blog /", "/blog/a%2Fb": "/blog /a/b",
		"/x": "/blog /x", "/blogs/x": "/blog /blogs/x", // the proxy has cut it off
		"/static/a.txt": "asset", "/blog/static/a.txt": "asset",
	})
	if got := a.raw("GET /blog/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-Prefix: /outer\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "/outer /blog/x") {
		t.Errorf("a proxy's prefix: %q", got)
	}
	spec := *a.spec
	spec.ScriptName = "/new"
	if err := h.Update(a.ctx(), &spec, 2, false); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{"/blog/x": "/new /blog/x", "/new/x": "/new /x", "/new/static/a.txt": "asset", "/blog/static/a.txt": "/new /blog/static/a.txt"})
}

// Without script_name, SCRIPT_NAME of the environment counts where it is a prefix.
func TestMountOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"/blog": "/blog /x", "blog": " /blog/x", "/blog/": " /blog/x"} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			t.Parallel()
			a := newTestApp(t, mountApp, func(s *appspec.Spec) { s.Env = map[string]string{"SCRIPT_NAME": value} })
			a.start(StateReady)
			if code, got := a.get("/blog/x"); code != 200 || got != want {
				t.Errorf("%d %q, want %q", code, got, want)
			}
		})
	}
}
