package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A Django project whose settings read DATABASE_URL by dj-database-url, as most do.
var rowsProject = map[string]string{
	"manage.py": `import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
`,
	"blog/__init__.py": "",
	"blog/settings.py": `import dj_database_url
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["blog"]
ROOT_URLCONF = "blog.urls"
DATABASES = {"default": dj_database_url.config()}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
`,
	"blog/deaf.py": `SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["blog"]
ROOT_URLCONF = "blog.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
`,
	"blog/models.py": `from django.db import models

class Entry(models.Model):
    text = models.CharField(max_length=80)
`,
	"blog/migrations/__init__.py": "",
	"blog/migrations/0001_initial.py": `from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Entry", [("id", models.AutoField(primary_key=True)), ("text", models.CharField(max_length=80))])]
`,
	"blog/urls.py": `from django.db import connection
from django.http import HttpResponse
from django.urls import path
from .models import Entry

def add(request, text):
    Entry.objects.create(text=text)
    return rows(request)

def rows(request):
    return HttpResponse("VERSION %s: %s\n" % (connection.vendor, " ".join(Entry.objects.order_by("id").values_list("text", flat=True))))

urlpatterns = [path("add/<str:text>", add), path("", rows)]
`,
}

// A Django project is deployed with a database that is made for it, migrated as a
// stage, by the command alone and by the daemon; it serves rows, which outlive
// releases, and nothing shows the password.
func TestDeployWithADatabase(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only()
		admin, server := who.apps, "postgres"
		switch {
		case who.root():
			admin = credential(t, "postgres")
		case who.cred != nil:
			server = who.name
		default:
			u, err := user.Current()
			b.must(err)
			server = u.Username
		}
		db := b.startCluster(admin, server, "local all "+server+" peer\nlocal all all scram-sha-256\n")
		g := &guide{harness: b, repo: filepath.Join(b.dir, "blog.git")}
		b.must(os.Mkdir(g.repo, 0o755))
		g.git("init", "-q", "-b", "master")
		commit := func(version string) {
			t.Helper()
			for name, text := range rowsProject {
				b.must(os.MkdirAll(filepath.Dir(filepath.Join(g.repo, name)), 0o755))
				b.must(os.WriteFile(filepath.Join(g.repo, name), []byte(strings.ReplaceAll(text, "VERSION", version)), 0o644))
			}
			g.git("add", "-A")
			g.git("commit", "-q", "-m", version)
		}
		// The settings of deaf do not look at DATABASE_URL.
		addr := map[string]string{"rows": b.hello, "lite": b.polls, "deaf": b.m2}
		for name, block := range map[string]string{
			"rows": fmt.Sprintf("engine = \"postgresql\"\n    server = %q", "unix:"+db.dir),
			"lite": `engine = "sqlite"`,
			"deaf": `engine = "sqlite"`,
		} {
			settings := "blog.settings"
			if name == "deaf" {
				settings = "blog.deaf"
			}
			b.write("wsgid.d/"+name+".hcl", fmt.Sprintf(`app %q {
  deploy {
    repository = "file://%s"
    stage "migrate" { command = ["python", "manage.py", "migrate", "--noinput"] }
    stage "tell" { command = ["env"] }
  }
  database {
    %s
  }
  django { settings = %q }
  sockets {
    http { listen = %q }
  }
  workers { count = 1 }
}
`, name, g.repo, block, settings, addr[name]))
		}
		serves := func(app, path, want string) {
			t.Helper()
			if code, body, err := get(addr[app], path); err != nil || code != http.StatusOK || body != want+"\n" {
				t.Errorf("%s%s: %d %q, %v; want %q", app, path, code, body, err, want)
			}
		}
		var seen []string
		deploy := func(app string) {
			t.Helper()
			out := b.ok("deploy", app)
			seen = append(seen, out.String())
			if !strings.Contains(out.stdout, "Make the database") {
				t.Error(out)
			}
		}

		commit("one")
		deploy("rows") // no daemon runs
		deploy("lite")
		deploy("deaf")
		serves("rows", "/add/a", "one postgresql: a")
		serves("deaf", "/add/a", "one sqlite: a")
		serves("lite", "/add/a", "one sqlite: a")
		b.run()
		commit("two")
		deploy("rows")
		deploy("lite")
		serves("rows", "/add/b", "two postgresql: a b")
		serves("lite", "/add/b", "two sqlite: a b")
		seen = append(seen, b.ok("rollback", "rows").String())
		serves("rows", "/add/c", "one postgresql: a b c")
		for _, command := range [][]string{{"plan"}, {"plan", "-o", "json"}, {"status", "-o", "json"}, {"status", "rows"},
			{"deploys", "rows"}, {"logs", "-n", "all", "rows"}} {
			seen = append(seen, b.ok(command[0], command[1:]...).String())
		}

		// The files of the app hold it, and nothing that is shown.
		text, err := os.ReadFile(filepath.Join(b.demo, "apps/rows/django.json"))
		b.must(err)
		var settings struct {
			DATABASES map[string]map[string]string
		}
		b.must(json.Unmarshal(text, &settings))
		password := settings.DATABASES["default"]["PASSWORD"]
		if len(password) < 20 || settings.DATABASES["default"]["HOST"] != db.dir {
			t.Fatalf("django.json: %s", text)
		}
		book := filepath.Join(b.state, "data/deploys/rows")
		if !who.root() {
			book = ""
		}
		told := false
		for _, root := range []string{book, filepath.Join(b.demo, "apps/rows/logs"), filepath.Join(b.dir, "daemon.log"), filepath.Join(b.dir, "pg/log")} {
			_ = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return nil //nolint:nilerr // not there for this account
				}
				if base := filepath.Base(name); base == "release.json" || base == "database.json" {
					if fi, err := e.Info(); err != nil || fi.Mode() != 0o600 {
						t.Errorf("%s: %v, %v", name, fi.Mode(), err)
					}
					return nil
				}
				text, err := os.ReadFile(name)
				b.must(err)
				told = told || strings.Contains(string(text), "DATABASE_URL=postgresql://***@/rows?host=")
				seen = append(seen, name+"\n"+string(text))
				return nil
			})
		}
		if who.root() && !told {
			t.Error("the logbook does not hold what the stage printed")
		}
		for _, p := range processesOf(b.dir) {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
			seen = append(seen, string(text))
		}
		for _, text := range seen {
			if strings.Contains(text, password) {
				t.Errorf("the password is shown:\n%s", text)
			}
		}
		for _, name := range []string{"django.json", "wsgid.json"} {
			fi, err := os.Stat(filepath.Join(b.demo, "apps/rows", name))
			b.must(err)
			owner := int(fi.Sys().(*syscall.Stat_t).Uid)
			if fi.Mode().Perm() != 0o640 || who.apps != nil && owner != int(who.apps.Uid) {
				t.Errorf("%s: %v of %d", name, fi.Mode(), owner)
			}
		}
	})
}
