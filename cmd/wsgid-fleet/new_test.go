package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// plainFlask stands for a framework where it need not be installed.
const plainFlask = `"""app = Flask(__name__) in a text is not an application"""
class Flask:
    def __init__(self, name):
        self.name = name
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"served by " + self.name.encode()]
`

// checkouts are projects as people have them, with the app that each is.
var checkouts = map[string]struct {
	files map[string]string
	want  []string // in the spec
	says  string   // what it serves
}{
	"django": {files: map[string]string{
		"manage.py":        "import os\nos.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"blog.settings\")\n",
		"blog/__init__.py": "",
		"blog/settings.py": "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\nSECRET_KEY = 'x'\nROOT_URLCONF = 'blog.urls'\nALLOWED_HOSTS = ['*']\nSTATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'public'\n",
		"blog/urls.py":     "from django.http import HttpResponse\nfrom django.urls import path\nurlpatterns = [path('', lambda r: HttpResponse('served by django'))]\n",
		"blog/wsgi.py":     "import os\nfrom django.core.wsgi import get_wsgi_application\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'blog.settings')\napplication = get_wsgi_application()\n",
		"public/a.css":     "a {}\n",
	}, want: []string{`wsgi_app = "blog.wsgi:application"`, `dir = "public"`, `code = "."`}, says: "served by django"},
	"laid-out-as-wsgids": {files: map[string]string{
		"app/hello.py": plainFlask + "application = Flask('app folder')\n",
	}, want: []string{`wsgi_app = "hello:application"`, `code = "app"`, "own_code = false"}, says: "served by app folder"},
	"package-called-app": {files: map[string]string{
		"app/__init__.py":    "from .framework import Flask\n\ndef create_app(config=None):\n    return Flask('app')\n",
		"app/framework.py":   plainFlask,
		"requirements.txt":   "flask\n",
		"tests/test_site.py": "app = Flask('test')\n",
	}, want: []string{`wsgi_app = "app:create_app()"`, `code = "."`, "requirements.txt says what the app needs"}, says: "served by app"},
	"pyproject": {files: map[string]string{
		"uv.lock":              "version = 1\n",
		"pyproject.toml":       "[project]\nname = \"shop\"\nrequires-python = \">=3.8\"\n",
		"src/shop/__init__.py": "",
		"src/shop/web.py":      plainFlask + "app = Flask('src')\n",
	}, want: []string{`wsgi_app = "shop.web:app"`, `code = "src"`, "uv.lock says what the app needs, and there is no virtualenv", "&& uv sync --frozen --no-dev; then write"}, says: "served by src"},
	"procfile": {files: map[string]string{
		"Procfile":     "web: LANG=C gunicorn -w 3 --timeout 90 --bind 0.0.0.0:$PORT 'site_main:make()'\nworker: celery -A x worker\n",
		"site_main.py": plainFlask + "def make():\n    return Flask('procfile')\n",
		"other.py":     plainFlask + "app = Flask('other')\n",
	}, want: []string{`wsgi_app = "site_main:make()"`, "count = 3", `request_timeout = "90s"`, "Procfile has a process worker"}, says: "served by procfile"},
	"wsgi": {files: map[string]string{
		"wsgi.py": plainFlask + "application = Flask('wsgi')\n",
		"more.py": "raise SystemExit('nobody may import this')\n",
	}, want: []string{`wsgi_app = "wsgi:application"`}, says: "served by wsgi"},
}

// Each kind of checkout gets a spec that runs it: it answers, and its code stays
// whosever it is.
func TestNewServesACheckout(t *testing.T) {
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	dir := shortdir.New(t)
	specs := filepath.Join(dir, "specs")
	if err := os.Mkdir(specs, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("wsgid-fleet")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append(args, "--dir", specs, "--state-dir", filepath.Join(dir, "state"))...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("wsgid-fleet %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	// Whose the code is: a deployer's, or that of root who has copied it there.
	owners := map[string]int{"-deployers": 54322, "-roots": 0}
	addr := map[string]string{}
	set := func(name, whose string) {
		c := checkouts[name]
		name += whose
		path := filepath.Join(dir, name)
		makeCheckout(t, path, c.files)
		if os.Geteuid() == 0 {
			giveAway(t, path, owners[whose])
		}
		addr[name] = freeport.Addr(t)
		run("new", name, path, "--listen", addr[name])
		text, err := os.ReadFile(filepath.Join(specs, name+".hcl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(squeezed(string(text)), want) {
				t.Errorf("%s: no %s in\n%s", name, want, text)
			}
		}
		if os.Geteuid() == 0 { // whoever serves may read the code, not write it
			text = []byte(strings.Replace(string(text), `# user = "…"`, `user = "nobody"`, 1))
			if err := os.WriteFile(filepath.Join(specs, name+".hcl"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	served := func(name, whose string) {
		c := checkouts[name]
		name += whose
		resp, err := http.Get("http://" + addr[name] + "/")
		if err != nil {
			t.Error(name, err)
			return
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != c.says {
			t.Errorf("%s: got %q, want %q", name, b, c.says)
		}
		for file := range c.files {
			for at := filepath.Join(dir, name, file); at != dir; at = filepath.Dir(at) {
				fi, err := os.Lstat(at)
				if err != nil {
					t.Fatal(err)
				}
				if uid := int(fi.Sys().(*syscall.Stat_t).Uid); os.Geteuid() == 0 && uid != owners[whose] {
					t.Errorf("%s is %d's now", at, uid)
				}
			}
		}
	}
	each := func(do func(name, whose string)) {
		for name := range checkouts {
			for whose := range owners {
				do(name, whose)
			}
		}
	}
	each(set)
	defer run("stop", "--all")
	run("validate")
	run("apply")
	each(served)
}

// squeezed is a text in which an equals sign has one space on each side.
func squeezed(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.ReplaceAll(strings.Join(lines, " "), " # ", " ")
}

func makeCheckout(t *testing.T, path string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(path, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // the app's user reads it
			t.Fatal(err)
		}
	}
}

func giveAway(t *testing.T, path string, uid int) {
	t.Helper()
	err := filepath.WalkDir(path, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}
