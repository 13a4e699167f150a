package docs

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// The generic tutorial: a module that declares the application object.
func TestGenericTutorial(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.mongrel2(mongrel2test.Options{})
		p.init("/var/wsgid/generic")
		for _, name := range []string{"myproject", "myproject/frontends"} {
			p.write("/var/wsgid/generic/app/"+name+"/__init__.py", "")
		}
		p.write("/var/wsgid/generic/app/myproject/frontends/wsgi.py", `
class Frontend:
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [("%(REQUEST_METHOD)s %(SCRIPT_NAME)s|%(PATH_INFO)s|%(QUERY_STRING)s" % environ).encode()]

entry_point = Frontend()
`)
		p.give("/var/wsgid/generic")
		p.sh("wsgid --wsgi-app=myproject.frontends.wsgi.entry_point --send=SEND --recv=RECV --app-path=/var/wsgid/generic")
		p.wants("/a%20b?c=d", "GET |/a b|c=d")
		p.sh("wsgid stop --app-path=/var/wsgid/generic")

		// Neither option alone is enough, and both are checked.
		for _, c := range []struct{ options, want string }{
			{"--send=SEND", "recv is missing; give --recv=ENDPOINT, the send_spec of the mongrel2 handler, or keep it in wsgid.json: wsgid config --app-path=/var/wsgid/generic --recv=ENDPOINT"},
			{"--recv=RECV", "send is missing; give --send=ENDPOINT, the recv_spec of the mongrel2 handler, or keep it in wsgid.json: wsgid config --app-path=/var/wsgid/generic --send=ENDPOINT"},
		} {
			p.fails(64, "wsgid: cannot start /var/wsgid/generic: "+c.want+"\nTry \"wsgid --help\".\n", "wsgid --app-path=/var/wsgid/generic "+c.options)
		}
		p.fails(64, `wsgid: cannot start: --recv = "SOCK" is not a ZeroMQ endpoint, expected transport://address such as tcp://127.0.0.1:9997
Try "wsgid --help".
`, "wsgid --app-path=/var/wsgid/generic --recv=SOCK --send=SEND")
		p.fails(64, `wsgid: cannot start: --send = "udp://127.0.0.1:1" has unknown transport "udp", expected one of inproc, ipc, tcp, pgm, epgm
Try "wsgid --help".
`, "wsgid --app-path=/var/wsgid/generic --recv=RECV --send=udp://127.0.0.1:1")
	})
}

// The pyroutes tutorial: the content of the project's folder goes into app/.
func TestPyroutesTutorial(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.mongrel2(mongrel2test.Options{})
		p.sh("cp -a " + kit + "/examples/pyroutes/notes/app mynewproject")
		p.init("/var/wsgid/myproject")
		p.sh("cp -a mynewproject/* /var/wsgid/myproject/app/")
		p.give("/var/wsgid/myproject")
		p.sh("wsgid --app-path=/var/wsgid/myproject --recv=RECV --send=SEND")
		p.wants("/", "Ask for /note/SOMETHING.\n")
		p.wants("/note/milk", "Note: milk\n")
		p.awaitLog("/var/wsgid/myproject", " is ready: pyroutes pyroutes:application, ")
	})
}

// The upload tutorial: mongrel2 writes a big body into a file below its chroot,
// and wsgid is told where that is.
func TestUploadTutorial(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		// Only root can have a server chrooted. An ordinary user's server shows the
		// same paths in and outside.
		root := os.Geteuid() == 0
		p.mongrel2(mongrel2test.Options{Chroot: root, Handlers: []mongrel2test.Handler{{
			Recv: "tcp://" + freeport.Addr(t), Send: "tcp://" + freeport.Addr(t)}}})
		const app = "/var/wsgid/upload"
		p.init(app)
		p.write(app+"/app/upload.py", `
import hashlib
def application(environ, start_response):
    digest, size = hashlib.sha256(), 0
    while True:
        block = environ["wsgi.input"].read(10000)
        if not block:
            break
        digest.update(block)
        size += len(block)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %d %s" % (environ["CONTENT_LENGTH"], size, digest.hexdigest())).encode()]
`)
		p.give(app)
		chroot := ""
		if root {
			chroot = " --mongrel2-chroot=" + p.m2.Chroot
		}
		for _, way := range []string{"option", "file", "chroot"} {
			if way == "chroot" && !root {
				continue
			}
			switch way {
			case "chroot": // of the app as well: it sees neither its own path nor the server's
				p.sh("wsgid config --chroot --app-path=" + app + " && wsgid --app-path=" + app)
			case "option":
				p.sh("wsgid --app-path=" + app + " --recv=RECV --send=SEND --wsgi-app=upload.application" + chroot)
			case "file":
				p.sh("wsgid config --app-path=" + app + " --recv=RECV --send=SEND --wsgi-app=upload.application" + chroot)
				if root && !strings.Contains(p.read(app+"/wsgid.json"), `"mongrel2_chroot": "`+p.m2.Chroot+`"`) {
					t.Errorf("wsgid.json is %s", p.read(app+"/wsgid.json"))
				}
				p.sh("wsgid --app-path=" + app)
			}
			for _, size := range []int{10, 200_000, 3_000_000} {
				body := make([]byte, size)
				_, _ = rand.Read(body)
				resp, got, err := p.ask(http.MethodPost, "/", bytes.NewReader(body))
				want := fmt.Sprintf("%d %d %x", size, size, sha256.Sum256(body))
				if err != nil || resp.StatusCode != http.StatusOK || got != want {
					t.Errorf("%s, %d bytes: got %q, %v, want %q\n%s", way, size, got, err, want, p.logs())
				}
			}
			if left, _ := filepath.Glob(p.m2.Dir + "/tmp/*"); len(left) > 0 {
				t.Errorf("upload files are left: %v", left)
			}
			p.sh("wsgid stop --app-path=" + app)
		}
		if !root {
			return
		}
		// Without the option the file is not found: the client is told so, and the
		// log says what to do.
		p.sh("rm /var/wsgid/upload/wsgid.json; wsgid --app-path=" + app + " --recv=RECV --send=SEND --wsgi-app=upload.application")
		resp, _, err := p.ask(http.MethodPost, "/", bytes.NewReader(make([]byte, 200_000)))
		if err != nil || resp.StatusCode < 500 {
			t.Errorf("%v, %v", resp, err)
		}
		p.awaitLog(app, "chroot")
	})
}

// The filters of wsgid 0.7 on mongrel2's own message.
func TestFilters(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.mongrel2(mongrel2test.Options{Handlers: []mongrel2test.Handler{{
			Path: "/shop/", Ident: "test-handler", Recv: "tcp://" + freeport.Addr(t), Send: "tcp://" + freeport.Addr(t)}}})
		const app = "/var/wsgid/shop"
		p.init(app)
		p.write(app+"/app/web.py", `
def application(environ, start_response):
    if environ["PATH_INFO"].endswith("raise"):
        raise ValueError("no such article")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [environ["shop.customer"].encode()]
`)
		p.write(app+"/plugins/customer.py", `
from wsgid.core import Plugin, log
from wsgid.interfaces.filters import IPreRequestFilter, IPostRequestFilter

class Customer(Plugin):
    implements = [IPreRequestFilter]

    def process(self, m2message, environ):
        assert not m2message.is_disconnect() and not m2message.is_upload_start()
        environ["shop.customer"] = m2message.headers["x-customer"]

class Tell(Plugin):
    implements = [IPostRequestFilter]

    def process(self, m2message, status, headers, body):
        told = "%s %d %s %s %s %s" % (m2message.server_id, int(m2message.client_id) >= 0, m2message.path,
            m2message.headers["METHOD"], m2message.body, bool(m2message.is_upload_done()))
        return status, headers + [("X-Told", told)], body + b" told"

    def exception(self, m2message, e):
        log.error("shop: %s at %s", e, m2message.path)

class Broken(Plugin):
    implements = [IPostRequestFilter, IPreRequestFilter]

    def process(self, m2message, *rest):
        raise KeyError("broken filter")
`)
		p.give(app)
		p.sh("wsgid --app-path=" + app + " --recv=RECV --send=SEND --wsgi-app=web:application")
		get := func(path string) (*http.Response, string) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.web+path, nil)
			p.must(err)
			req.Header.Set("X-Customer", "jane")
			resp, err := http.DefaultClient.Do(req)
			p.must(err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			p.must(err)
			return resp, string(body)
		}
		resp, body := get("/shop/tea")
		if resp.StatusCode != http.StatusOK || body != "jane told" || resp.ContentLength != 9 {
			t.Errorf("%s %q of %d bytes", resp.Status, body, resp.ContentLength)
		}
		if told := resp.Header.Get("X-Told"); !regexp.MustCompile(`^test-handler 1 /shop/tea GET (b''|)? ?False$`).MatchString(told) {
			t.Errorf("the message was %q", told)
		}
		if resp, _ := get("/shop/raise"); resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("got %s", resp.Status)
		}
		p.awaitLog(app, "ERROR - shop: no such article at /shop/raise")
		p.awaitLog(app, ": /var/wsgid/shop/plugins/customer.py:26: filter Broken.process raised KeyError: 'broken filter': it is skipped")
		p.awaitLog(app, "GET /shop/raise: the application raised ValueError: no such article")
	})
}

// The Ginger guide: the settings module by the environment, middleware around
// the application, and apps that know nothing of each other's settings. Ginger is
// Django under that name here, as it is in the guide.
func TestGingerGuide(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		ginger(t, p.path("/var/ginger"))
		project := func(app, greeting string) {
			p.init(app)
			p.write(app+"/app/mysite/__init__.py", "")
			for name, text := range map[string]string{"settings": greeting, "production": greeting + " in production"} {
				p.write(app+"/app/mysite/"+name+".py", "SECRET_KEY = 'x'\nDEBUG = False\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'mysite.urls'\n"+
					"WSGI_APPLICATION = 'mysite.wsgi.application'\nGREETING = '"+text+"'\n")
			}
			p.write(app+"/app/mysite/urls.py", `
import os
from ginger.conf import settings
from ginger.http import HttpResponse
from ginger.urls import path
urlpatterns = [path("", lambda request: HttpResponse("%s, by %s" % (settings.GREETING, os.environ["GINGER_SETTINGS_MODULE"])))]
`)
			// As startproject writes it.
			p.write(app+"/app/mysite/wsgi.py", `
import os
from ginger.core.wsgi import get_wsgi_application
os.environ.setdefault("GINGER_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
`)
			p.write(app+"/app/helloworld/__init__.py", "")
			p.write(app+"/app/helloworld/wsgi.py", `
class HelloWorldApplication:
    def __init__(self, application):
        self.application = application
    def __call__(self, environ, start_response):
        return [b"Hello world: "] + list(self.application(environ, lambda status, headers:
            start_response(status, [h for h in headers if h[0].lower() != "content-length"])))
`)
		}
		path := `"PYTHONPATH": "` + p.path("/var/ginger") + `"`
		project("/var/wsgid/one", "one")
		project("/var/wsgid/two", "two")
		served := func(app, more, want string) {
			t.Helper()
			p.listen(app, more)
			p.sh("wsgid --app-path=" + app)
			p.wants("/", want)
			p.sh("wsgid stop --app-path=" + app)
		}
		// The default wsgi.py chooses mysite.settings; the variable wins over it.
		named := `, "wsgi_app": "mysite.wsgi.application", "envs": {` + path
		served("/var/wsgid/one", named+"}", "one, by mysite.settings")
		served("/var/wsgid/one", named+`, "GINGER_SETTINGS_MODULE": "mysite.production"}`, "one in production, by mysite.production")
		// With the variable alone the project is found, as a Django project is with
		// DJANGO_SETTINGS_MODULE; django.json goes into its settings.
		found := `, "envs": {` + path + `, "GINGER_SETTINGS_MODULE": "mysite.production"}`
		served("/var/wsgid/one", found, "one in production, by mysite.production")
		p.write("/var/wsgid/one/django.json", `{"GREETING": "from the file"}`)
		served("/var/wsgid/one", found, "from the file, by mysite.production")
		served("/var/wsgid/one", named+`, "GINGER_SETTINGS_MODULE": "mysite.production"}`, "from the file, by mysite.production")
		p.must(os.Remove(p.path("/var/wsgid/one/django.json")))
		// In the command's environment they do as well; what the file says wins.
		// Nothing else of it reaches the application.
		for app, c := range map[string]struct{ json, want string }{
			"one": {"", "one in production, by mysite.production"},
			"two": {`, "envs": {"GINGER_SETTINGS_MODULE": "mysite.settings"}`, "two, by mysite.settings"},
		} {
			p.listen("/var/wsgid/"+app, c.json)
			p.sh("export PYTHONPATH=/var/ginger GINGER_SETTINGS_MODULE=mysite.production SECRET=x; wsgid --app-path=/var/wsgid/" + app)
			p.wants("/", c.want)
			worker := p.pids("/var/wsgid/"+app, "worker")[0]
			// Workers are hidden from all but root, so only root's half can look.
			if environ, err := os.ReadFile("/proc/" + itoa(worker) + "/environ"); os.Geteuid() == 0 && err != nil || strings.Contains(string(environ), "SECRET") {
				t.Errorf("the worker has the command's environment: %q, %v", environ, err)
			}
			p.sh("wsgid stop --app-path=/var/wsgid/" + app)
		}

		// A fleet of both: the names are the same, the processes are not.
		ports := map[string]string{"one": freeport.Addr(t), "two": freeport.Addr(t)}
		for name, port := range ports {
			p.write("/wsgid.d/"+name+".hcl", `
app "`+name+`" {
  path = "/var/wsgid/`+name+`"
  wsgi_app = "mysite.wsgi:application"
  middleware = ["helloworld.wsgi:HelloWorldApplication"]
  env = {
    PYTHONPATH             = "/var/ginger"
    GINGER_SETTINGS_MODULE = "mysite.settings"
  }
  sockets {
    http {
      listen = "`+port+`"
    }
  }
}
`)
		}
		p.must(os.Remove(p.path("/var/wsgid/one/wsgid.json")))
		p.sh("wsgid-fleet apply >/dev/null")
		for name, port := range ports {
			p.web = port
			p.wants("/", "Hello world: "+name+", by mysite.settings")
		}
		p.sh("wsgid-fleet stop --all >/dev/null")
	})
}

// ginger makes the framework of the guide: the machine's Django under another
// name.
func ginger(t *testing.T, to string) {
	t.Helper()
	const from = "/usr/lib/python3/dist-packages/django"
	rename := strings.NewReplacer("django", "ginger", "Django", "Ginger", "DJANGO", "GINGER")
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if d.IsDir() {
			if d.Name() == "__pycache__" || d.Name() == "locale" || rel == "contrib" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, "ginger", rel), 0o755)
		}
		if !strings.HasSuffix(path, ".py") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, "ginger", rename.Replace(rel)), []byte(rename.Replace(string(text))), 0o644) //nolint:gosec // others read it
	})
	if err != nil {
		t.Fatalf("this test needs Django (package python3-django): %v", err)
	}
	// Sessions and such are not part of it; what imports contrib at its top is.
	if err := os.MkdirAll(filepath.Join(to, "ginger", "conf", "locale"), 0o755); err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(filepath.Join(to, "ginger", "conf", "locale", "__init__.py"), []byte("LANG_INFO = {'en': {'bidi': False, 'code': 'en', 'name': 'English', 'name_local': 'English'}}\n"), 0o644) //nolint:gosec // others read it
}

// chroot: the app sees its folder as /. Only root can.
func TestChroot(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/jail"
		p.init(app)
		p.write(app+"/app/web.py", `
import os, ssl, socket
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    seen = sorted(n for n in os.listdir("/") if n in ("app", "logs", "pid", "plugins", "loaders", "var", "home", "root"))
    return [("%d %s %s %s %s" % (os.getuid(), __file__, " ".join(seen), os.path.exists(os.environ["OUTSIDE"]), os.environ["LOADED"])).encode()]
`)
		p.write(app+"/loaders/mark.py", "import os\nos.environ['LOADED'] = __file__\n")
		p.give(app)
		p.listen(app, `, "wsgi_app": "web:application", "envs": {"OUTSIDE": "/var/wsgid"}`)
		if os.Geteuid() != 0 {
			p.fails(1, "wsgid: cannot start /var/wsgid/jail: cannot run app jail with chroot: this needs root, and the program runs as \"nobody\"; leave chroot out, or run it as root\n",
				"wsgid --app-path="+app+" --chroot --loader-dir=loaders")
			return
		}
		// Under --chroot the loader's folder is relative to the app folder, wherever
		// the command is typed.
		p.sh("cd / && wsgid --app-path=" + app + " --chroot --loader-dir=loaders")
		p.wants("/", strconv.Itoa(wwwData(t))+" /app/web.py app loaders logs pid plugins False /loaders/mark.py")
		status := p.sh("wsgid status --app-path=" + app)
		if !strings.HasPrefix(status, "Status: Running\n") || len(p.pids(app, "worker")) != 1 {
			t.Errorf("%s%v", status, p.pids(app, "worker"))
		}
		// What fails in there is told with the paths it has there.
		p.write(app+"/app/web.py", "1 / 0\n")
		r := p.try("wsgid restart --app-path=" + app)
		if want := "  File \"/app/web.py\", line 1, in <module>\n    1 / 0\n"; r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("%+v", r)
		}
		p.sh("wsgid stop --app-path=" + app)
		p.write(app+"/app/web.py", hello)
		p.sh("wsgid config --chroot --app-path=" + app)
		p.sh("cd / && wsgid --loader-dir=loaders --app-path=" + app)
		p.wants("/", "Hello world!\n")
		p.sh("wsgid config --no-chroot --app-path=" + app)
	})
}
