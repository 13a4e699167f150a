package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// The order of path, prefixes, working directories and shares were compared with a
// Unit 1.35.0 that was built for that; Debian has no package of it.
const unitText = `{ // the comments of its own
  "listeners": {
    "*:8300": {"pass": "routes", "forwarded": {"client_ip": "X-Forwarded-For", "protocol": "X-Forwarded-Proto", "source": ["10.0.0.0/8"]}},
    "127.0.0.1:8301": {"pass": "applications/api/v2", "tls": {"certificate": "bundle"}}
  },
  "routes": [
    {"match": {"uri": "/static/*"}, "action": {"share": "/srv/www$uri"}},
    {"match": {"uri": "~\\.pdf$"}, "action": {"share": "/srv/www$uri"}},
    {"match": {"uri": "/old/*"}, "action": {"return": 301, "location": "/new"}},
    {"action": {"pass": "applications/blog"}},
    {"action": {"pass": "applications/api/v2"}}
  ],
  "applications": {
    "blog": {
      "type": "python 3.11", "path": ["/srv/blog", "/srv/lib"], "home": "/srv/venv", "module": "blog.wsgi", "callable": "app",
      "user": "www-data", "processes": {"max": 6, "spare": 2, "idle_timeout": 20}, "threads": 4, "working_directory": "/srv/blog",
      "limits": {"timeout": 40, "requests": 1000},
      "environment": {"TZ": "UTC", "API_TOKEN": "hunter2"},
      "isolation": {"namespaces": {"pid": true}}
    },
    "api": {
      "type": "python", "path": "/srv/api", /* two
      lines */ "processes": 3,
      "targets": {"v2": {"module": "api", "callable": "make", "factory": true, "prefix": "/v2/"}}
    },
    "site": {"type": "php", "root": "/srv/php"},
    "fast": {"type": "python", "module": "asgi", "protocol": "asgi"}
  },
  "settings": {"http": {"max_body_size": 1048576, "idle_timeout": 60}},
  "access_log": "/var/log/unit/access.log"
}
`

func TestUnit(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"conf.json": unitText})
	imported, err := Import(facts.Options{}, filepath.Join(dir, "conf.json"))
	if err == nil || !strings.Contains(err.Error(), "conf.json:26: application site is of the type php: only Python is run") {
		t.Errorf("%v", err)
	}
	texts := map[string]string{}
	for _, imp := range imported {
		texts[imp.Name] = string(imp.Text)
	}
	if len(texts) != 3 {
		t.Fatalf("%v", texts)
	}
	holds(t, texts["blog"], `wsgi_app = "blog.wsgi:app" # conf.json:15: module: blog.wsgi`, `virtualenv = "/srv/venv"`, `PYTHONPATH = "/srv/blog:/srv/lib"`,
		`TZ = "UTC"`, `API_TOKEN = file("secrets/blog/API_TOKEN")`, "!hunter2", `user = "www-data"`, `working_directory = "/srv/blog"`,
		`listen = "0.0.0.0:8300" # conf.json:3: listeners: *:8300`, "min = 2", "max = 6", "threads = 4", `idle_timeout = "20s"`, `request_timeout = "40s"`, "max_requests = 1000",
		`trusted_proxies = ["10.0.0.0/8"]`, `trusted_headers = ["x-forwarded-for", "x-forwarded-proto"]`, `max_body = "1MiB"`, `keep_alive_timeout = "60s"`, "access = true",
		`url = "/static/"`, `dir = "/srv/www/static"`, "conf.json:8: routes, step 2 match: uri: ~\\.pdf$: not carried over: a static block has no pattern",
		"conf.json:9: routes, step 3 return: 301: not carried over", "isolation: not carried over")
	holds(t, texts["api-v2"], `wsgi_app = "api:make()"`, `PYTHONPATH = "/srv/api"`, `script_name = "/v2"`, "count = 3", `listen = "127.0.0.1:8301"`,
		"conf.json:4: listeners: 127.0.0.1:8301 tls: not carried over: Unit keeps certificates in its own state", `working_directory = "/"`, `request_timeout = "24h"`)
	holds(t, texts["fast"], "protocol: asgi: not carried over: only WSGI is run", "no socket is named")
}

// What Unit has and an app has elsewhere, or from its user, is named.
func TestUnitSaysWhatIsElsewhere(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"conf.json": `{"listeners": {"*:8300": {"pass": "applications/blog", "backlog": 64}},
"applications": {"blog": {"type": "python", "module": "blog", "group": "shared",
"thread_stack_size": 4096,
"loading_timeout": 9}}}
`})
	text := string(importOne(t, facts.Options{}, filepath.Join(dir, "conf.json")).Text)
	holds(t, text, "conf.json:1: listeners: *:8300 backlog: 64: connections wait as the kernel's net.core.somaxconn says",
		"conf.json:2: group: shared: the other groups of the workers are those of their user", "with the supplementary groups of that user",
		"conf.json:3: thread_stack_size: 4096: threads have the stack that Python gives them", "conf.json:4: loading_timeout: 9: workers.start_timeout says it here")
}

func TestUnitHosts(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"unit.json": `{"config": {"listeners": {"*:80": {"pass": "routes/main"}},
"routes": {"main": [
 {"match": {"host": ["a.example", "www.a.example"]}, "action": {"pass": "applications/a"}},
 {"action": {"share": "/srv$uri", "fallback": {"pass": "applications/b"}}}]},
"applications": {"a": {"type": "python", "module": "a"}, "b": {"type": "python", "module": "b"}}}}`})
	imported, err := Import(facts.Options{Format: "unit"}, filepath.Join(dir, "unit.json"))
	if err != nil || len(imported) != 2 {
		t.Fatalf("%d, %v", len(imported), err)
	}
	holds(t, string(imported[0].Text), `hosts = ["a.example", "www.a.example"]`, "apps share *:80: write the gate block at the end of this into a file of its own", `# gate { # http { # listen = "0.0.0.0:80" # } # }`, "!sockets {")
	holds(t, string(imported[1].Text), "apps share *:80", "!hosts = [")
}

func TestUnitBadInput(t *testing.T) {
	for text, want := range map[string]string{
		`{"applications": {"a": {"type": "python"`: "it is not JSON",
		`{"applications": {}}`:                     "it holds no application",
		`{}`:                                       "it holds no application",
		`[]`:                                       "it holds no application",
		`{"applications": 7, "listeners": [1]}`:    "it holds no application",
		strings.Repeat(`{"a":`, 5000):              "it is nested too deeply",
		`{"applications": {}} more`:                "it is not JSON",
		`{"applications": {"a": {"type": "go"}}}`:  "only Python is run",
		`{"applications": {"a": 1}}`:               "only Python is run",
		`/* not closed {"applications": {"a": {"type": "python"}}}`:  "it is not JSON",
		`{"applications": {"a": {"type": "python", "targets": {}}}}`: "it holds no application",
		`{"a": "\` + "\n": "it is not JSON",
		`{"applications": {"a": {"type": "python", "module": "a"}}, "x"`: "it is not JSON",
	} {
		dir := peertest.WriteFiles(t, map[string]string{"conf.json": text})
		if _, err := Import((facts.Options{Format: "unit"}), filepath.Join(dir, "conf.json")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", text, err, want)
		}
	}
	// Values of other kinds than are meant.
	for _, text := range []string{
		`{"listeners": {"*:80": 1}, "applications": {"a": {"type": "python", "path": {}, "processes": [], "limits": 3, "environment": [1], "module": {}}}}`,
		`{"listeners": {"*:80": {"pass": "routes"}}, "routes": [1, {"match": 2, "action": 3}, {"action": {"share": []}}, {"action": {"pass": "routes"}}], "applications": {"a": {"type": "python"}}}`,
		`{"listeners": {"*:80": {"pass": "routes/x"}}, "routes": {"x": [{"action": {"share": {"a": 1}, "fallback": {"pass": "applications/a"}}}]}, "applications": {"a": {"type": "python", "targets": {"t": 5}}}}`,
	} {
		dir := peertest.WriteFiles(t, map[string]string{"conf.json": text})
		found, err := Import((facts.Options{Format: "unit"}), filepath.Join(dir, "conf.json"))
		if err == nil && len(found) == 0 {
			t.Errorf("%s: nothing is said", text)
		}
	}
}

func TestExpress(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"Procfile": "web: venv/bin/mod_wsgi-express start-server web.wsgi --port=$PORT --processes 2 --url-alias /static static --setenv SECRET_KEY hunter2 --working-directory src" +
		" --user www-data --service-script jobs jobs.py --trust-proxy 10.0.0.1 --trust-proxy-header X-Forwarded-For --mount-point /m --reload-on-changes --unheard 1 --include-file more.conf\n"})
	imp := importOne(t, facts.Options{}, dir)
	holds(t, strings.ReplaceAll(string(imp.Text), dir, "/srv"), `wsgi_app = "/srv/web.wsgi"`, `listen = "0.0.0.0:5000"`, "count = 2", "threads = 5", `request_timeout = "5m"`, "mod_wsgi-express's default of 60 s; mod_wsgi takes the mean over all 5 threads",
		`max_body = "10MiB"`, `PYTHONPATH = "/srv/src"`, `working_directory = "/srv/src"`, `virtualenv = "/srv/venv"`, `url = "/static/"`, `dir = "/srv/static"`, `script_name = "/m"`,
		`user = "www-data"`, "--setenv SECRET_KEY: not carried over: it reached the environ of a request only", "!hunter2", "--service-script jobs jobs.py",
		`trusted_proxies = ["10.0.0.1/32"]`, `trusted_headers = ["x-forwarded-for"]`, "--reload-on-changes: not carried over", "--unheard 1: not carried over: no counterpart of it is known here",
		"--include-file more.conf: not carried over", "with 411 without --chunked-request", "!Authorization", "Apache took . and .. out of the path", "!403")
	holds(t, string(importOne(t, facts.Options{Format: "command"}, "mod_wsgi-express start-server a.wsgi --server-name www.blog.example --server-alias *.blog.example").Text),
		"--server-name www.blog.example: Apache answered 403 to requests for other names", "--server-name www.blog.example: not carried over: requests for blog.example were redirected to it", "!--server-alias")
	for _, line := range []string{"mod_wsgi-express", "mod_wsgi-express install-module", "mod_wsgi-express start-server a.wsgi --setenv A", "mod_wsgi-express start-server --port"} {
		if _, err := Import((facts.Options{Format: "command"}), line); err == nil {
			t.Errorf("%s: no error", line)
		}
	}
}
