package importer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

func TestGunicornFileIsOnlyRead(t *testing.T) {
	if _, err := exec.LookPath("/usr/bin/python3"); err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"raises":          {"workers = 2\nraise ValueError('no')\n", "Python cannot read it: ValueError at line 2: no"},
		"imports the app": {"from blog import application\n", "Python cannot read it: ModuleNotFoundError at line 1: No module named 'blog'"},
		"forks":           {"import os\nos.fork()\n", "Python cannot read it: OSError at line 2: it starts a program, which an import does not"},
		"runs a program":  {"import subprocess\nsubprocess.run(['id'])\n", "Python cannot read it: OSError at line 2: it starts a program"},
		"is not a Python": {"workers = \n", "Python cannot read it: SyntaxError at line 1"},
		"exits":           {"import sys\nsys.exit(3)\n", "Python cannot read it: SystemExit at line 2: 3"},
		"ends at once":    {"import os\nos._exit(3)\n", "Python cannot read it: exit status 3"},
		"prints":          {"print('{}')\nworkers = 3\n", "# gunicorn.conf.py:2: workers = 3"},
		"asks a secret":   {"raw_env = ['SECRET_KEY=hunter2']\nworkers = 1\n", `SECRET_KEY = file("secrets/`},
		"is latin-1":      {"# Gr\xfc\xdfe\nworkers = 3\n", "# gunicorn.conf.py:2: workers = 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := peertest.WriteFiles(t, map[string]string{"gunicorn.conf.py": c.file, "blog.py": "open('loaded', 'w')\n"})
			imp := importOne(t, facts.Options{}, filepath.Join(dir, "gunicorn.conf.py"))
			holds(t, string(imp.Text), c.want, "!hunter2", `listen = "127.0.0.1:8000"`)
			if _, err := os.Stat(filepath.Join(dir, "loaded")); err == nil {
				t.Error("the app was imported")
			}
		})
	}
}

func TestSupervisord(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"supervisord.conf": peertest.Supervisord,
		"conf.d/more.conf": "[program:web]\nstopwaitsecs=9\n",
	})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "supervisord.conf"))
	holds(t, string(imp.Text), `app "web" {`, `wsgi_app = "blog:app"`, `working_directory = "/srv/blog" # supervisord.conf:10: directory = /srv/blog`,
		`listen = "127.0.0.1:8000"`, `user     = "daemon"`, "count           = 13", `stop_timeout    = "9s"`, `ALL = "%x"`, `D    = "plain"`,
		"environment D: supervisord ends the value at $", `"0027"`, "command = celery -A blog worker")
}

func TestSystemd(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"blog.service": `[Service]
User=daemon
WorkingDirectory=/srv/blog
Environment="A=1 2" B=x
Environment="WORKERS=-w 3"
EnvironmentFile=-missing
EnvironmentFile=ENVFILE
ExecStart=/srv/blog/venv/bin/gunicorn \
  # a comment
  $WORKERS --name ${A} --bind fd://0 "blog.wsgi:app"
ExecStartPre=/bin/mkdir -p /run/blog
ExecReload=/bin/kill -HUP $MAINPID
LimitNOFILE=4096
MemoryMax=512M
Restart=always
`,
		"blog.service.d/10.conf": "[Service]\nUMask=0027\nTimeoutStopSec=20\n",
		"blog.service.d/note":    "[Service]\nUMask=0777\n",
		"blog.socket":            "[Socket]\nListenStream=/run/blog.sock\nSocketMode=0600\nSocketUser=daemon\n",
		"env":                    "# a note \\\nLOST=1\nSECRET_KEY=hunter2\nexport X=1\nNOTE=a # b\nQ=\"a 'b'\" \nR=x\"y\"\n",
	})
	unit := filepath.Join(dir, "blog.service")
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "ENVFILE", dir+"/env")), 0o644); err != nil {
		t.Fatal(err)
	}
	imp := importOne(t, facts.Options{}, unit)
	holds(t, string(imp.Text), `app "blog" {`, `wsgi_app   = "blog.wsgi:app"`, `working_directory = "/srv/blog" # blog.service:3: WorkingDirectory=/srv/blog`,
		`virtualenv = "/srv/blog/venv"`, `user       = "daemon"`, "count           = 3", `listen = "unix:/run/blog.sock"`, `mode   = "0600"`, `owner  = "daemon"`,
		`"0027" # 10.conf:2: UMask=0027`, `stop_timeout    = "20s"`, `open_files = 4096`, `memory     = "512MiB"`, "ExecStartPre=/bin/mkdir -p /run/blog: not carried over",
		`A          = "1 2"`, `B          = "x"`, `env_file = ["`+dir+`/env"] # blog.service:7: EnvironmentFile=`+dir+`/env`, "!SECRET_KEY", "!hunter2", "!LOST", "env:4: systemd drops a line with export, and so does this; python-dotenv and shells take it: write X=… without export", "!secrets/blog/X")
	if len(imp.Secrets) > 0 {
		t.Errorf("the secrets of the file are copied: %q", imp.Secrets)
	}
}

func TestProcfile(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"Procfile": "web: cd src && PYTHONUNBUFFERED=1 gunicorn -w ${WEB_CONCURRENCY:-2} -b 0.0.0.0:$PORT blog:app --timeout 15\nworker: rq worker $QUEUE\nmail: cd mail && . ./venv/bin/activate && export A=1 && echo mail && python mail.py\nrelease: python manage.py migrate\n",
		".env":     "QUEUE='hi$X'\nDATABASE_URL=postgres://u:hunter2@h/d\n# a note\nexport NO=1\n",
	})
	imp := importOne(t, facts.Options{}, dir)
	holds(t, string(imp.Text), `wsgi_app = "blog:app"`, `working_directory = "`+dir+`/src"`, `listen = "0.0.0.0:5000"`, "count           = 2", `request_timeout = "15s"`,
		"rq worker", "release: python manage.py migrate: not carried over: a command before a release is a stage of its deploy", "!hunter2")
	holds(t, string(imp.Text), "a shell ran it, and what it did besides starting a program (cd mail; . ./venv/bin/activate; export A=1) is not done: make it a stage of a deploy", `command = ["python", "mail.py"]`)
	name := facts.AppNameOf(dir)
	if got := imp.Secrets["secrets/"+name+"/QUEUE"]; got != "hi$X" {
		t.Errorf("%q", imp.Secrets)
	}
}

func TestCommandLine(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"x": ""})
	o := facts.Options{Format: "command", LookupEnv: func(name string) (string, bool) {
		return "--workers=4", name == "GUNICORN_CMD_ARGS"
	}}
	imp := importOne(t, o, "TZ=UTC gunicorn --chdir "+dir+" -b :8000 shop.wsgi:app")
	holds(t, string(imp.Text), `app "shop" {`, `wsgi_app = "shop.wsgi:app"`, `count = 4 # command: GUNICORN_CMD_ARGS: --workers 4`, `TZ = "UTC"`, `listen = "0.0.0.0:8000"`)
	if _, err := Import(o, "celery -A blog worker"); err == nil || !strings.Contains(err.Error(), "it starts no WSGI server that is known here (gunicorn, uwsgi, mod_wsgi-express, waitress-serve, pserve)") {
		t.Error(err)
	}
}

// A server that is started as root runs as the user that it is told to change to; one that
// is not stays who it is.
func TestUsersOfServices(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"root.service":  "[Service]\nUser=root\nGroup=0\nUMask=0077\nExecStart=/usr/bin/uwsgi --http-socket :8000 --module a:b --uid daemon --gid bin --umask 027\n",
		"mail.service":  "[Service]\nUser=mail\nExecStart=/usr/bin/uwsgi --http-socket :8000 --module a:b --uid daemon\n",
		"plain.service": "[Service]\nUser=root\nUMask=0077\nExecStart=/usr/bin/gunicorn a:b\n",
		"s.conf":        "[program:web]\nuser=root\numask=077\ncommand=gunicorn -u daemon -g bin a:b\n",
	})
	for name, want := range map[string][]string{
		"root.service":  {`user = "daemon"`, `group = "bin"`, `umask = "0027"`, "!root"},
		"mail.service":  {`user = "mail"`, "!daemon"},
		"plain.service": {`user = "root"`, `umask = "0077"`},
		"s.conf":        {`user = "daemon"`, `group = "bin"`, `umask = "0077"`},
	} {
		_, text, _ := strings.Cut(string(importOne(t, facts.Options{}, filepath.Join(dir, name)).Text), "{")
		holds(t, strings.ReplaceAll(text, "root.service", ""), want...)
	}
}

// Of a file that is not UTF-8 systemd takes no line of a unit, and nothing of an
// environment file: import says so.
func TestUnitsThatAreNotUTF8(t *testing.T) {
	const start = "[Service]\nExecStart=/usr/bin/gunicorn a:b\n"
	dir := peertest.WriteFiles(t, map[string]string{
		"unit.service": start + "Environment=A=\xe9\n",
		"must.service": start + "EnvironmentFile=DIR/env\n", "may.service": start + "EnvironmentFile=-DIR/env\n",
		"env": "# \xe9\nB=1\nC=\xe9\n",
	})
	for _, name := range []string{"must.service", "may.service"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(string(text), "DIR", dir)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Import(facts.Options{}, filepath.Join(dir, "unit.service")); err == nil || !strings.Contains(err.Error(), "unit.service:3: the line is not UTF-8: systemd does not load the unit") {
		t.Error(err)
	}
	for name, want := range map[string]string{"must.service": "so the service does not start with it", "may.service": "so it takes nothing from it, without a word"} {
		holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, name)).Text), "a line of it is not UTF-8, which systemd does not read, "+want, "!B = ")
	}
}

// Of its folders a service is told by variables, which a program may read, or its command.
func TestDirectoriesOfAUnit(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"shop.service": `[Service]
User=web
StateDirectoryMode=0750
StateDirectory=shop shop/media:old
StateDirectory=%p-more
CacheDirectory=no
CacheDirectory=
RuntimeDirectory=shop
LogsDirectory=shop
Environment=LOGS_DIRECTORY=/srv/logs
ExecStart=/usr/bin/gunicorn --bind unix:${RUNTIME_DIRECTORY}/web.sock shop:app
`})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "shop.service")).Text),
		`STATE_DIRECTORY   = "/var/lib/shop:/var/lib/shop/media:/var/lib/shop-more"`, `LOGS_DIRECTORY    = "/srv/logs"`,
		`RUNTIME_DIRECTORY = "/run/shop"`, `listen = "unix:/run/shop/web.sock"`, "StateDirectory=shop shop/media:old: not carried over: make the folder by a file in /etc/tmpfiles.d: d /var/lib/shop 0750 web web, and d /var/lib/shop/media 0750 web web",
		"StateDirectory=%p-more: not carried over: make the folder by a file in /etc/tmpfiles.d: d /var/lib/shop-more 0750 web web", "d /run/shop 0755 web web", "!CACHE_DIRECTORY", "!DirectoryMode")
}

// What a shell makes of a variable that is not set systemd does not.
func TestDefaultOfAVariableInAUnit(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"shop.service": "[Service]\nEnvironment=NAME=shop\nExecStart=/usr/bin/gunicorn --bind 0.0.0.0:${PORT:-8000} ${NAME}:app $NAME-web\n"})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "shop.service")).Text), `wsgi_app = "shop:app"`,
		"shop.service:3: 0.0.0.0:${PORT:-8000}: not carried over: systemd knows no ${NAME:-VALUE} of a shell, so the program is given just this: write the value",
		"shop.service:3: $NAME-web: not carried over: systemd takes all of it for the name of a variable, and leaves the word out where there is none: write ${NAME} in it")
}
