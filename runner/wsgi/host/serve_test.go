package host_test

import (
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const hello = `
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]
`

func TestSimpleResponseIsOneMessage(t *testing.T) {
	dir := appFolder(t, map[string]string{"app/web.py": hello})
	w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application"}})
	if ready.Loader != "wsgi" || ready.App != "web:application" || ready.ImportMS <= 0 || ready.Python == "" {
		t.Errorf("ready is %+v", ready)
	}
	for range 3 {
		r := w.get("/")
		if r.String() != "200 OK hello\n" || r.kinds != "h" || !r.last {
			t.Errorf("got %+v", r)
		}
		if r.header("Content-Type") != "text/plain" || r.header("Content-Length") != "6" {
			t.Errorf("headers %q", r.headers)
		}
	}
	if log := w.quit(); log != "" {
		t.Errorf("log: %s", log)
	}
}
