package runner

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// What a proxy says is believed from trusted addresses alone, and the list may
// change while the app runs.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	sock := ""
	a, h, ways := everyWay(t, pepApp, nil, func(s *appspec.Spec) {
		sock = filepath.Join(filepath.Dir(s.Path), "x.sock")
		s.Sockets.HTTP = append(s.Sockets.HTTP, appspec.HTTPSocket{Listen: "unix:" + sock, Mode: 0o666})
	})
	const said = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4, 9.9.9.9\r\nX-Forwarded-Host: shop.example\r\n\r\n"
	check := func(what string, e map[string]any, addr, scheme, name string) {
		t.Helper()
		if e["REMOTE_ADDR"] != addr || e["wsgi.url_scheme"] != scheme || e["SERVER_NAME"] != name {
			t.Errorf("%s: REMOTE_ADDR %q, scheme %q, SERVER_NAME %q", what, e["REMOTE_ADDR"], e["wsgi.url_scheme"], e["SERVER_NAME"])
		}
	}
	unixEnviron := func() map[string]any {
		c, err := net.Dial("unix", sock)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return (way{addr: sock}).environOn(t, c, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said)
	}
	for _, w := range ways[:2] {
		check(w.name+", nobody is trusted", w.environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "127.0.0.1", "http", "h")
	}
	check("unix, nobody is trusted", unixEnviron(), "", "http", "h")
	if _, err := os.Stat(sock); err != nil {
		t.Error(err)
	}
	headers := a.spec.Request.TrustedHeaders
	change := func(trusted ...string) {
		t.Helper()
		next := *a.spec
		next.Request.TrustedProxies = trusted
		next.Request.TrustedHeaders = headers
		if err := h.Update(a.ctx(), &next, 2, false); err != nil {
			t.Fatal(err)
		}
	}
	change("127.0.0.0/8")
	check("http", ways[0].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "9.9.9.9", "https", "h")
	// mongrel2 writes X-Forwarded-For itself, the rest is the proxy's.
	check("mongrel2", ways[1].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "127.0.0.1", "https", "h")
	// A unix socket has no address: it is named by itself.
	check("unix, an address is trusted", unixEnviron(), "", "http", "h")
	change("unix")
	check("http, unix is trusted", ways[0].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "127.0.0.1", "http", "h")
	change("127.0.0.0/8", "unix")
	check("unix", unixEnviron(), "9.9.9.9", "https", "h")
	check("Forwarded", ways[0].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\nForwarded: for=\"[2001:db8::1]:99\";proto=https\r\n\r\n"), "2001:db8::1", "https", "h")
	check("https", ways[2].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "9.9.9.9", "https", "h")
	change("127.0.0.1", "9.9.9.9")
	check("a chain", ways[0].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "1.2.3.4", "https", "h")
	headers = append(headers, "x-forwarded-host")
	change("127.0.0.0/8")
	for _, w := range ways {
		if e := w.environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said); e["HTTP_HOST"] != "shop.example" || e["SERVER_NAME"] != "shop.example" {
			t.Errorf("%s, X-Forwarded-Host is named: %q", w.name, e["HTTP_HOST"])
		}
	}
	change("10.0.0.0/8")
	check("another is trusted", ways[0].environ(t, "GET /environ HTTP/1.1\r\nHost: h\r\n"+said), "127.0.0.1", "http", "h")
	a.checkValidator()
}

// frameworkApps are applications of frameworks from Debian's packages. Each
// has the same routes.
var frameworkApps = map[string]string{
	"django": `
import django
from django.conf import settings
settings.configure(DEBUG=False, SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], FILE_UPLOAD_MAX_MEMORY_SIZE=1000,
                   DATA_UPLOAD_MAX_MEMORY_SIZE=None,
                   LOGGING={"version": 1, "disable_existing_loggers": False, "handlers": {"c": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["c"]}},
                   MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

def hello(request, name): return HttpResponse("hello %s %s" % (name, request.get_host()))
def form(request):
    f = request.FILES["file"]
    return HttpResponse("%s %s %d" % (request.POST["word"], f.name, sum(len(c) for c in f.chunks())))
def stream(request): return StreamingHttpResponse("piece %d\n" % i for i in range(100))
def send(request): return FileResponse(open(request.GET["name"], "rb"))
def cookies(request):
    r = HttpResponse("ok"); r.set_cookie("a", "1"); r.set_cookie("b", "2"); return r
def nothing(request):
    r = HttpResponse(status=204); del r["Content-Type"]; return r  # wsgiref.validate insists
def boom(request): raise RuntimeError("boom of the view")
urlpatterns = [path("hello/<name>", hello), path("form", form), path("stream", stream), path("send", send), path("cookies", cookies), path("nothing", nothing), path("boom", boom)]
application = get_wsgi_application()
`,
	"flask": `
from flask import Flask, Response, request, send_file
application = Flask(__name__)

@application.route("/hello/<name>")
def hello(name): return "hello %s %s" % (name, request.host)
@application.route("/form", methods=["POST"])
def form():
    f = request.files["file"]
    return "%s %s %d" % (request.form["word"], f.filename, len(f.read()))
@application.route("/stream")
def stream(): return Response("piece %d\n" % i for i in range(100))
@application.route("/send")
def send(): return send_file(request.args["name"])
@application.route("/cookies")
def cookies():
    r = Response("ok"); r.set_cookie("a", "1"); r.set_cookie("b", "2"); return r
@application.route("/nothing")
def nothing():
    r = Response(status=204); del r.headers["Content-Type"]; return r
@application.route("/boom")
def boom(): raise RuntimeError("boom of the view")
`,
	"bottle": `
import os
from bottle import Bottle, request, response, static_file
application = Bottle()

@application.route("/hello/<name>")
def hello(name): return "hello %s %s" % (name, request.urlparts.netloc)
@application.post("/form")
def form():
    f = request.files.file
    return "%s %s %d" % (request.forms["word"], f.filename, len(f.file.read()))
@application.route("/stream")
def stream():
    response.content_type = "text/plain"
    for i in range(100): yield "piece %d\n" % i
@application.route("/send")
def send(): return static_file(os.path.basename(request.query.name), os.path.dirname(request.query.name))
@application.route("/cookies")
def cookies():
    response.set_cookie("a", "1"); response.set_cookie("b", "2"); return "ok"
@application.route("/nothing")
def nothing():
    response.status = 204
@application.route("/boom")
def boom(): raise RuntimeError("boom of the view")
`,
}

func TestFrameworks(t *testing.T) {
	for name, code := range frameworkApps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _, ways := everyWay(t, code, nil, func(s *appspec.Spec) {
				s.Python = "/usr/bin/python3"
				s.Middleware = []string{"wsgiref.validate:validator"}
			})
			file := filepath.Join(a.spec.Path, "data.txt")
			if err := os.WriteFile(file, []byte(strings.Repeat("0123456789", 50_000)), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) { testFramework(t, w, file) })
			}
			a.mustLogLine("boom of the view")
			a.checkValidator()
		})
	}
}

func testFramework(t *testing.T, w way, file string) {
	if got := w.get(t, "/hello/w%C3%B6rld%20x"); got.StatusCode != http.StatusOK || got.body != "hello wörld x h" {
		t.Errorf("hello: %s %q", got.Status, got.body)
	}
	if got := w.get(t, "/nowhere"); got.StatusCode != http.StatusNotFound {
		t.Errorf("nowhere: %s", got.Status)
	}
	for _, size := range []int{10, 300_000} {
		body := "--b\r\nContent-Disposition: form-data; name=\"word\"\r\n\r\nwürde\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n" +
			"Content-Type: application/octet-stream\r\n\r\n" + strings.Repeat("z", size) + "\r\n--b--\r\n"
		want := "würde f.bin " + map[int]string{10: "10", 300_000: "300000"}[size]
		if got := w.post(t, "/form", []byte(body), "Content-Type: multipart/form-data; boundary=b"); got.StatusCode != http.StatusOK || got.body != want {
			t.Errorf("form with %d bytes: %s %.200q", size, got.Status, got.body)
		}
		if w.name == "mongrel2" { // it takes no chunks
			continue
		}
		// Frameworks go by the length, and one takes chunks apart once more where a header
		// says that there were some (findings/django-reads-no-body-without-a-length.sh).
		if got := w.postChunked(t, "/form", []byte(body), 10_000, "Content-Type: multipart/form-data; boundary=b"); got.StatusCode != http.StatusOK || got.body != want {
			t.Errorf("form with %d bytes in chunks: %s %.200q", size, got.Status, got.body)
		}
	}
	if got := w.get(t, "/stream"); strings.Count(got.body, "piece ") != 100 || got.err != nil {
		t.Errorf("stream: %s %d bytes, %v", got.Status, len(got.body), got.err)
	}
	if got := w.get(t, "/send?name="+file); len(got.body) != 500_000 || got.err != nil {
		t.Errorf("send: %s %d bytes, %v", got.Status, len(got.body), got.err)
	}
	if got := w.get(t, "/cookies"); len(got.Header["Set-Cookie"]) != 2 {
		t.Errorf("cookies: %v", got.Header)
	}
	if got := w.get(t, "/nothing"); got.StatusCode != http.StatusNoContent || got.body != "" {
		t.Errorf("nothing: %s %q", got.Status, got.body)
	}
	if got := w.get(t, "/boom"); got.StatusCode != http.StatusInternalServerError {
		t.Errorf("boom: %s", got.Status)
	}
	if got := w.ask(t, "HEAD /hello/x HTTP/1.1\r\nHost: h\r\n\r\n"); got.StatusCode != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %s %q", got.Status, got.body)
	}
}
