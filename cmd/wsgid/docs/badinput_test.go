package docs

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Files that wsgid.json should not be. The text is all that is said.
func TestBadConfig(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.write(app+"/app/web.py", hello)
		for _, c := range []struct{ json, want string }{
			{`{"workers": 4`, `not JSON at line 1, column 14: unexpected end of JSON input`},
			{"{\n  'workers': 4\n}", `not JSON at line 2, column 3: invalid character '\'' looking for beginning of object key string`},
			{"{\n  \"workers\": 4,\n}", `not JSON at line 3, column 1: invalid character '}' looking for beginning of object key string`},
			{`["workers"]`, `it is not a JSON object, expected { "option": value, … }`},
			{`{"workers": "many"}`, `workers is "many" at line 1, column 13, want a number from 1`},
			{`{"workers": 0}`, `workers is 0 at line 1, column 13, want a number from 1`},
			{`{"recv": ["tcp://127.0.0.1:9997"]}`, `recv is ["tcp://127.0.0.1:9997"] at line 1, column 10, want a string`},
			{`{"recv": "tcp://127.0.0.1"}`, `recv = "tcp://127.0.0.1" has no port, expected tcp://host:port (line 1, column 10)`},
			{`{"debug": "yes"}`, `debug is "yes" at line 1, column 11, want true or false`},
			{`{"keep_alive": 1}`, `keep_alive is 1 at line 1, column 16, want true or false`},
			{`{"wsgi_app": {"module": "web"}}`, `wsgi_app is {"module":"web"} at line 1, column 14, want a string`},
			{`{"loader_dir": 1}`, `loader_dir is 1 at line 1, column 16, want a string or a list of strings`},
			{`{"envs": ["A=1"]}`, `envs is ["A=1"] at line 1, column 10, want an object, such as {"NAME": "value"}`},
			{`{"envs": {"A": ["1"]}}`, `envs at line 1, column 10: the value of A is not a string`},
			{`{"fleet": {"sockets": {"http": ["127.0.0.1:80"]}}}`, `fleet.sockets.http[0] is "127.0.0.1:80" at line 1, column 33, want an object`},
		} {
			p.write(app+"/wsgid.json", c.json)
			p.give(app)
			p.fails(1, "wsgid: cannot read /var/wsgid/blog/wsgid.json: "+c.want+"\n", "wsgid --app-path="+app)
			// import reads the same file, and says the same.
			r := p.try("wsgid-fleet import " + app)
			if want := "wsgid-fleet: cannot import /var/wsgid/blog: cannot read /var/wsgid/blog/wsgid.json: " + c.want + "\n"; r.code != 1 || r.stdout != "" || r.stderr != want {
				t.Errorf("import: %+v\nwant %s", r, want)
			}
		}
		// What wsgid does not know is told, and no reason to stay down.
		p.listen(app, `, "wsgi_app": "web.application", "worker": 3, "keep-alive": false, "colour": "red",
  "debug": true, "debug": false`)
		r := p.try("wsgid --app-path=" + app)
		const file = "wsgid: warning: /var/wsgid/blog/wsgid.json: "
		want := file + `unknown option "worker" at line 1, column ` + column(p.read(app+"/wsgid.json"), `3, "keep`) + `; did you mean "workers"?` + "\n" +
			file + `unknown option "keep-alive" at line 1, column ` + column(p.read(app+"/wsgid.json"), `false, "col`) + `; did you mean "keep_alive"?` + "\n" +
			file + `unknown option "colour" at line 1, column ` + column(p.read(app+"/wsgid.json"), `"red"`) + "\n" +
			file + "debug is defined twice; the one at line 2, column 27 is used\n"
		if r.code != 0 || r.stderr != want {
			t.Errorf("%+v\nwant %s", r, want)
		}
		p.wants("/", "Hello world!\n")
	})
}

// column counts where a word stands in a line.
func column(text, word string) string {
	return itoa(strings.Index(text, word) + 1)
}

// Applications that cannot be loaded. Both programs say the same, and the log
// does.
func TestBadApplications(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.web = freeport.Addr(t)
		for _, c := range []struct{ name, code, want string }{
			{"a callable that is not callable", "import os\napplication = 'hello'\n", `web.application is not callable: it is str 'hello'
  File "/var/wsgid/blog/app/web.py", line 2
a WSGI application is called with (environ, start_response)
`},
			{"no such callable", "def app(environ, start_response): pass\n", `wsgi_app web.application: module web has no attribute application
  File "/var/wsgid/blog/app/web.py"
its callables are app
`},
			{"sys.exit at import", "import sys\n\nsys.exit('no licence')\n", `SystemExit: the application called sys.exit('no licence') while it was loaded
Traceback (most recent call last):
  File "/var/wsgid/blog/app/web.py", line 3, in <module>
    sys.exit('no licence')
SystemExit: no licence
a module must not end the process when it is imported: put the call below if __name__ == "__main__":
`},
			{"a module that raises", "def connect():\n    raise OSError('no database')\n\nconnect()\n", `OSError: no database
Traceback (most recent call last):
  File "/var/wsgid/blog/app/web.py", line 4, in <module>
    connect()
  File "/var/wsgid/blog/app/web.py", line 2, in connect
    raise OSError('no database')
OSError: no database
`},
			{"a syntax error", "def application(environ, start_response)\n    pass\n", `SyntaxError: expected ':'
  File "/var/wsgid/blog/app/web.py", line 1
    def application(environ, start_response)
                                            ^
SyntaxError: expected ':'
`},
			{"Python 2", "print 'hello'\n", `SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?
  File "/var/wsgid/blog/app/web.py", line 1
    print 'hello'
    ^^^^^^^^^^^^^
SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?
`},
			{"an import that fails", "import flaskk\n", `ModuleNotFoundError: No module named 'flaskk'
Traceback (most recent call last):
  File "/var/wsgid/blog/app/web.py", line 1, in <module>
    import flaskk
ModuleNotFoundError: No module named 'flaskk'
flaskk is not installed for /usr/bin/python3: install it there, or name the app's virtualenv
`},
			{"a process that ends without a word", "import os\nos._exit(0)\n", `the worker ended before it was ready: exit status 0; see logs/wsgid.log
`},
			{"a process that ends after a word", "import os\nos.write(2, b'no \\x1b[1mlicence\\n\\n')\nos._exit(5)\n", `the worker ended before it was ready: exit status 5; last output: no \x1b[1mlicence; see logs/wsgid.log
`},
		} {
			p.write(app+"/app/web.py", c.code)
			p.write(app+"/wsgid.json", `{"wsgi_app": "web.application", "fleet": {"sockets": {"http": [{"listen": "`+p.web+`"}]}}}`)
			p.give(app)
			r := p.try("wsgid --app-path=" + app)
			if want := "wsgid: cannot start /var/wsgid/blog: " + c.want; r.code != 1 || r.stdout != "" || r.stderr != want {
				t.Errorf("%s:\n--- got\n%s%s--- want\n%s", c.name, r.stdout, r.stderr, want)
			}
			if r := p.try("wsgid status --app-path=" + app); r.code != 3 || !strings.HasPrefix(r.stdout, "Status: Stopped\n") {
				t.Errorf("%s leaves something: %+v", c.name, r)
			}
			reason, _, _ := strings.Cut(strings.TrimSuffix(c.want, "; see logs/wsgid.log\n"), "\n")
			if log := p.log(app); !strings.Contains(log, reason) {
				t.Errorf("%s: the log does not say %q:\n%s", c.name, reason, log)
			}
		}

		// A module that forks: the child does not answer in the worker's place, and
		// does not outlive it.
		p.write(app+"/app/web.py", `
import os, time
if os.fork() == 0:
    open(os.environ["WSGID_TEST"], "w").write(str(os.getpid()))
    while True:
        time.sleep(60)
if os.fork() == 0:
    pass  # comes back
`+hello)
		p.listen(app, `, "wsgi_app": "web.application", "envs": {"WSGID_TEST": "/var/wsgid/blog/child"}`)
		p.sh("wsgid --app-path=" + app)
		p.wants("/", "Hello world!\n")
		p.awaitLog(app, ") came back to the worker: it ends here\n")
		eventually(t, "the child's word", func() bool { b, _ := os.ReadFile(p.path(app + "/child")); return len(b) > 0 })
		child := atoi(t, p.read(app+"/child"))
		if !alive(child) {
			t.Error("the child is gone before its time")
		}
		p.sh("wsgid stop --app-path=" + app)
		eventually(t, "the child's end", func() bool { return !alive(child) })
	})
}

// Django projects that cannot be loaded.
func TestBadDjango(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/site"
		p.init(app)
		p.write(app+"/app/mysite/__init__.py", "")
		p.listen(app, "")
		for _, c := range []struct{ name, settings, want string }{
			{"settings that raise", "import os\nSECRET_KEY = os.environ['SITE_KEY']\n", `KeyError: 'SITE_KEY'
Traceback (most recent call last):
DJANGO
  File "/var/wsgid/site/app/mysite/settings.py", line 2, in <module>
    SECRET_KEY = os.environ['SITE_KEY']
KeyError: 'SITE_KEY'
the environment has no SITE_KEY, and variables of the shell do not reach an app: write into its spec: env = { SITE_KEY = "…" }
`},
			{"settings that do not parse", "DEBUG = yes\n", `NameError: name 'yes' is not defined
Traceback (most recent call last):
DJANGO
  File "/var/wsgid/site/app/mysite/settings.py", line 1, in <module>
    DEBUG = yes
NameError: name 'yes' is not defined
`},
			{"an app that is not there", "SECRET_KEY = 'x'\nINSTALLED_APPS = ['shop']\n", `ModuleNotFoundError: No module named 'shop'
Traceback (most recent call last):
DJANGO
ModuleNotFoundError: No module named 'shop'
shop is not installed for /usr/bin/python3: install it there, or name the app's virtualenv
`},
		} {
			p.write(app+"/app/mysite/settings.py", c.settings)
			p.give(app)
			r := p.try("wsgid --app-path=" + app)
			if want := "wsgid: cannot start /var/wsgid/site: " + c.want; r.code != 1 || shortened(r.stderr) != shortened(want) {
				t.Errorf("%s:\n--- got\n%s--- want\n%s", c.name, r.stderr, want)
			}
		}
	})
}

// shortened leaves out of a traceback what differs from version to version: the
// frames of Django and Python, and the marks below a line.
func shortened(text string) string {
	var out []string
	skip := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  File ") {
			skip = !strings.Contains(line, "/var/")
		} else if !strings.HasPrefix(line, "    ") {
			skip = false
		}
		marks := strings.Trim(line, " ~^\n") == ""
		if !skip && !marks && line != "DJANGO\n" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// Plugins that fail, at every place where one can.
func TestBadPlugins(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/plugged"
		p.init(app)
		loader := func(name, can, load string) string {
			return "from wsgid.core import Plugin\nfrom wsgid.loaders import IAppLoader\n\n" +
				"class " + name + "(Plugin):\n    implements = [IAppLoader]\n" +
				"    def can_load(self, app_path):\n        " + can + "\n" +
				"    def load_app(self, app_path, app_full_name):\n        " + load + "\n"
		}
		p.write(app+"/plugins/a.py", "import os\n1 / 0\n")
		p.write(app+"/plugins/b.py", loader("Curious", "return undefined", "pass"))
		p.write(app+"/plugins/c.py", "import sys\nsys.exit(3)\n")
		p.listen(app, "")
		// No loader is left: the broken ones may be the reason.
		p.fails(1, `wsgid: cannot start /var/wsgid/plugged: no loader fits: app/ holds nothing
looked for a Django project (a folder of app/ with settings.py or settings/), for pyroutes (app/pyroutes_settings.py) and asked Curious (/var/wsgid/plugged/plugins/b.py); for any other application say wsgi_app = "module:attr"; of the plugins, these failed: /var/wsgid/plugged/plugins/a.py:2: plugin cannot be imported: ZeroDivisionError: division by zero; /var/wsgid/plugged/plugins/c.py:2: plugin cannot be imported: SystemExit: the plugin called sys.exit(3) while it was loaded; /var/wsgid/plugged/plugins/b.py:7: can_load of Curious raised: NameError: name 'undefined' is not defined
`, "wsgid --app-path="+app)

		// One that works is not held up by the others, and each is in the log.
		p.write(app+"/plugins/d.py", loader("Good", "return True",
			"return lambda environ, start_response: start_response('200 OK', []) and None or [b'loaded']"))
		p.give(app)
		p.sh("wsgid --app-path=" + app)
		p.wants("/", "loaded")
		for _, want := range []string{
			" - WARNING - /var/wsgid/plugged/plugins/a.py:2: plugin cannot be imported: ZeroDivisionError: division by zero\n",
			" - WARNING - /var/wsgid/plugged/plugins/b.py:7: can_load of Curious raised: NameError: name 'undefined' is not defined\n",
			" - WARNING - /var/wsgid/plugged/plugins/c.py:2: plugin cannot be imported: SystemExit: the plugin called sys.exit(3) while it was loaded\n",
			" is ready: Good Good of /var/wsgid/plugged/plugins/d.py, Python ",
		} {
			p.awaitLog(app, want)
		}
		p.sh("wsgid stop --app-path=" + app)

		p.write(app+"/plugins/d.py", loader("Good", "return True", "raise OSError('no such site')"))
		p.fails(1, `wsgid: cannot start /var/wsgid/plugged: OSError: no such site
Traceback (most recent call last):
  File "/var/wsgid/plugged/plugins/d.py", line 9, in load_app
    raise OSError('no such site')
OSError: no such site
`, "wsgid --app-path="+app)
		p.write(app+"/plugins/d.py", loader("Good", "return True", "return 5"))
		p.fails(1, `wsgid: cannot start /var/wsgid/plugged: Good of /var/wsgid/plugged/plugins/d.py is not callable: it is int 5
  File "/var/wsgid/plugged/plugins/d.py", line 8
a WSGI application is called with (environ, start_response)
`, "wsgid --app-path="+app)

		// Filters that raise are skipped, request by request.
		p.write(app+"/app/web.py", hello)
		p.write(app+"/plugins/d.py", `
from wsgid.core import Plugin
from wsgid.interfaces.filters import IPostRequestFilter, IPreRequestFilter

class Before(Plugin):
    implements = [IPreRequestFilter]
    def process(self, message, environ):
        raise RuntimeError("before")

class After(Plugin):
    implements = [IPostRequestFilter]
    def process(self, message, status, headers, body):
        return status
`)
		p.sh("wsgid --wsgi-app=web.application --app-path=" + app)
		p.wants("/", "Hello world!\n")
		p.awaitLog(app, ": /var/wsgid/plugged/plugins/d.py:7: filter Before.process raised RuntimeError: before: it is skipped\n")
		p.awaitLog(app, ": /var/wsgid/plugged/plugins/d.py:11: filter After.process raised TypeError: process must return (status, headers, body), not '200 OK': it is skipped\n")
		p.sh("wsgid stop --app-path=" + app)

		// A plugin that forks: its child ends where it comes back.
		p.write(app+"/plugins/d.py", "import os\nos.fork()\n")
		p.sh("wsgid --wsgi-app=web.application --app-path=" + app)
		p.wants("/", "Hello world!\n")
		p.awaitLog(app, ") came back to the worker: it ends here\n")
		if resp, _ := p.get("/"); resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
	})
}

// What is named as Python and cannot run workers.
func TestBadPython(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.write(app+"/app/web.py", hello)
		p.listen(app, "")
		// An interpreter that thinks it is another one.
		posing := func(as string) string {
			return "#!/usr/bin/python3 -EsS\nimport runpy, sys\n" + as + "\nsys.executable = '" + p.path("/var/python") + "'\n" +
				"sys.argv = [a for a in sys.argv[1:] if a != '-u']\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
		}
		const next = ", and workers need CPython 3.8 or newer\nname a newer one with python or virtualenv\n"
		const who = "/var/python as user USER: "
		for _, c := range []struct{ name, script, want string }{
			{"3.6", posing("sys.version_info = (3, 6, 15, 'final', 0)"), "cannot start /var/wsgid/blog: cannot use /var/python: it is Python 3.6" + next},
			{"2.7", posing("sys.version_info = (2, 7, 18, 'final', 0)"), "cannot start /var/wsgid/blog: cannot use /var/python: it is Python 2.7" + next},
			{"PyPy", posing("sys.implementation.name = 'pypy'"), "cannot start /var/wsgid/blog: cannot use /var/python: it is pypy 3.11" + next},
			{"no Python", "#!/bin/sh\necho hello\n", "cannot start /var/wsgid/blog: cannot use python /var/python: it is not a Python interpreter: asked for its version, it wrote \"hello\\n\"\n"},
			{"no Python, and silent", "#!/bin/sh\n", "cannot start /var/wsgid/blog: cannot use python /var/python: it is not a Python interpreter: asked for its version, it wrote \"\"\n"},
			{"broken", "#!/bin/sh\necho 'libpython3.9.so.1.0: cannot open' >&2\nexit 127\n", "cannot start /var/wsgid/blog: cannot use python " + who + "exit status 127: libpython3.9.so.1.0: cannot open\n"},
			{"not executable", "", "cannot use python /var/python of app blog: it is not executable; name the interpreter itself, or make it executable: chmod +x\n"},
		} {
			p.write("/var/python", c.script)
			if c.script != "" {
				p.must(os.Chmod(p.path("/var/python"), 0o755)) //nolint:gosec // it is run
			}
			p.write(app+"/wsgid.json", `{"wsgi_app": "web.application", "fleet": {"python": "/var/python", "sockets": {"http": [{"listen": "`+p.web+`"}]}}}`)
			p.give(app)
			user := "nobody"
			if os.Geteuid() == 0 {
				user = "www-data"
			}
			p.fails(1, "wsgid: "+strings.Replace(c.want, "USER", user, 1), "wsgid --app-path="+app)
			p.must(os.Remove(p.path("/var/python")))
		}
		// wsgid-fleet shows the same reason.
		p.write("/var/python", posing("sys.version_info = (3, 6, 15, 'final', 0)"))
		p.must(os.Chmod(p.path("/var/python"), 0o755)) //nolint:gosec // it is run
		p.sh("wsgid-fleet import --write " + app + " >/dev/null")
		r := p.try("wsgid-fleet apply")
		if want := "wsgid-fleet: cannot apply blog: cannot use /var/python: it is Python 3.6, and workers need CPython 3.8 or newer"; r.code != 1 || !strings.Contains(r.stderr, want) ||
			!strings.Contains(r.stderr, "name a newer one with python or virtualenv\n") {
			t.Errorf("%+v\nwant %s", r, want)
		}
	})
}
