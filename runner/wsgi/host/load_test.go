package host_test

import (
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

func TestLoadsWSGIApp(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/blog/__init__.py": "",
		"app/blog/wsgi.py":     hello + "\nclass Site:\n    application = staticmethod(application)\n    def make(): return application\n",
		"app/blog/factory.py":  "from blog.wsgi import application\ndef create_app(): return application\n",
		"app/blog/callable.py": "from blog.wsgi import application\nclass App:\n    def __call__(self, e, s): return application(e, s)\napp = App()\n",
	})
	for _, name := range []string{
		"blog.wsgi:application", "blog.wsgi.application", " blog.wsgi:application ", "blog.wsgi:Site.application",
		"blog.wsgi:Site.make()", "blog.factory:create_app()", "blog.factory.create_app()", "blog.callable:app",
	} {
		w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: name}})
		if ready.Loader != "wsgi" || ready.App != name {
			t.Errorf("%s: ready is %+v", name, ready)
		}
		if r := w.get("/"); r.String() != "200 OK hello\n" {
			t.Errorf("%s: got %s", name, r)
		}
		w.quit()
	}
}

func TestSysPath(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
import sys, wsgid
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr([sys.path[0], sys.path[-1], sys.path[1:-1].count(sys.path[-1]), sys.argv, wsgid.__version__, __name__]).encode()]
`), web)
	want := "200 OK ['" + w.cmd.Dir + "/app', '" + hostDir(t) + "', 0, [''], '1.2.3', 'web']"
	if r := w.get("/"); r.String() != want {
		t.Errorf("got %s, want %s", r, want)
	}
	w.quit()
}

func TestMiddleware(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/web.py": hello,
		"app/mw.py": `
class Mark:
    def __init__(self, app, name="class"): self.app, self.name = app, name
    def __call__(self, environ, start_response):
        return [self.name.encode() + b" "] + self.app(environ, lambda s, h: start_response(s, []))
def function(app): return Mark(app, "function")
def factory(): return function
def none(app): return None
number = 5
`})
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:application",
		Middleware: []string{"mw:Mark", "mw.function", "mw:factory()"}}})
	if r := w.get("/"); r.String() != "200 OK class function function hello\n" {
		t.Errorf("got %s", r)
	}
	w.quit()
	for name, want := range map[string]wsgi.Failure{
		"mw:none": {Reason: "middleware mw:none returned None, which is not callable", Hint: "a middleware takes the application and returns one",
			File: dir + "/app/mw.py", Line: 7},
		"mw:number": {Reason: "middleware mw:number is not callable: it is int 5", File: dir + "/app/mw.py", Line: 8},
		"mw:Marc":   {Reason: "middleware mw:Marc: module mw has no attribute Marc", Hint: "did you mean Mark?", File: dir + "/app/mw.py"},
	} {
		got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: "web:application", Middleware: []string{name}}})
		if got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// The message for every mistake that keeps an application from loading.
func TestLoadFailures(t *testing.T) {
	files := map[string]string{
		"app/blog/__init__.py": "",
		"app/blog/wsgi.py":     "application = 'a string'\ndef other(e, s): pass\n",
		"app/raises.py":        "def f():\n    raise ValueError('bad\\nvalue')\nf()\n",
		"app/syntax.py":        "x = 1\ndef f(:\n    pass\n",
		"app/exits.py":         "import sys\nsys.exit(7)\n",
		"app/exits0.py":        "import sys\n\nsys.exit()\n",
		"app/interrupt.py":     "raise KeyboardInterrupt\n",
		"app/inner.py":         "import os\nimport no_such_package\n",
		"app/nearby.py":        "import blogg\n",
		"app/deep.py":          "import json\n\njson.loads('{')\n",
		"app/fact.py":          "def make():\n    raise RuntimeError('no database')\ndef args(a): pass\nnumber = 5\nnothing = None\ndef returns_none(): pass\n",
		"app/nothing.py":       "",
		"app/chain.py":         "try:\n    import no_such_package\nexcept ImportError as e:\n    raise RuntimeError('install it') from e\n",
		"outside.py":           "",
		"app/lazy.py":          "def __getattr__(name):\n    raise AttributeError(name)\n",
	}
	dir := appFolder(t, files)
	app := dir + "/app/"
	for _, c := range []struct {
		name string
		want wsgi.Failure
	}{
		{"blog.wsgi:application", wsgi.Failure{
			Reason: "blog.wsgi:application is not callable: it is str 'a string'",
			Hint:   "a WSGI application is called with (environ, start_response)", File: app + "blog/wsgi.py", Line: 1}},
		{"blog.wsgi:othr", wsgi.Failure{
			Reason: "wsgi_app blog.wsgi:othr: module blog.wsgi has no attribute othr",
			Hint:   "did you mean other?", File: app + "blog/wsgi.py"}},
		{"blog.wsgi:zzz", wsgi.Failure{
			Reason: "wsgi_app blog.wsgi:zzz: module blog.wsgi has no attribute zzz",
			Hint:   "its callables are other", File: app + "blog/wsgi.py"}},
		{"blog.wsgi:other.attr", wsgi.Failure{
			Reason: "wsgi_app blog.wsgi:other.attr: function has no attribute attr",
			Hint:   "it defines no callable", File: app + "blog/wsgi.py"}},
		{"nothing:application", wsgi.Failure{
			Reason: "wsgi_app nothing:application: module nothing has no attribute application",
			Hint:   "it defines no callable", File: app + "nothing.py"}},
		{"lazy:application", wsgi.Failure{
			Reason: "wsgi_app lazy:application: module lazy has no attribute application",
			Hint:   "it defines no callable", File: app + "lazy.py", Line: 2}},
		{"raises:app", wsgi.Failure{Reason: "ValueError: bad value", File: app + "raises.py", Line: 2}},
		{"syntax:app", wsgi.Failure{Reason: "SyntaxError: invalid syntax", File: app + "syntax.py", Line: 2}},
		{"exits:app", wsgi.Failure{
			Reason: "SystemExit: the application called sys.exit(7) while it was loaded", File: app + "exits.py", Line: 2,
			Hint: `a module must not end the process when it is imported: put the call below if __name__ == "__main__":`}},
		{"exits0:app", wsgi.Failure{
			Reason: "SystemExit: the application called sys.exit() while it was loaded", File: app + "exits0.py", Line: 3,
			Hint: `a module must not end the process when it is imported: put the call below if __name__ == "__main__":`}},
		{"interrupt:app", wsgi.Failure{Reason: "KeyboardInterrupt", File: app + "interrupt.py", Line: 1}},
		{"no_such_module:app", wsgi.Failure{
			Reason: "ModuleNotFoundError: No module named 'no_such_module'",
			Hint: "wsgi_app names no_such_module, and app/ holds blog/, chain.py, deep.py, exits.py, exits0.py, fact.py, inner.py, interrupt.py, lazy.py, " +
				"nearby.py, nothing.py, raises.py and 1 more: correct wsgi_app, or add the module"}},
		{"outside:app", wsgi.Failure{Reason: "ModuleNotFoundError: No module named 'outside'",
			Hint: "outside is in the app folder itself: the application's code belongs in app/"}},
		{"blog.views:app", wsgi.Failure{Reason: "ModuleNotFoundError: No module named 'blog.views'"}},
		{"blgo.wsgi:app", wsgi.Failure{
			Reason: "ModuleNotFoundError: No module named 'blgo'", Hint: "did you mean blog, which is in app/?"}},
		{"inner:app", wsgi.Failure{
			Reason: "ModuleNotFoundError: No module named 'no_such_package'", File: app + "inner.py", Line: 2,
			Hint: "no_such_package is not installed for /usr/bin/python3: install it there, or name the app's virtualenv"}},
		{"nearby:app", wsgi.Failure{
			Reason: "ModuleNotFoundError: No module named 'blogg'", File: app + "nearby.py", Line: 1,
			Hint: "did you mean blog, which is in app/?"}},
		{"deep:app", wsgi.Failure{
			Reason: "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
			File:   app + "deep.py", Line: 3}},
		{"chain:app", wsgi.Failure{Reason: "RuntimeError: install it", File: app + "chain.py", Line: 4}},
		{"fact:make()", wsgi.Failure{Reason: "RuntimeError: no database", File: app + "fact.py", Line: 2}},
		{"fact:args()", wsgi.Failure{Reason: "TypeError: args() missing 1 required positional argument: 'a'"}},
		{"fact:number()", wsgi.Failure{Reason: "wsgi_app fact:number(): the factory is not callable: it is int 5",
			File: app + "fact.py", Line: 4}},
		{"fact:nothing", wsgi.Failure{
			Reason: "fact:nothing is not callable: it is None",
			Hint:   "a WSGI application is called with (environ, start_response)", File: app + "fact.py", Line: 5}},
		{"fact:returns_none()", wsgi.Failure{
			Reason: "fact:returns_none() is not callable: it is None",
			Hint:   "a WSGI application is called with (environ, start_response)", File: app + "fact.py", Line: 6}},
		{"blog", wsgi.Failure{
			Reason: "wsgi_app 'blog' names no callable",
			Hint:   `write it with the name of the callable: "blog:application"`}},
		{"blog.wsgi:create('x')", wsgi.Failure{
			Reason: `wsgi_app "blog.wsgi:create('x')" names no callable`,
			Hint:   `write it as "module:attr", "module.attr" or "module:factory()"`}},
		{"blog/wsgi.py", wsgi.Failure{
			Reason: "wsgi_app 'blog/wsgi.py' names no callable",
			Hint:   `write it as "module:attr", "module.attr" or "module:factory()"`}},
	} {
		got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: c.name}})
		traceback := got.Traceback
		got.Traceback = ""
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
		// An exception has its traceback, without the host's frames.
		raised := c.want.Line > 0 && !strings.HasPrefix(c.want.Reason, "wsgi_app ") && !strings.Contains(c.want.Reason, "is not callable")
		if raised && !strings.Contains(traceback, "File \"") ||
			strings.Contains(traceback, hostDir(t)) {
			t.Errorf("%s: traceback is %s", c.name, traceback)
		}
	}
}

func TestNoLoaderFits(t *testing.T) {
	const looked = "looked for a Django project (a folder of app/ with settings.py or settings/), " +
		"for pyroutes (app/pyroutes_settings.py)"
	for _, c := range []struct {
		files  map[string]string
		reason string
		hint   string
	}{
		{nil, "no loader fits: app/ holds nothing",
			looked + `; for any other application say wsgi_app = "module:attr"`},
		{map[string]string{"app/site/wsgi.py": hello, "app/README": "", "app/.git/x": "", "app/__pycache__/x": ""},
			"no loader fits: app/ holds README, site/",
			looked + `; for any other application say wsgi_app = "site.wsgi:application"`},
		{map[string]string{"app/main.py": "app = make()\n"},
			"no loader fits: app/ holds main.py",
			looked + `; for any other application say wsgi_app = "main:app"`},
		{map[string]string{"app/settings.py": "", "app/manage.py": "", "app/urls.py": ""},
			"no loader fits: app/ holds manage.py, settings.py, urls.py",
			looked + "; app/ holds the content of a Django project: copy the project's folder itself"},
		{map[string]string{"plugins/mine.py": "from wsgid.core import Plugin\nfrom wsgid.loaders import IAppLoader\n" +
			"class Mine(Plugin):\n    implements = [IAppLoader]\n    def can_load(self, app_path): return False\n"},
			"no loader fits: app/ holds nothing",
			looked + ` and asked Mine (DIR/plugins/mine.py); for any other application say wsgi_app = "module:attr"`},
		// A loader that failed may be the one that was to fit.
		{map[string]string{"plugins/a.py": "\nimport no_such_package\n", "plugins/b.py": loaderPlugin("Mine", "1 / 0")},
			"no loader fits: app/ holds nothing",
			looked + ` and asked Mine (DIR/plugins/b.py); for any other application say wsgi_app = "module:attr"; ` +
				"of the plugins, these failed: DIR/plugins/a.py:1: plugin cannot be imported: ModuleNotFoundError: No module named 'no_such_package'; " +
				"DIR/plugins/b.py:9: can_load of Mine raised: ZeroDivisionError: division by zero"},
	} {
		dir := appFolder(t, c.files)
		got := startFailing(t, dir, options{})
		want := wsgi.Failure{Reason: c.reason, Hint: strings.ReplaceAll(c.hint, "DIR", dir)}
		if got != want {
			t.Errorf("%v:\n got %+v\nwant %+v", c.files, got, want)
		}
	}
	dir := appFolder(t, nil)
	if err := os.Remove(dir + "/app"); err != nil {
		t.Fatal(err)
	}
	got := startFailing(t, dir, options{})
	want := wsgi.Failure{Reason: "no loader fits: there is no folder " + dir + "/app",
		Hint: "the application's code belongs into app/"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A release that was removed by hand, or that lies where the app's path was before, is
// told as that: not as a module that is missing.
func TestReleaseThatIsNotThere(t *testing.T) {
	dir := appFolder(t, map[string]string{"releases/1/main.py": hello})
	for _, c := range []wsgi.Config{{WSGIApp: "main:application"}, {Loader: "django"}, {}} {
		c.App, c.Release = "blog", "releases/2"
		want := wsgi.Failure{Reason: "the release 2 is not in " + dir + "/releases", Hint: "deploy the app again: wsgid-fleet deploy blog"}
		if got := startFailing(t, dir, options{config: c}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "main:application", Release: "releases/1"}})
	w.quit()
}

func TestNamedLoaderFailures(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/main.py":     hello,
		"plugins/mine.py": loaderPlugin("MineLoader", "True"),
	})
	for loader, want := range map[string]wsgi.Failure{
		"wsgi": {Reason: "loader wsgi needs wsgi_app", Hint: `say wsgi_app = "module:attr"`},
		"django": {Reason: "loader django finds no project: app/ holds main.py",
			Hint: `looked for a folder of app/ with settings.py or settings/; or say django { settings = "project.settings" }`},
		"pyroutes": {Reason: "pyroutes: app/ holds no folder but templates and tests",
			Hint: "the application's package belongs beside pyroutes_settings.py"},
		"MyneLoader": {Reason: "there is no loader MyneLoader", Hint: `did you mean loader = "MineLoader"?`},
		"Zope":       {Reason: "there is no loader Zope", Hint: "plugin loaders are MineLoader (" + dir + `/plugins/mine.py); for any other application leave loader out and say wsgi_app = "module:attr"`},
	} {
		got := startFailing(t, dir, options{config: wsgi.Config{Loader: loader}})
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", loader, got, want)
		}
	}
	got := startFailing(t, appFolder(t, nil), options{config: wsgi.Config{Loader: "Zope"}})
	want := wsgi.Failure{Reason: "there is no loader Zope", Hint: "neither plugins/ nor loader_dirs holds a plugin loader; " +
		`for any other application leave loader out and say wsgi_app = "module:attr"`}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPyroutes(t *testing.T) {
	dir := appFolder(t, map[string]string{
		// A stand-in: pyroutes itself is Python 2.
		"lib/pyroutes.py": "routes = {}\ndef route(path):\n    return lambda f: routes.setdefault(path, f)\n" +
			"def application(environ, start_response):\n    start_response('200 OK', [])\n" +
			"    return [routes[environ['PATH_INFO']]()]\n",
		"app/pyroutes_settings.py": "TEMPLATE_DIR = 'templates'\n",
		"app/templates/base.html":  "",
		"app/tests/x.py":           "",
		"app/handler.py":           "raise ValueError('handler.py is not imported')\n",
		"app/css/site.css":         "",
		"app/site/__init__.py":     "from pyroutes import route\n@route('/hi')\ndef hi(): return b'hi'\n",
	})
	os.RemoveAll(dir + "/app/site.py")
	o := options{env: []string{"PYTHONPATH=" + dir + "/lib"}}
	if err := os.Rename(dir+"/app/site", dir+"/app/mysite"); err != nil {
		t.Fatal(err)
	}
	for _, loader := range []string{"auto", "pyroutes"} {
		o.config.Loader = loader
		w, ready := startReady(t, dir, o)
		if ready.Loader != "pyroutes" || ready.App != "pyroutes:application" {
			t.Errorf("ready is %+v", ready)
		}
		if r := w.get("/hi"); r.String() != "200 OK hi" {
			t.Errorf("got %s", r)
		}
		w.quit()
	}
}

// A process that the application forks must not answer in the worker's place.
func TestModuleThatForksAtImport(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
import os
child = os.fork()
if child:
    os.waitpid(child, 0)
def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/exit":
        if os.fork() == 0:
            raise SystemExit(3)
        return [b"%d" % (os.wait()[1] >> 8)]
    if environ["PATH_INFO"] == "/stream":
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return (b"s" for _ in range(3))
    if environ["PATH_INFO"] == "/fork":
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return [b"parent" if pid else b"child"]
    return [b"plain"]
`), web)
	for path, want := range map[string]string{"/": "plain", "/fork": "parent", "/exit": "3", "/stream": "sss"} {
		if r := w.get(path); r.String() != "200 OK "+want {
			t.Errorf("%s: got %s", path, r)
		}
	}
	if log := w.quit(); strings.Count(log, "it ends here\n") != 3 ||
		strings.Contains(log, "Traceback") {
		t.Errorf("log: %s", log)
	}
}

// What is called an application need not be assigned where it is named.
func TestPlaceOfWhatIsNotCallable(t *testing.T) {
	for source, line := range map[string]int{
		"\nother = 1\napplication = None\n":                         2,
		"application = 1\napplication: int = 2\n":                   2,
		"class application:\n    x = 1\napplication = 'x'\n":        3,
		"from os import sep as application\n":                       1,
		"globals()['application'] = 'x'\n":                          0,
		"applications = 1\nif applications:\n    application = 1\n": 3,
		"application = 1\nif application == 2: pass\n":              1,
	} {
		dir := webApp(t, source)
		got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: "web:application"}})
		if got.File != dir+"/app/web.py" || got.Line != line || !strings.HasPrefix(got.Reason, "web:application is not callable: it is ") {
			t.Errorf("%q: got %+v, want line %d", source, got, line)
		}
	}
}
