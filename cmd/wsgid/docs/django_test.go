package docs

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// oldProject writes a project as Django made them before 1.4, when the tutorial
// was written: manage.py and settings.py in one package.
func (p *place) oldProject(dir, name string) {
	p.t.Helper()
	p.write(dir+"/"+name+"/__init__.py", "")
	p.write(dir+"/"+name+"/manage.py", "raise SystemExit('manage.py is not for wsgid')\n")
	p.write(dir+"/"+name+"/settings.py", `
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "`+name+`.urls"
MANAGERS = (("Tom", "tom@example.org"),)
`)
	p.write(dir+"/"+name+"/urls.py", `
from django.http import HttpResponse
from django.urls import path
import settings  # as old projects may: the package's own folder is on sys.path
urlpatterns = [path("", lambda request: HttpResponse("project " + settings.ROOT_URLCONF))]
`)
}

// The Django tutorial: the project's folder is copied into app/, nothing is said
// about it.
func TestDjangoTutorial(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.mongrel2(mongrel2test.Options{})
		const app = "/var/wsgid/djangoapp"
		const start = "wsgid --app-path=/var/wsgid/djangoapp --recv=RECV --send=SEND"
		p.init(app)

		p.oldProject("/home", "myproject")
		p.sh("cp -a myproject/ /var/wsgid/djangoapp/app/")
		p.give(app)
		p.sh(start)
		p.wants("/", "project myproject.urls")
		p.awaitLog(app, " is ready: django django.core.wsgi:get_wsgi_application(), ")
		p.sh("wsgid stop --app-path=" + app)

		// Several projects (0.4): the first by name. Hidden folders are none, nor are
		// those without settings.
		p.oldProject(app+"/app", "anotherproject")
		p.oldProject(app+"/app", ".aaa")
		p.write(app+"/app/aaa/__init__.py", "")
		p.give(app)
		p.sh(start)
		p.wants("/", "project anotherproject.urls")
		p.sh("wsgid stop --app-path=" + app)
		p.sh("rm -r myproject /var/wsgid/djangoapp/app/* /var/wsgid/djangoapp/app/.aaa")

		// What startproject makes today.
		p.sh("/usr/bin/python3 -m django startproject myproject && cp -a myproject/* /var/wsgid/djangoapp/app/ && rm -r myproject")
		p.give(app)
		p.sh(start)
		// DEBUG is on, and there is no page yet.
		if resp, body := p.get("/"); resp.StatusCode != http.StatusOK || !strings.Contains(body, "The install worked successfully! Congratulations!") {
			t.Errorf("%s\n%.500s", resp.Status, body)
		}
		p.awaitLog(app, " is ready: django myproject.wsgi.application, ")
		p.sh("wsgid stop --app-path=" + app)
	})
}

// A new project's folder copied whole holds manage.py and the package; a
// settings package is as good as a module; --django asks for what is not
// recognised.
func TestDjangoLayouts(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/layouts"
		p.init(app)
		served := func(options, want string) {
			t.Helper()
			p.listen(app, "")
			p.sh("wsgid --app-path=" + app + options)
			p.wants("/", want)
			p.sh("wsgid stop --app-path=" + app + "; rm -r " + app + "/app/*")
		}
		page := func(dir, name string) {
			p.write(dir+"/__init__.py", "")
			p.write(dir+"/urls.py", "from django.http import HttpResponse\nfrom django.urls import path\n"+
				"urlpatterns = [path('', lambda request: HttpResponse('"+name+"'))]\n")
		}
		const settings = "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'site1.urls'\n"

		page(app+"/app/project/site1", "nested")
		p.write(app+"/app/project/manage.py", "")
		p.write(app+"/app/project/site1/settings.py", settings)
		served("", "nested")

		page(app+"/app/site1", "package")
		p.write(app+"/app/site1/settings/base.py", settings)
		p.write(app+"/app/site1/settings/__init__.py", "from .base import *\n")
		served("", "package")

		page(app+"/app/site1", "namespace")
		p.write(app+"/app/site1/settings.py", settings)
		p.must(os.Remove(p.path(app + "/app/site1/__init__.py")))
		served(" --django", "namespace")

		page(app+"/app/site1", "own application")
		p.write(app+"/app/site1/settings.py", settings+"WSGI_APPLICATION = 'site1.web.site'\n")
		p.write(app+"/app/site1/web.py", `
from django.core.wsgi import get_wsgi_application
inner = get_wsgi_application()
def site(environ, start_response):
    return [b"<" + b"".join(inner(environ, lambda s, h: start_response(s, []))) + b">"]
`)
		served("", "<own application>")
	})
}

// django.json (0.5): the database of the machine, and the three rules.
func TestDjangoJSON(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/djangoapp"
		p.init(app)
		p.write(app+"/app/myproject/__init__.py", "")
		p.write(app+"/app/myproject/settings.py", `
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "myproject.urls"
INSTALLED_APPS = ("myproject",)
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/var/wsgid/djangoapp/dev.sqlite3"},
    "reports": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/var/wsgid/djangoapp/reports.sqlite3"},
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
NAMES = ["a"]
PAIR = ("a",)
COLOURS = {"sky": "blue", "grass": "green"}
LIMIT = 5
`)
		p.write(app+"/app/myproject/models.py", `
from django.db import models
class Note(models.Model):
    text = models.CharField(max_length=20)
`)
		p.write(app+"/app/myproject/urls.py", `
from django.conf import settings
from django.db import connections
from django.http import HttpResponse
from django.urls import path
from myproject.models import Note

def note(request, alias, text):
    connection = connections[alias]
    if Note._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Note)
    Note.objects.using(alias).create(text=text)
    return HttpResponse("%d %s" % (Note.objects.using(alias).count(), sorted(settings.DATABASES)))

def setting(request, name):
    return HttpResponse(repr(getattr(settings, name)))

urlpatterns = [path("note/<alias>/<text>", note), path("setting/<name>", setting)]
`)
		p.give(app)
		notes := func(file string) string {
			cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c",
				"import sqlite3, sys; print(*[r[0] for r in sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True).execute('select text from myproject_note order by id')])", p.path(app+"/"+file))
			out, err := cmd.CombinedOutput()
			if err != nil {
				return "none"
			}
			return strings.TrimSpace(string(out))
		}
		p.listen(app, "")
		p.sh("wsgid --app-path=" + app)
		p.wants("/note/default/first", "1 ['default', 'reports']")
		p.wants("/setting/LIMIT", "5")

		p.write(app+"/django.json", `{
  "DATABASES": {
    "default": {
       "ENGINE": "django.db.backends.sqlite3",
       "NAME": "/var/wsgid/djangoapp/prod.sqlite3",
       "USER": "user",
       "PASSWORD": "passwd",
       "HOST": "localhost",
       "PORT": "3598"
    },
    "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/var/wsgid/djangoapp/archive.sqlite3"}
  },
  "NAMES": ["b", "c"], "PAIR": ["b"], "COLOURS": {"sky": "grey", "sea": "green"}, "LIMIT": "five", "FRESH": [1]
}`)
		// The running workers keep what they loaded; a restart takes up the file.
		p.wants("/note/default/second", "2 ['default', 'reports']")
		p.sh("wsgid restart --app-path=" + app)
		p.wants("/note/default/third", "1 ['archive', 'default', 'reports']")
		p.wants("/note/archive/fourth", "1 ['archive', 'default', 'reports']")
		p.wants("/note/reports/fifth", "1 ['archive', 'default', 'reports']")
		for file, want := range map[string]string{"dev.sqlite3": "first second", "prod.sqlite3": "third", "archive.sqlite3": "fourth", "reports.sqlite3": "fifth"} {
			if got := notes(file); got != want {
				t.Errorf("%s holds %q, want %q", file, got, want)
			}
		}
		for name, want := range map[string]string{
			"NAMES": "['a', 'b', 'c']", "PAIR": "('a', 'b')", "COLOURS": "{'sky': 'grey', 'grass': 'green', 'sea': 'green'}",
			"LIMIT": "'five'", "FRESH": "[1]",
		} {
			p.wants("/setting/"+name, want)
		}

		// A file that does not parse stops the rollout: the database stays the one
		// that it was.
		p.write(app+"/django.json", "{\n  \"DEBUG\": false,\n  \"LIMIT\": 7,,\n}\n")
		r := p.try("wsgid restart --app-path=" + app)
		want := `serving: cannot read django.json: line 3, column 14: Expecting property name enclosed in double quotes
  File "/var/wsgid/djangoapp/django.json", line 3
`
		if r.code != 1 || !strings.HasSuffix(r.stderr, want) {
			t.Errorf("%+v\nwant %s", r, want)
		}
		p.wants("/note/default/sixth", "2 ['archive', 'default', 'reports']")
		p.sh("wsgid stop --app-path=" + app)
		p.fails(1, "wsgid: cannot start /var/wsgid/djangoapp: "+strings.TrimPrefix(want, "serving: "), "wsgid --app-path="+app)

		// Under the fleet the settings may stand in the spec.
		p.must(os.Remove(p.path(app + "/django.json")))
		p.must(os.Remove(p.path(app + "/wsgid.json")))
		p.web = freeport.Addr(t)
		spec := `
app "djangoapp" {
  path = "/var/wsgid/djangoapp"
  sockets {
    http {
      listen = "` + p.web + `"
    }
  }
  django {
    overrides = {
      LIMIT     = 9
      DATABASES = { default = { NAME = "/var/wsgid/djangoapp/fleet.sqlite3" } }
    }
  }
}
`
		p.write("/wsgid.d/djangoapp.hcl", spec)
		p.sh("wsgid-fleet apply >/dev/null")
		p.wants("/setting/LIMIT", "9")
		p.wants("/note/default/seventh", "1 ['default', 'reports']")
		if got := notes("fleet.sqlite3"); got != "seventh" {
			t.Errorf("fleet.sqlite3 holds %q", got)
		}
		// And by hand the same folder is the same app.
		p.sh("wsgid-fleet stop djangoapp >/dev/null && wsgid --app-path=" + app)
		p.wants("/note/default/eighth", "2 ['default', 'reports']")
	})
}
