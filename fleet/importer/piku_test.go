package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// pikuFiles is a ~/.piku with an app that nginx brings requests to, one with a port of its own,
// and one that is no Python.
var pikuFiles = map[string]string{
	"apps/shop/Procfile": `# the shop
preflight: ./bin/check.sh
release: python manage.py migrate --noinput && python manage.py collectstatic --noinput
wsgi: shop.wsgi:application
web: gunicorn shop.wsgi
worker: celery -A shop worker -Q $QUEUE
mail: python mail.py
mail: python mailer.py
cron1: */5 * * * * python manage.py clearsessions
cron-report: 0 7 * * 1 python manage.py report --all * > /tmp/report
cron-range: 0 9-17 * * * python manage.py ping
static: public
no line
`,
	"apps/shop/ENV":                 "# of the checkout\nNGINX_STATIC_PATHS=/static:static,/media:/srv/media\nUWSGI_PROCESSES=3\nUWSGI_INCLUDE_FILE=uwsgi.conf\nQUEUE=mail\nFILES=$BASE/${DATA_ROOT}/$QUEUE\n QUOTED = \"a b\" \nHIDDEN=$API_TOKEN x\n",
	"apps/shop/uwsgi.conf":          "harakiri = 20\nroute = ^/old redirect:/new\n",
	"apps/shop/manage.py":           "",
	"envs/shop/ENV":                 "API_TOKEN=hunter2\nNGINX_SERVER_NAME=shop.example.org,www.example.org\nNGINX_HTTPS_ONLY=yes\nNGINX_CLOUDFLARE_ACL=1\nNGINX_CACHE_PREFIXES=/img\nPLACE=nobody's business\nCOPY=$API_TOKEN x\nbroken\nLATER=1\n",
	"envs/shop/SCALING":             "wsgi:1\nworker:2\nmail:0\n",
	"envs/shop/LIVE_ENV":            "PORT=4000\n",
	"envs/shop/bin/activate":        "",
	"nginx/shop.crt":                "",
	"nginx/shop.key":                "",
	"repos/shop/hooks/post-receive": "",
	"apps/blog/Procfile":            "web: gunicorn -b $BIND_ADDRESS:$PORT blog:app\nphp: x\n",
	"apps/blog/ENV":                 "NGINX_HTTPS_ONLY=1\nBIND_ADDRESS=0.0.0.0\n",
	"envs/blog/LIVE_ENV":            "PORT=4567\nAPP=blog\n",
	"apps/plain/Procfile":           "wsgi: plain:app\n",
	"apps/plain/ENV":                "UWSGI_INCLUDE_FILE=none.ini\nPORT=9001\nUWSGI_IDLE=60\nPYTHON_VERSION=2\n",
	"apps/node/Procfile":            "web: node server.js\n",
	"apps/pages/Procfile":           "static: html\n",
	"apps/anybody/Procfile":         "wsgi: any:app\n",
	"apps/anybody/ENV":              "NGINX_SERVER_NAME=_\nDISABLE_IPV6=1\nNGINX_STATIC_PATHS=/a:b:c\n",
	"apps/README":                   "no app",
	"envs/README":                   "none",
	"repos/README":                  "none",
	"acme/README":                   "none",
	"uwsgi-enabled/shop_wsgi.1.ini": "[uwsgi]\n",
}

func TestPiku(t *testing.T) {
	root := filepath.Join(peertest.WriteFiles(t, prefixed(".piku/", pikuFiles)), ".piku")
	all, err := Import(facts.Options{}, filepath.Dir(root))
	if err == nil {
		t.Fatal("apps that are no Python are not told of")
	}
	holds(t, err.Error(), "app node: Procfile:1: web: node server.js: it starts no WSGI server that is known here (gunicorn, uwsgi, mod_wsgi-express, waitress-serve, pserve)",
		"app pages: its Procfile has no line wsgi or web, so no application of Python answers requests: it has static")
	apps := map[string]*Imported{}
	for _, one := range all {
		apps[one.Name] = one
	}
	if len(all) != 4 || apps["shop"] == nil || apps["blog"] == nil || apps["plain"] == nil || apps["anybody"] == nil {
		t.Fatalf("%d apps: %v", len(all), apps)
	}
	shop := strings.ReplaceAll(string(apps["shop"].Text), root, "/P")
	holds(t, shop,
		`wsgi_app = "shop.wsgi:application" # Procfile:4: wsgi: shop.wsgi:application`, `virtualenv = "/P/envs/shop"`, `working_directory = "/P/apps/shop"`,
		`hosts = ["shop.example.org", "www.example.org"] # ENV:2: NGINX_SERVER_NAME=shop.example.org,www.example.org`,
		`count = 3 # ENV:3: UWSGI_PROCESSES=3`, "threads = 4 # piku: UWSGI_THREADS, by default 4", "max_requests = 1024 # piku: UWSGI_MAX_REQUESTS, by default 1024",
		`DATA_ROOT = "/P/data/shop"`, `LOG_ROOT = "/P/logs"`, `APP = "shop"`, `QUEUE = "mail"`, `FILES = format("%s", "$BASE//P/data/shop/mail")`, `request_timeout = "20s" # uwsgi.conf:1: harakiri = 20`, `QUOTED = "\"a b\""`,
		`PLACE = file("secrets/shop/PLACE")`, `API_TOKEN = file("secrets/shop/API_TOKEN")`, `COPY = file("secrets/shop/COPY")`, `HIDDEN = format("%s", "$API_TOKEN x")`,
		"!hunter2", "!nobody's business", "!UWSGI_PROCESSES =", "!LATER =", `NGINX_SERVER_NAME = "shop.example.org www.example.org"`,
		"ENV:8: broken: not carried over: it is no NAME=VALUE, and piku took no line of the file behind it",
		`cert = "/P/nginx/shop.crt" # ENV:2: piku's certificate for nginx`, `key = "/P/nginx/shop.key"`,
		"acme.sh renews it with the help of piku's nginx",
		`url = "/static/" # ENV:2: NGINX_STATIC_PATHS: /static:static; nginx went by bytes, and took /staticx for its file x`, `dir = "/P/apps/shop/static"`, `dir = "/srv/media"`,
		"Procfile:12: static: public: not carried over: nginx does not take it beside an application, as / has both",
		"uwsgi.conf:2: route = ^/old redirect:/new: not carried over: requests are not rewritten",
		`process "worker" { command = ["celery", "-A", "shop", "worker", "-Q", "mail"] count = 2 }`, "ps:scale worker=2",
		`process "mail" { command = ["python", "mailer.py"] count = 0 }`, "Procfile:7: mail: python mail.py: piku has one of a kind, and took the last one",
		`schedule "clearsessions" { cron = "*/5 * * * *" command = ["python", "manage.py", "clearsessions"] timeout = "168h" overlap = true }`,
		`command = ["sh", "-c", "python manage.py report --all -1 > /tmp/report"]`, "piku also made -1 of the * of the command",
		"Procfile:11: cron-range: 0 9-17 * * * python manage.py ping: not carried over",
		"Procfile:5: web: gunicorn shop.wsgi: piku did not run it beside wsgi", "Procfile:13: no line: it is no KIND: COMMAND",
		"Procfile:2: preflight: ./bin/check.sh: not carried over: a command before a release is a stage of its deploy", "!collectstatic) is not done",
		"NGINX_CLOUDFLARE_ACL: not carried over: who may connect is a firewall's to say", "NGINX_CACHE_PREFIXES: not carried over",
		"take /P/repos/shop/hooks/post-receive away when the fleet has it", `# listen = "*:443" # tls {}`, `# redirect = "https"`, "!sockets {", "!trusted_proxies =", "X-Forwarded-Proto")
	if got := apps["shop"].Secrets["secrets/shop/COPY"]; got != "hunter2 x" {
		t.Errorf("COPY is %q", got)
	}
	if !apps["shop"].Incomplete {
		t.Error("what was not carried over is not told by the exit code")
	}
	holds(t, string(apps["blog"].Text), `listen = "0.0.0.0:4567"`, "NGINX_HTTPS_ONLY=1: piku makes something of it only where NGINX_SERVER_NAME is set",
		"Procfile:2: php: x: not carried over: PHP is not run: leave it to piku", `BIND_ADDRESS = "0.0.0.0"`, "!PORT =", "!gate {")
	holds(t, string(apps["plain"].Text), `listen = "127.0.0.1:9001" # ENV:2: PORT=9001`, `idle_timeout = "60s"`, `request_timeout = "24h"`, "UWSGI_INCLUDE_FILE=none.ini: there is no such file, and piku took nothing of it", "PYTHON_VERSION=2: not carried over: only Python 3 is run", `PORT = "9001"`)
	holds(t, string(apps["anybody"].Text), `write default = "anybody" into the gate`, "!hosts =", `listen = "0.0.0.0:80"`, "!# listen = \"[::]", "NGINX_STATIC_PATHS=/a:b:c: not carried over: piku takes none of it",
		"certificate: not carried over: piku made one for nginx, which is not here")
}

// One app of a ~/.piku is found by its place, and its checkout elsewhere by its Procfile.
func TestPikuIsFound(t *testing.T) {
	root := peertest.WriteFiles(t, pikuFiles)
	for _, path := range []string{"apps/blog", "apps/blog/Procfile"} {
		imp := importOne(t, facts.Options{}, filepath.Join(root, path))
		holds(t, string(imp.Text), "apps/blog (piku)", `listen = "0.0.0.0:4567"`)
	}
	checkout := filepath.Join(t.TempDir(), "shop")
	if err := os.CopyFS(checkout, os.DirFS(filepath.Join(root, "apps/shop"))); err != nil {
		t.Fatal(err)
	}
	if all, err := Import(facts.Options{}, filepath.Join(root, "apps")); err == nil || len(all) != 4 {
		t.Errorf("of the folder of the apps: %d apps, %v", len(all), err)
	}
	imp := importOne(t, facts.Options{}, checkout)
	holds(t, string(imp.Text), checkout+" (piku)", "what config:set and ps:scale have set, and the virtualenv, are in ~/.piku of the machine that runs it", "!DATA_ROOT =", "no socket is named")
}

// What cannot be read is told with its file.
func TestPikuWithoutFiles(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no Procfile": {map[string]string{"apps/shop/app.py": ""}, "app shop: cannot read its Procfile: no such file or directory"},
		"no app":      {map[string]string{"apps/x": ""}, "piku has no app there"},
		"bad include": {map[string]string{"apps/shop/Procfile": "wsgi: a:b\n", "apps/shop/ENV": "UWSGI_INCLUDE_FILE=sub\n", "apps/shop/sub/x": ""}, "sub, which UWSGI_INCLUDE_FILE names (ENV:1): it is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			c.files["envs/x"] = ""
			_, err := Import(facts.Options{}, peertest.WriteFiles(t, c.files))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func prefixed(prefix string, files map[string]string) map[string]string {
	all := map[string]string{}
	for name, text := range files {
		all[prefix+name] = text
	}
	return all
}
