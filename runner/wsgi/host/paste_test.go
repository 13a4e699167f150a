package host_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// A file that ends with .ini is read by PasteDeploy: its app, or the section that is named
// behind it, with what is around that, and the logging that the file says.
func TestLoadsAnIniFile(t *testing.T) {
	componenttest.Wanted(t, "paste.deploy")
	dir := appFolder(t, map[string]string{
		"app/blog.py": `
import logging
from wsgiref.util import setup_testing_defaults
def main(global_config, **settings):
    def application(environ, start_response):
        start_response("200 OK", [])
        level = logging.getLevelName(logging.getLogger("blog").level)
        return [("%s %s %s\n" % (settings["greeting"], global_config["here"][-4:], level)).encode()]
    return application
def upper(global_config):
    return lambda app: lambda environ, start_response: [part.upper() for part in app(environ, start_response)]
def broken(global_config):
    raise ValueError("no database")
number = lambda global_config: 5
`,
		"conf/a b.ini": `
[app:main]
paste.app_factory = blog:main
greeting = hello
[pipeline:my-loud]
pipeline = upper main
[filter:upper]
paste.filter_factory = blog:upper
[app:broken]
paste.app_factory = blog:broken
[app:number]
paste.app_factory = blog:number
[app:egg]
use = egg:no_such_project
[app:value]
paste.app_factory = blog:main
greeting = %(nobody)s
[loggers]
keys = root, blog
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = WARNING
handlers = console
[logger_blog]
level = DEBUG
qualname = blog
handlers =
[handler_console]
class = StreamHandler
args = (sys.stderr,)
`})
	file := filepath.Join(dir, "conf", "a b.ini")
	for name, want := range map[string]string{file: "hello conf DEBUG\n", file + ":my-loud": "HELLO CONF DEBUG\n"} {
		w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: name}})
		if ready.App != name {
			t.Errorf("%s: ready is %+v", name, ready)
		}
		if r := w.get("/"); r.String() != "200 OK "+want {
			t.Errorf("%s: got %s", name, r)
		}
		w.quit()
	}
	for name, want := range map[string]wsgi.Failure{
		filepath.Join(dir, "gone.ini"): {Reason: "wsgi_app names the file " + filepath.Join(dir, "gone.ini") + ": there is no such file", Hint: "correct the path"},
		file + ":nothing":              {Reason: file + ": No section 'nothing' (prefixed by", Hint: "write a section of that name, or the one that is meant behind the file", File: file},
		file + ":egg":                  {Reason: file + ": No package metadata was found for no_such_project", Hint: "what follows egg: is a project that has to be installed for /usr/bin/python3, as by pip install", File: file},
		file + ":value":                {Reason: file + ": Error in file " + file + ": Bad value substitution", Hint: "correct the file", File: file},
		file + ":broken":               {Reason: "ValueError: no database", File: dir + "/app/blog.py"},
		file + ":number":               {Reason: file + ":number is not callable: it is int 5", Hint: "a WSGI application is called with", File: file},
	} {
		f := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: name}})
		if !strings.HasPrefix(f.Reason, want.Reason) || !strings.HasPrefix(f.Hint, want.Hint) || f.File != want.File || f.File == file && f.Line != 0 {
			t.Errorf("%s: %+v\nwant %+v", name, f, want)
		}
	}
}

// Where PasteDeploy is not installed that is said, and not that a module is missing.
func TestIniFileWithoutPasteDeploy(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/paste/__init__.py": "",
		"production.ini":        "[app:main]\n",
	})
	file := filepath.Join(dir, "production.ini")
	f := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: file}})
	if want := file + " is read by PasteDeploy, which is not installed for /usr/bin/python3"; f.Reason != want || !strings.HasPrefix(f.Hint, "install PasteDeploy there") || f.File != file {
		t.Errorf("got %+v", f)
	}
}
