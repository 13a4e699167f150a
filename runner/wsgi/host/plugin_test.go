package host_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// loaderPlugin is a plugin loader as wsgid 0.7 had them, in Python 3.
func loaderPlugin(name, can string) string {
	return fmt.Sprintf(`
import os
from wsgid.core import Plugin
from wsgid.loaders import IAppLoader

class %s(Plugin):
    implements = [IAppLoader]

    def can_load(self, app_path):
        return %s

    def load_app(self, app_path, app_full_name):
        def application(environ, start_response):
            start_response("200 OK", [])
            return [("%s %%s %%s" %% (os.path.basename(app_path), app_full_name)).encode()]
        return application
`, name, can, name)
}

func TestPluginLoaders(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/site/__init__.py":          "",
		"app/pyroutes_settings.py":      "",
		"plugins/qloader.py":            loaderPlugin("InPlugins", "True"),
		"plugins/_private.py":           "raise ValueError\n",
		"plugins/notes.txt":             "",
		"plugins/__init__.py":           "raise ValueError('not a plugin')\n",
		"loaders/bloader.py":            loaderPlugin("First", "os.path.exists(app_path + '/first')"),
		"loaders/zloader.py":            loaderPlugin("Last", "False"),
		"more/aloader.py":               loaderPlugin("Never", "False"),
		"app/first/some_file_of_theirs": "",
	})
	dirs := []string{"loaders", dir + "/more"}
	for _, c := range []struct{ loader, wsgiApp, want, ready string }{
		// bloader.py sorts before djangoloader.py and pyroutesloader.py.
		{"auto", "", "First app None", "First of " + dir + "/loaders/bloader.py"},
		{"InPlugins", "", "InPlugins app None", "InPlugins of " + dir + "/plugins/qloader.py"},
		{"Last", "pkg.attr", "Last app pkg.attr", "Last of " + dir + "/loaders/zloader.py"},
	} {
		w, ready := startReady(t, dir, options{config: wsgi.Config{Loader: c.loader, WSGIApp: c.wsgiApp, LoaderDirs: dirs}})
		if ready.App != c.ready || len(ready.Warnings) != 0 {
			t.Errorf("%s: ready is %+v", c.loader, ready)
		}
		if r := w.get("/"); r.String() != "200 OK "+c.want {
			t.Errorf("%s: got %s, want %s", c.loader, r, c.want)
		}
		w.quit()
	}
}

func TestPluginsThatFail(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"plugins/a_import.py": "import os\nraise ValueError('at import')\n",
		"plugins/b_syntax.py": "class Broken(\n",
		"plugins/c_can.py":    loaderPlugin("CanRaises", "1 / 0"),
		"plugins/d_init.py": "from wsgid.core import Plugin\nfrom wsgid.loaders import IAppLoader\n" +
			"class Init(Plugin):\n    implements = [IAppLoader]\n    def __init__(self):\n        raise KeyError('init')\n",
		"plugins/e_exit.py": "import sys\nsys.exit(1)\n",
		"plugins/f_good.py": loaderPlugin("Good", "True"),
		"plugins/json.py":   "raise ValueError('a plugin must not stand in for a module')\n",
		"plugins/wanted.py": "import no_such_thing\nclass Wanted(Plugin):\n    pass\n",
		"plugins/y_load.py": strings.Replace(loaderPlugin("LoadRaises", "True"), "        def application", "        raise OSError('no app')\n        def application", 1),
		"plugins/z_none.py": strings.Replace(loaderPlugin("LoadsNone", "True"), "        def application", "        return None\n        def application", 1),
	})
	w, ready := startReady(t, dir, options{config: wsgi.Config{LoaderDirs: []string{"nowhere"}}})
	if r := w.get("/"); r.String() != "200 OK Good app None" {
		t.Errorf("got %s", r)
	}
	want := []string{
		"cannot read loader directory DIR/nowhere: No such file or directory",
		"DIR/plugins/a_import.py:2: plugin cannot be imported: ValueError: at import",
		"DIR/plugins/b_syntax.py:1: plugin cannot be imported: SyntaxError: '(' was never closed",
		"DIR/plugins/d_init.py:6: plugin Init cannot be made: KeyError: 'init'",
		"DIR/plugins/e_exit.py:2: plugin cannot be imported: SystemExit: the plugin called sys.exit(1) while it was loaded",
		"DIR/plugins/json.py:1: plugin cannot be imported: ValueError: a plugin must not stand in for a module",
		"DIR/plugins/wanted.py:1: plugin cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'",
		"DIR/plugins/c_can.py:9: can_load of CanRaises raised: ZeroDivisionError: division by zero",
	}
	if got := strings.ReplaceAll(strings.Join(ready.Warnings, "\n"), dir, "DIR"); got != strings.Join(want, "\n") {
		t.Errorf("warnings:\n%s", got)
	}
	w.quit()

	for loader, want := range map[string]wsgi.Failure{
		"Wanted": {Reason: "loader Wanted cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'",
			File: dir + "/plugins/wanted.py", Line: 1,
			Hint: "no_such_thing is not installed for /usr/bin/python3: install it there, or name the app's virtualenv"},
		"Init":       {Reason: "loader Init cannot be imported: KeyError: 'init'", File: dir + "/plugins/d_init.py", Line: 6},
		"LoadRaises": {Reason: "OSError: no app", File: dir + "/plugins/y_load.py", Line: 12},
		"LoadsNone": {Reason: "LoadsNone of " + dir + "/plugins/z_none.py is not callable: it is None",
			Hint: "a WSGI application is called with (environ, start_response)", File: dir + "/plugins/z_none.py", Line: 11},
	} {
		got := startFailing(t, dir, options{config: wsgi.Config{Loader: loader}})
		got.Traceback = ""
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", loader, got, want)
		}
	}
}

// What plugins for wsgid 0.7 import, in all its forms.
func TestNamesForPlugins(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/web.py": hello,
		"wsgid.json": `{"recv": "tcp://127.0.0.1:9997", "workers": "4", "custom": [1]}`,
		"plugins/a.py": `
import plugnplay
from plugnplay import Plugin as P, Interface
import wsgid.conf
from wsgid.conf import settings
from wsgid.core import Plugin, StartResponse, Message, log, get_main_logger
from wsgid.loaders import IAppLoader
from wsgid.interfaces.filters import IPreRequestFilter, IPostRequestFilter
import helper_of_b

class IMine(Interface):
    pass

class One(Plugin):
    implements = [IMine]

class Sub(One):
    pass

assert [type(i) for i in IMine.implementors()] == [One]
assert wsgid.conf.settings is settings
assert settings.recv == "tcp://127.0.0.1:9997" and settings.workers == "4" and settings.custom == [1]
assert settings.wsgi_app == "web:application" and settings.debug is True and settings.chroot is None
assert not hasattr(settings, "no_such_option")
log.info("from a plugin: %s", settings.app_path)
s = StartResponse()
s("200 OK", [])(b"x")
assert (s.status, s.body, s.body_written) == ("200 OK", b"x", True)
`,
		"plugins/helper_of_b.py": "from wsgid.core import Plugin\nfrom wsgid.loaders import IAppLoader\n" +
			"class B(Plugin):\n    implements = [IAppLoader]\nassert len(IAppLoader.implementors()) == 1\n",
	})
	w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Debug: true}})
	if len(ready.Warnings) != 0 || ready.Filters {
		t.Errorf("ready is %+v", ready)
	}
	if log := w.quit(); log != "INFO - from a plugin: "+dir+"\n" {
		t.Errorf("log: %s", log)
	}
}

const filters = `
import os, sys
from time import time
from wsgid.interfaces.filters import IPostRequestFilter, IPreRequestFilter
from wsgid.core import Plugin

started = {}

class CalcTimePre(Plugin):
    implements = [IPreRequestFilter]

    def process(self, message, environ):
        started[message.client_id] = time()
        environ["mark"] = "%s %s %s %s" % (
            message.server_id, message.path, message.headers.get("METHOD"), message.headers.get("x-name"))
        assert not message.is_disconnect() and not message.is_upload_start() and not message.is_upload_done()
        assert message.async_upload_path is None
        if environ["QUERY_STRING"] == "pre":
            raise ValueError("pre")

class CalcTimePost(Plugin):
    implements = [IPostRequestFilter]

    def process(self, message, status, headers, body):
        assert time() >= started.pop(message.client_id)
        return (status, headers + [("X-Length", str(len(body)))], body + b" filtered")

    def exception(self, message, e):
        sys.stderr.write("exception: %r\n" % e)

class Breaks(Plugin):
    implements = [IPostRequestFilter]

    def process(self, message, status, headers, body):
        if status == "404 Not Found":
            return None
        raise KeyError("post")
`

func TestFilters(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"plugins/timing.py": filters,
		"app/web.py": `
class Result:
    def __iter__(self): return iter([b"b", b"ody "])
    def close(self): print("closed")
def application(environ, start_response):
    assert "wsgid.m2message" not in environ
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("app")
    if path == "/none":
        start_response("404 Not Found", [])
        return [b"none"]
    write = start_response("200 OK", [("Content-Length", str(5 + len(environ["mark"])))])
    write(environ["mark"].encode())
    return Result()
`})
	w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application"}})
	if !ready.Filters {
		t.Errorf("ready is %+v", ready)
	}
	s := w.slots[0]
	r := s.do(map[string]any{"PATH_INFO": "/x", "HTTP_X_NAME": "n"}, "")
	if r.String() != "200 OK http /x GET nbody  filtered" || r.header("Content-Length") != "27" || r.header("X-Length") != "18" {
		t.Errorf("got %s %q", r, r.headers)
	}
	r = s.do(map[string]any{"PATH_INFO": "/x", "wsgid.m2message": wsgi.Tuple{
		"server-1", "17", "/m2/x", map[string]string{"METHOD": "GET", "x-name": "m"}, []byte("")}}, "")
	if r.String() != "200 OK server-1 /m2/x GET mbody  filtered" {
		t.Errorf("got %s", r)
	}
	if r := w.get("/raise"); r.String() != serverError {
		t.Errorf("got %s", r)
	}
	if r := w.get("/none"); r.String() != "404 Not Found none filtered" {
		t.Errorf("got %s", r)
	}
	if r := s.do(map[string]any{"PATH_INFO": "/x", "QUERY_STRING": "pre"}, ""); r.status != "200 OK" {
		t.Errorf("got %s", r)
	}
	log := w.quit()
	for text, n := range map[string]int{
		"closed\n":                       3,
		"exception: ValueError('app')\n": 1,
		"blog: GET /raise: the application raised ValueError: app\n":                                                                                             1,
		"blog: " + dir + "/plugins/timing.py:36: filter Breaks.process raised KeyError: 'post': it is skipped\n":                                                 3,
		"blog: " + dir + "/plugins/timing.py:18: filter CalcTimePre.process raised ValueError: pre: it is skipped\n":                                             1,
		"blog: " + dir + "/plugins/timing.py:33: filter Breaks.process raised TypeError: process must return (status, headers, body), not None: it is skipped\n": 1,
	} {
		if strings.Count(log, text) != n {
			t.Errorf("%d times, not %d: %s", strings.Count(log, text), n, text)
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}

// Pre-request filters alone leave a stream a stream.
func TestPreFilterStreams(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"plugins/pre.py": "from wsgid.interfaces.filters import IPreRequestFilter\nfrom wsgid.core import Plugin\n" +
			"class Pre(Plugin):\n    implements = [IPreRequestFilter]\n    def process(self, m, environ): environ['x'] = 'y'\n",
		"app/web.py": "def application(environ, start_response):\n    start_response('200 OK', [])\n" +
			"    yield environ['x'].encode()\n    yield b'z'\n",
	})
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application"}})
	if r := w.get("/"); r.String() != "200 OK yz" || r.way() != "hde" {
		t.Errorf("got %s, messages %s", r, r.way())
	}
	w.quit()
}

func TestPluginsFolderMayBeMissing(t *testing.T) {
	dir := webApp(t, hello)
	if err := os.Remove(dir + "/plugins"); err != nil {
		t.Fatal(err)
	}
	w, ready := startReady(t, dir, web)
	if len(ready.Warnings) != 0 {
		t.Errorf("warnings %q", ready.Warnings)
	}
	w.quit()
}
