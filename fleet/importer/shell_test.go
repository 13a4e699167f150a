package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// A script that starts the server is read: the folder, the virtualenv, the variables and
// the limits that it has by then are those of the app.
func TestStartScripts(t *testing.T) {
	const script = `#!/bin/bash
# starts the shop
NAME="shop"
HERE=DIR/shop   # the code
SOCK=$HERE/run/web.sock
echo "Starting $NAME as $(whoami)"
set -euo pipefail
cd $HERE
source ../venv/bin/activate
export DJANGO_SETTINGS_MODULE=$NAME.settings MODE=live
PLAIN=kept
export PLAIN
umask 007
ulimit -n 8192
RUN=$(dirname $SOCK)
test -d $RUN || mkdir -p $RUN
exec gunicorn ${NAME}.wsgi:application \
  --name $NAME --workers 3 \
  --bind=unix:$SOCK
`
	dir := peertest.WriteFiles(t, map[string]string{
		"start": script, "shop/x": "", "venv/bin/gunicorn": "#!/bin/sh\n'''exec' /long/python \"$0\"\n",
		"sup.conf":         "[program:shop]\ncommand=DIR/start\ndirectory=DIR\nuser=daemon\n",
		"bash.conf":        "[program:shop]\ncommand=bash start\ndirectory=DIR\n",
		"shop.service":     "[Service]\nExecStart=DIR/start\n",
		"Procfile":         "web: DIR/start\n",
		"activate.conf":    "[program:admin]\ncommand=bash -c \"cd DIR/shop && . ../venv/bin/activate && exec gunicorn -w 3 admin:app\"\n",
		"elsewhere.conf":   "[program:admin]\ncommand=bash -c 'cd \"$(dirname \"$0\")\" && exec gunicorn admin:app'\n",
		"if.conf":          "[program:admin]\ncommand=bash -c 'if true; then exec gunicorn admin:app; fi'\n",
		"console.conf":     "[program:admin]\ncommand=DIR/venv/bin/gunicorn admin:app\n",
		"arguments.conf":   "[program:admin]\ncommand=gunicorn 'api:create_app(\"prod\")'\n",
		"notthere.service": "[Service]\nExecStart=DIR/nowhere\n",
	})
	named(t, dir)
	common := []string{`wsgi_app = "shop.wsgi:application" # start: shop.wsgi:application`, `virtualenv = "` + dir + `/venv" # start: source ../venv/bin/activate`,
		`working_directory = "` + dir + `/shop" # start: cd ` + dir + `/shop`, `listen = "unix:` + dir + `/shop/run/web.sock"`, `count = 3`, `umask = "0007"`, `open_files = 8192 # start: ulimit -n 8192`,
		`DJANGO_SETTINGS_MODULE = "shop.settings"`, `MODE = "live"`, `PLAIN = "kept"`, "!NAME ="}
	for _, name := range []string{"sup.conf", "bash.conf", "shop.service", "Procfile"} {
		text := string(importOne(t, facts.Options{}, filepath.Join(dir, name)).Text)
		holds(t, text, common...)
		holds(t, text, "a shell ran it, and what it did besides starting a program (mkdir -p $(dirname $SOCK)) is not done: make it a stage of a deploy, or part of the app")
	}
	for name, want := range map[string][]string{
		"activate.conf":  {`virtualenv = "` + dir + `/venv" # activate.conf:2: source ../venv/bin/activate`, `count = 3`, "!not carried over"},
		"elsewhere.conf": {`cd $(dirname "$0"): not carried over: which folder that is only the shell knows: write it into working_directory`, `wsgi_app = "admin:app"`},
		"if.conf":        {`wsgi_app = "admin:app"`, "a shell ran it, and what it did besides starting a program"},
		"console.conf":   {`virtualenv = "` + dir + `/venv"`, `wsgi_app = "admin:app"`, "!a shell ran it"},
		"arguments.conf": {`wsgi_app does not take "api:create_app(\"prod\")": a factory gets no arguments here: put what calls it, such as application = create_app("prod"), into a module, and name that`},
	} {
		holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, name)).Text), want...)
	}
	if _, err := Import(facts.Options{}, filepath.Join(dir, "notthere.service")); err == nil || !strings.Contains(err.Error(), "its command starts no WSGI server that is known here") {
		t.Error(err)
	}
}

// named puts the name of a folder into its files in place of DIR.
func named(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "DIR", dir)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What starts a server for another program is taken off; what it did for it is carried over
// or told.
func TestServersThatOthersStart(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"x": "", "with/.venv/bin/python": ""})
	for command, want := range map[string]string{
		"poetry run":                               `poetry run: not carried over: it took the virtualenv from elsewhere: write virtualenv (it is told by: poetry env info --path)`,
		"pipenv run":                               `(it is told by: pipenv --venv)`,
		"uv run --frozen --no-sync":                `uv run --frozen --no-sync: not carried over: it took the virtualenv from elsewhere`,
		"conda run -n x":                           `(it is told by: conda env list)`,
		"newrelic-admin run-program":               `newrelic-admin run-program: not carried over: it put itself before the app by PYTHONPATH: import what it starts at the top of the module of the application`,
		"ddtrace-run":                              `ddtrace-run: not carried over`,
		"opentelemetry-instrument --a b":           `opentelemetry-instrument --a b: not carried over`,
		"doppler run --":                           `doppler run --: not carried over: what it sets is not known here: write the variables into env`,
		"honcho -e prod.env run":                   `honcho -e prod.env run: not carried over: what it sets`,
		"nice -n 5":                                `nice -n 5: not carried over: write it into a drop-in of wsgid-fleet.service`,
		"sudo -E -u daemon":                        `user = "daemon" # command: sudo -E -u daemon`,
		"gosu daemon:daemon":                       `user = "daemon" # command: gosu daemon:daemon`,
		"runuser -u daemon --":                     `user = "daemon"`,
		"tini --":                                  `!not carried over`,
		"exec env A=1 nohup":                       `A = "1"`,
		"poetry run env A=1 /srv/v/bin/python3 -m": `virtualenv = "/srv/v"`,
	} {
		imp := importOne(t, facts.Options{Format: "command"}, command+" gunicorn -b :8000 shop:app")
		holds(t, string(imp.Text), `wsgi_app = "shop:app"`, want)
	}
	t.Chdir(filepath.Join(dir, "with"))
	for _, command := range []string{"uv run", "poetry run", "pipenv run"} {
		holds(t, string(importOne(t, facts.Options{Format: "command"}, command+" gunicorn shop:app").Text), `virtualenv = "`+dir+`/with/.venv" # command: `+command, "!from elsewhere")
	}
	if _, err := Import(facts.Options{Format: "command"}, "nice -n 5 celery worker"); err == nil || !strings.Contains(err.Error(), "it starts no WSGI server that is known here") {
		t.Error(err)
	}
}

// What lies beside the configuration of a server is told what it is, and what to do about it.
func TestFilesBesideAServer(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"start": "#!/bin/sh\nexec gunicorn -b :8000 shop:app\n",
		"site":  "upstream shop { server 127.0.0.1:8000; }\nserver {\n  location / {\n    proxy_pass http://shop;\n  }\n}\n",
		"cron":  "MAILTO=ops@example.org\n# nightly\n17 3 * * 1-5 shop cd /srv/shop && python manage.py clearsessions\n",
		"daily": "@daily /srv/shop/backup.sh\n",
		"notes": "the shop has 5 workers\n",
	})
	for name, want := range map[string]string{
		"start": "it is a script of a shell: where it starts the server, import it as the command that it is: wsgid-fleet import --from command PATH",
		"site":  "it is a configuration of nginx, which stays in front of the apps",
		"cron":  "it is a crontab: write a schedule into the spec of the app for each line",
		"daily": "it is a crontab: ",
		"notes": "cannot tell what configuration it is; name the format: --from uwsgi|",
	} {
		if _, err := Import(facts.Options{}, filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, string(importOne(t, facts.Options{Format: "command"}, filepath.Join(dir, "start")).Text), `wsgi_app = "shop:app" # start: `, `listen = "0.0.0.0:8000"`)
}
