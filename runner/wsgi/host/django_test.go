package host_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const (
	djangoSettings = `
SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "%[1]s.urls"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "old.db", "CONN_MAX_AGE": 5},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": "other.db"},
}
INSTALLED_APPS = ("django.contrib.contenttypes",)
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "TIMEOUT": 5}}
NUMBER = 1
A_LIST = ["settings"]
A_TUPLE = ("settings",)
A_DICT = {"a": 1, "b": {"x": 1}}
A_STR = "settings"
%[2]s`
	djangoURLs = `
from django.conf import settings
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse, FileResponse
from django.urls import path

def value(request, name):
    return HttpResponse(repr(getattr(settings, name, "missing")))

def database(request):
    with connection.cursor() as c:
        c.execute("create table if not exists t (a integer)")
        c.execute("PRAGMA database_list")
        return HttpResponse(c.fetchone()[2])

urlpatterns = [
    path("value/<name>", value),
    path("database", database),
    path("stream", lambda request: StreamingHttpResponse(iter(["a", "b"]))),
    path("file", lambda request: FileResponse(open(__file__, "rb"))),
    path("post", lambda request: HttpResponse(request.POST["a"] + request.FILES["f"].read().decode())
         if request.FILES else HttpResponse(request.body)),
]
`
	djangoWSGI = `
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "%s.settings")
application = get_wsgi_application()
`
)

// project returns the files of a Django project below a folder.
func project(folder, name, settings string) map[string]string {
	return map[string]string{
		folder + "/__init__.py": "",
		folder + "/settings.py": fmt.Sprintf(djangoSettings, name, settings),
		folder + "/urls.py":     djangoURLs,
	}
}

func with(files map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

func TestDjangoLayouts(t *testing.T) {
	settingsPackage := project("app/site", "site1", "")
	wsgi1 := fmt.Sprintf(djangoWSGI, "site1")
	inPackage := map[string]string{
		"app/site1/__init__.py":          "",
		"app/site1/settings/__init__.py": settingsPackage["app/site/settings.py"],
		"app/site1/urls.py":              djangoURLs,
	}
	both := with(project("app/beta", "beta", ""), "app/alpha/__init__.py", "", "app/.hidden/__init__.py", "",
		"app/.hidden/settings.py", "raise ValueError")
	maps.Copy(both, project("app/gamma", "gamma", ""))
	namespace := project("app/site1", "site1", "")
	delete(namespace, "app/site1/__init__.py")
	handler := "django.core.wsgi:get_wsgi_application()"
	for _, c := range []struct {
		name               string
		files              map[string]string
		config             wsgi.Config
		env                []string
		loader, app, value string
	}{
		{"old layout", project("app/site1", "site1", ""), wsgi.Config{}, nil, "django", handler, "site1.settings"},
		{"imports of the old layout", with(project("app/site1", "site1", "import extra\n"), "app/site1/extra.py", ""),
			wsgi.Config{}, nil, "django", handler, "site1.settings"},
		{"settings package", inPackage, wsgi.Config{}, nil, "django", handler, "site1.settings"},
		{"manage.py beside the package", with(project("app/site1", "site1", "WSGI_APPLICATION = 'site1.wsgi.application'\n"),
			"app/manage.py", "", "app/site1/wsgi.py", wsgi1), wsgi.Config{}, nil, "django", "site1.wsgi.application", "site1.settings"},
		{"nested", with(project("app/site1/site1", "site1", "WSGI_APPLICATION = 'site1.wsgi.application'\n"),
			"app/site1/manage.py", "", "app/site1/site1/wsgi.py", wsgi1, "app/site1/blog/__init__.py", ""),
			wsgi.Config{}, nil, "django", "site1.wsgi.application", "site1.settings"},
		{"nested in a package", with(project("app/site1/site1", "site1", ""), "app/site1/__init__.py", ""),
			wsgi.Config{}, nil, "django", handler, "site1.settings"},
		{"nested under another name", project("app/src/site1", "site1", ""), wsgi.Config{}, nil, "django", handler, "site1.settings"},
		{"several projects: the first by name", both, wsgi.Config{}, nil, "django", handler, "beta.settings"},
		{"settings given", both, wsgi.Config{DjangoSettings: "gamma.settings"}, nil, "django", handler, "gamma.settings"},
		{"settings by environment", both, wsgi.Config{}, []string{"DJANGO_SETTINGS_MODULE=gamma.settings"}, "django", handler, "gamma.settings"},
		{"the spec wins over the environment", both, wsgi.Config{DjangoSettings: "gamma.settings"},
			[]string{"DJANGO_SETTINGS_MODULE=beta.settings"}, "django", handler, "gamma.settings"},
		{"forced, without __init__.py", namespace, wsgi.Config{Django: true}, nil, "django", handler, "site1.settings"},
		{"wsgi_app", with(project("app/site1", "site1", ""), "app/site1/wsgi.py", wsgi1),
			wsgi.Config{WSGIApp: "site1.wsgi:application"}, nil, "wsgi", "site1.wsgi:application", "site1.settings"},
		{"wsgi_app and settings", with(both, "app/beta/wsgi.py", fmt.Sprintf(djangoWSGI, "beta")),
			wsgi.Config{WSGIApp: "beta.wsgi:application", DjangoSettings: "gamma.settings", Django: true}, nil,
			"wsgi", "beta.wsgi:application", "gamma.settings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, ready := startReady(t, appFolder(t, c.files), options{config: c.config, env: c.env})
			if ready.Loader != c.loader || ready.App != c.app || ready.Settings != c.value || len(ready.Warnings) != 0 {
				t.Errorf("ready is %+v", ready)
			}
			want := fmt.Sprintf("200 OK '%s.urls'", strings.TrimSuffix(c.value, ".settings"))
			if r := w.get("/value/ROOT_URLCONF"); r.String() != want {
				t.Errorf("got %s, want %s", r, want)
			}
			w.quit()
		})
	}
}

func TestDjangoServes(t *testing.T) {
	w, _ := startReady(t, appFolder(t, project("app/site1", "site1", "")), options{})
	r := w.get("/value/NUMBER")
	if r.String() != "200 OK 1" || r.way() != "H" || r.header("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %+v", r)
	}
	if r := w.get("/stream"); r.String() != "200 OK ab" || r.way() != "hde" {
		t.Errorf("got %s, messages %s", r, r.way())
	}
	if r := w.get("/file"); r.String() != "200 OK "+strings.TrimPrefix(djangoURLs, "\n") || r.way() != "H" {
		t.Errorf("got %s, messages %s", r, r.way())
	}
	if r := w.get("/none"); r.status != "404 Not Found" {
		t.Errorf("got %s", r)
	}
	e := map[string]any{"PATH_INFO": "/post", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "4", "CONTENT_TYPE": "text/plain"}
	if r := w.slots[0].do(e, "body"); r.String() != "200 OK body" {
		t.Errorf("got %s", r)
	}
	w.quit()
}

// The rules of wsgid's reference, on the settings of real Django.
func TestDjangoJSONMerges(t *testing.T) {
	dir := appFolder(t, with(project("app/site1", "site1", ""), "django.json", `{
  "DEBUG": true,
  "NEW": {"made": [1, 2.5, null]},
  "NUMBER": "a str now",
  "A_LIST": ["file"],
  "A_TUPLE": ["file", 2],
  "A_DICT": {"b": {"y": 2}, "c": 3},
  "A_STR": ["a list now"],
  "INSTALLED_APPS": ["django.contrib.auth"],
  "ALLOWED_HOSTS": ["example.org"],
  "CACHES": {"default": {"TIMEOUT": 9}, "second": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}},
  "DATABASES": {
    "default": {"NAME": "new.db"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": "replaced.db"},
    "third": {"ENGINE": "django.db.backends.sqlite3", "NAME": "third.db"}
  }
}`))
	w, ready := startReady(t, dir, options{})
	if len(ready.Warnings) != 0 {
		t.Errorf("warnings %q", ready.Warnings)
	}
	for name, want := range map[string]string{
		"DEBUG":          "True",                            // same kind: the file wins
		"NEW":            "{'made': [1, 2.5, None]}",        // missing: made
		"NUMBER":         "'a str now'",                     // different types: the file wins
		"A_LIST":         "['settings', 'file']",            // list onto list
		"A_TUPLE":        "('settings', 'file', 2)",         // list onto tuple stays a tuple
		"A_DICT":         "{'a': 1, 'b': {'y': 2}, 'c': 3}", // key by key, the file's key wins whole
		"A_STR":          "['a list now']",
		"INSTALLED_APPS": "('django.contrib.contenttypes', 'django.contrib.auth')",
		"ALLOWED_HOSTS":  "['localhost', 'example.org']",
		"CACHES": "{'default': {'BACKEND': 'django.core.cache.backends.locmem.LocMemCache', 'TIMEOUT': 9}, " +
			"'second': {'BACKEND': 'django.core.cache.backends.dummy.DummyCache'}}",
	} {
		if r := w.get("/value/" + name); r.String() != "200 OK "+want {
			t.Errorf("%s: got %s, want %s", name, r, want)
		}
	}
	r := w.get("/value/DATABASES").body
	for _, want := range []string{
		// Without an ENGINE an entry could not stand alone: it completes the old one.
		"'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'new.db', 'CONN_MAX_AGE': 5",
		"'other': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'replaced.db'",
		"'third': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'third.db'",
	} {
		if !strings.Contains(r, want) {
			t.Errorf("DATABASES is %s, want in it %s", r, want)
		}
	}
	if r := w.get("/database"); r.String() != "200 OK "+dir+"/new.db" {
		t.Errorf("database: %s", r)
	}
	w.quit()
}

// An application that is named by wsgi_app gets its django.json all the same.
func TestDjangoJSONWithWSGIApp(t *testing.T) {
	files := with(project("app/site1", "site1", ""), "app/site1/wsgi.py", fmt.Sprintf(djangoWSGI, "site1"),
		"django.json", `{"NUMBER": 2, "lower": 1}`)
	dir := appFolder(t, files)
	w, ready := startReady(t, dir, options{config: wsgi.Config{WSGIApp: "site1.wsgi:application"}})
	want := dir + "/django.json: lower is not a setting: Django's settings are upper case"
	if len(ready.Warnings) != 1 || ready.Warnings[0] != want || ready.Settings != "site1.settings" {
		t.Errorf("ready is %+v", ready)
	}
	if r := w.get("/value/NUMBER"); r.String() != "200 OK 2" {
		t.Errorf("got %s", r)
	}
	w.quit()
}

func TestDjangoFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  map[string]string
		config wsgi.Config
		want   wsgi.Failure
	}{
		{"broken JSON", with(project("app/site1", "site1", ""), "django.json", "{\n  \"A\": 1,\n  \"B\" 2\n}\n"), wsgi.Config{},
			wsgi.Failure{Reason: "cannot read django.json: line 3, column 7: Expecting ':' delimiter", File: "DIR/django.json", Line: 3}},
		{"empty file", with(project("app/site1", "site1", ""), "django.json", ""), wsgi.Config{},
			wsgi.Failure{Reason: "cannot read django.json: line 1, column 1: Expecting value", File: "DIR/django.json", Line: 1}},
		{"not an object", with(project("app/site1", "site1", ""), "django.json", "[1]"), wsgi.Config{},
			wsgi.Failure{Reason: "cannot read django.json: it must hold an object { … } of settings", File: "DIR/django.json", Line: 1}},
		{"not UTF-8", with(project("app/site1", "site1", ""), "django.json", "{\n\"A\": \"\xff\"}"), wsgi.Config{},
			wsgi.Failure{Reason: "cannot read django.json: line 2 is not UTF-8", File: "DIR/django.json", Line: 2}},
		{"broken JSON with wsgi_app", with(project("app/site1", "site1", ""), "django.json", "{", "app/web.py", hello),
			wsgi.Config{WSGIApp: "web:application"},
			wsgi.Failure{Reason: "cannot read django.json: line 1, column 2: Expecting property name enclosed in double quotes",
				File: "DIR/django.json", Line: 1}},
		{"settings that raise", project("app/site1", "site1", "\n\nraise KeyError('SECRET')\n"), wsgi.Config{},
			wsgi.Failure{Reason: "KeyError: 'SECRET'", File: "DIR/app/site1/settings.py", Line: 19}},
		{"settings that raise, with django.json", with(project("app/site1", "site1", "\n\nraise KeyError('SECRET')\n"), "django.json", "{}"),
			wsgi.Config{}, wsgi.Failure{Reason: "KeyError: 'SECRET'", File: "DIR/app/site1/settings.py", Line: 19}},
		{"settings that are not there", project("app/site1", "site1", ""), wsgi.Config{DjangoSettings: "site1.production"},
			wsgi.Failure{Reason: "ModuleNotFoundError: No module named 'site1.production'", File: "*"}},
		{"an app that is not there", project("app/site1", "site1", "INSTALLED_APPS = ['blgo']\n"), wsgi.Config{},
			wsgi.Failure{Reason: "ModuleNotFoundError: No module named 'blgo'", File: "*",
				Hint: "blgo is not installed for /usr/bin/python3: install it there, or name the app's virtualenv"}},
		{"WSGI_APPLICATION that is not there", with(project("app/site1", "site1", "WSGI_APPLICATION = 'site1.wsgi.applicatio'\n"),
			"app/site1/wsgi.py", fmt.Sprintf(djangoWSGI, "site1")), wsgi.Config{},
			wsgi.Failure{Reason: "WSGI_APPLICATION site1.wsgi.applicatio: module site1.wsgi has no attribute applicatio",
				Hint: "did you mean application?", File: "DIR/app/site1/wsgi.py"}},
		{"forced where nothing is", map[string]string{"app/main.py": ""}, wsgi.Config{Django: true},
			wsgi.Failure{Reason: "loader django finds no project: app/ holds main.py",
				Hint: `looked for a folder of app/ with settings.py or settings/; or say django { settings = "project.settings" }`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := appFolder(t, c.files)
			got := startFailing(t, dir, options{config: c.config})
			got.Traceback = ""
			if c.want.File == "*" { // within Django
				got.File, got.Line = "*", 0
			}
			c.want.File = strings.ReplaceAll(c.want.File, "DIR", dir)
			if got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestDjangoIsMissing(t *testing.T) {
	// -S would do, but the interpreter's options are ours: a package in the way.
	dir := appFolder(t, with(project("app/site1", "site1", ""), "django.json", "{}", "app/web.py", hello,
		"lib/django/__init__.py", "raise ModuleNotFoundError(\"No module named 'django'\", name='django')\n"))
	env := []string{"PYTHONPATH=" + dir + "/lib"}
	got := startFailing(t, dir, options{env: env})
	got.Traceback, got.File, got.Line = "", "", 0
	want := wsgi.Failure{Reason: "ModuleNotFoundError: No module named 'django'",
		Hint: "django is not installed for /usr/bin/python3: install it there, or name the app's virtualenv"}
	if got != want {
		t.Errorf("got %+v", got)
	}
	// A project of a framework that Django never heard of looks the same.
	if err := os.WriteFile(dir+"/app/site1/wsgi.py", []byte("import ginger\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = startFailing(t, dir, options{env: env})
	got.Traceback, got.File, got.Line = "", "", 0
	want.Hint += `; a project of another framework is named by its application: wsgi_app = "site1.wsgi:application"`
	if got != want {
		t.Errorf("got %+v", got)
	}
	w, ready := startReady(t, dir, options{env: env, config: wsgi.Config{WSGIApp: "web:application"}})
	warning := dir + "/django.json is not applied: Django is not installed for /usr/bin/python3"
	if len(ready.Warnings) != 1 || ready.Warnings[0] != warning {
		t.Errorf("warnings %q", ready.Warnings)
	}
	w.quit()
}

// A framework of Django's make reads its settings module's name from an
// environment variable of its own (the Ginger guide).
func TestSettingsModuleOfAnotherFramework(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/mysite/__init__.py": "",
		"app/mysite/settings.py": "GREETING = b'from mysite.settings'\n",
		"app/ginger.py": "import os, importlib\ndef get_wsgi_application():\n" +
			"    settings = importlib.import_module(os.environ['GINGER_SETTINGS_MODULE'])\n" +
			"    def application(e, s):\n        s('200 OK', [])\n        return [settings.GREETING]\n    return application\n",
	})
	w, ready := startReady(t, dir, options{env: []string{"GINGER_SETTINGS_MODULE=mysite.settings"},
		config: wsgi.Config{WSGIApp: "ginger:get_wsgi_application()"}})
	if ready.Settings != "" {
		t.Errorf("ready is %+v", ready)
	}
	if r := w.get("/"); r.String() != "200 OK from mysite.settings" {
		t.Errorf("got %s", r)
	}
	w.quit()
}

// A framework made like Django is loaded like Django, its variable names it.
func TestFrameworkOfDjangosMake(t *testing.T) {
	dir := appFolder(t, map[string]string{
		"app/mysite/__init__.py": "",
		"app/mysite/settings.py": "DEBUG = True\nNAMES = ['settings']\n",
		"app/mysite/other.py":    "DEBUG = True\nNAMES = ['other']\nWSGI_APPLICATION = 'mysite.web.app'\n",
		"app/mysite/web.py":      "from ginger.core.wsgi import get_wsgi_application\napp = get_wsgi_application('web ')\n",
		"lib/ginger/__init__.py": "", "lib/ginger/core/__init__.py": "",
		"lib/ginger/conf.py": `
import importlib, os
class Settings:
    def __init__(self, settings_module):
        self.__dict__.update(vars(importlib.import_module(settings_module)))
class Lazy:
    _wrapped = None
    configured = property(lambda self: self._wrapped is not None)
    def __getattr__(self, name):
        if self._wrapped is None:
            self._wrapped = Settings(os.environ["GINGER_SETTINGS_MODULE"])
        return getattr(self._wrapped, name)
settings = Lazy()
`,
		"lib/ginger/core/wsgi.py": `
from ginger.conf import settings
def get_wsgi_application(prefix=""):
    def application(environ, start_response):
        start_response("200 OK", [])
        return [("%s%s %s" % (prefix, settings.NAMES, settings.DEBUG)).encode()]
    return application
`,
		// Such a variable alone makes no framework.
		"lib/aaa.py":  "",
		"django.json": `{"DEBUG": false, "NAMES": ["django.json"]}`,
	})
	for module, want := range map[string]string{
		"mysite.settings": "['settings', 'django.json'] False",
		"mysite.other":    "web ['other', 'django.json'] False",
	} {
		w, ready := startReady(t, dir, options{env: []string{"PYTHONPATH=" + dir + "/lib", "AAA_SETTINGS_MODULE=aaa", "BBB_SETTINGS_MODULE=bbb",
			"_SETTINGS_MODULE=x", "GINGER_SETTINGS_MODULE=" + module}})
		if ready.Settings != module || ready.Loader != "django" || len(ready.Warnings) != 0 {
			t.Errorf("ready is %+v", ready)
		}
		if r := w.get("/"); r.String() != "200 OK "+want {
			t.Errorf("%s: got %s, want %s", module, r, want)
		}
		w.quit()
	}
}

func TestFlask(t *testing.T) {
	w, _ := startReady(t, webApp(t, `
from flask import Flask, request, Response
application = Flask(__name__)

@application.route("/hello/<name>")
def greet(name):
    return "hello " + name

@application.route("/stream")
def stream():
    return Response(iter(["a", "b"]))

@application.route("/post", methods=["POST"])
def post():
    return request.form["a"]
`), web)
	if r := w.get("/hello/you"); r.String() != "200 OK hello you" || r.way() != "H" {
		t.Errorf("got %s, messages %s", r, r.way())
	}
	if r := w.get("/stream"); r.String() != "200 OK ab" || r.way() != "hde" {
		t.Errorf("got %s, messages %s", r, r.way())
	}
	e := map[string]any{"PATH_INFO": "/post", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "3",
		"CONTENT_TYPE": "application/x-www-form-urlencoded"}
	if r := w.slots[0].do(e, "a=b"); r.String() != "200 OK b" {
		t.Errorf("got %s", r)
	}
	w.quit()
}
