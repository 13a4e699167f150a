package host_test

import (
	"os"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// What can be called and is not a WSGI application is told when it is loaded, with
// what to write; whatever might be one is loaded.
func TestWhatIsNoWSGIApplication(t *testing.T) {
	t.Parallel()
	dir := webApp(t, `import functools
async def asgi(scope, receive, send): pass
class Starlette:
    async def __call__(self, scope, receive, send): pass
fastapi = Starlette()
def create_app(config=None): return wsgi
def make_app(a=None, b=None): return wsgi
def no_arguments(): pass
def one(request): pass
def four(a, b, c, d): pass
class App:
    def __call__(self, environ, start_response): pass
def wsgi(environ, start_response): pass
app = App()
method = app.__call__
class PerRequest:
    def __init__(self, environ, start_response): pass
decorated = functools.wraps(one)(lambda *args: None)
optional = functools.partial(lambda a, e, s: None, 1)
def defaults(environ=None, start_response=None): pass
def more(environ, start_response, extra=1): pass
def adapt(app): return lambda environ, start_response: None
`)
	if err := os.WriteFile(dir+"/app/asgi.py", []byte("async def application(scope, receive, send): pass\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const asgiHint = `serve it by an ASGI server, or put an adapter around it: middleware = ["a2wsgi:ASGIMiddleware"] (of the package a2wsgi, in the app's virtualenv)`
	file := dir + "/app/web.py"
	for name, want := range map[string]wsgi.Failure{
		"web:asgi":    {Reason: "web:asgi is an ASGI or other asynchronous application, not a WSGI one", Hint: asgiHint, File: file, Line: 2},
		"web:fastapi": {Reason: "web:fastapi is an ASGI or other asynchronous application, not a WSGI one", Hint: asgiHint, File: file, Line: 5},
		"asgi:application": {Reason: "asgi:application is an ASGI or other asynchronous application, not a WSGI one",
			Hint: `Django and others have a WSGI application beside it: wsgi_app = "wsgi:application"`, File: dir + "/app/asgi.py", Line: 1},
		"web:create_app": {Reason: "web:create_app is a function that returns the application, not the application",
			Hint: `if it makes the application, write: wsgi_app = "web:create_app()"`, File: file, Line: 6},
		"web.make_app": {Reason: "web.make_app is a function that returns the application, not the application",
			Hint: `if it makes the application, write: wsgi_app = "web.make_app()"`, File: file, Line: 7},
		"web:no_arguments": {Reason: "web:no_arguments takes no arguments, so it is not a WSGI application",
			Hint: `if it makes the application, write: wsgi_app = "web:no_arguments()"`, File: file, Line: 8},
		"web:one": {Reason: "web:one takes one argument (request), so it is not a WSGI application",
			Hint: "a WSGI application is called with (environ, start_response); if it makes the application, call it in a module of its own: application = one(…)", File: file, Line: 9},
		"web:four": {Reason: "web:four takes 4 arguments (a, b, c, d), so it is not a WSGI application",
			Hint: "a WSGI application is called with (environ, start_response)", File: file, Line: 10},
		"web:App": {Reason: "web:App is a class, not a WSGI application",
			Hint: `if it makes the application, write: wsgi_app = "web:App()"`, File: file, Line: 11},
	} {
		if got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: name}}); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
	for _, name := range []string{"wsgi", "app", "App()", "method", "PerRequest", "decorated", "optional", "defaults", "more", "create_app()", "make_app()"} {
		w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:" + name}})
		w.quit()
	}
	w, _ := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "web:asgi", Middleware: []string{"web:adapt"}}})
	w.quit()
}

// A setting that is looked for in the environment is said where to write.
func TestMissingEnvironment(t *testing.T) {
	t.Parallel()
	dir := webApp(t, "import os\nSECRET = os.environ['SECRET_KEY']\n")
	got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: "web:application"}})
	const want = `the environment has no SECRET_KEY, and variables of the shell do not reach an app: write into its spec: env = { SECRET_KEY = "…" }`
	if got.Reason != "KeyError: 'SECRET_KEY'" || got.Hint != want || got.Line != 2 {
		t.Errorf("got %+v", got)
	}
	dir = webApp(t, "d = {}\nd['SECRET_KEY']\n")
	if got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: "web:application"}}); got.Hint != "" {
		t.Errorf("any dictionary: %q", got.Hint)
	}
}
