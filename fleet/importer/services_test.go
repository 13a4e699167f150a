package importer

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// needPeer skips, or fails where a peer is missing.
func needPeer(t *testing.T, program string) {
	t.Helper()
	if testing.Short() {
		t.Skip("asks the real " + program)
	}
	if strings.Contains(os.Getenv("WSGID_TEST_SKIP"), program) {
		t.Skip("WSGID_TEST_SKIP names " + program)
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%v: install it, or name it in WSGID_TEST_SKIP", err)
	}
}

// gunicornHere are the settings of a command line as the reader sees them.
func gunicornHere(t *testing.T, dir string, env map[string]string, args ...string) map[string]string {
	t.Helper()
	a := &App{Name: "x"}
	if err := (Options{}).gunicorn(a, command{argv: append([]string{"gunicorn"}, args...), dir: dir, env: env, at: Position{File: "command"}}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range a.Facts {
		switch f.Set {
		case setListen:
			got["bind"] += f.Value + " "
		case "workers.count":
			got["workers"] = f.Value
		case "workers.threads":
			got["threads"] = f.Value
		case "workers.request_timeout":
			got["timeout"] = strings.TrimSuffix(f.Value, "s")
		case "workers.max_requests":
			got["max_requests"] = f.Value
		case setEnv:
			got["raw_env"] += f.Key + "=" + f.Value + " "
		case setDirectory:
			got["chdir"] = f.Value
		}
	}
	return got
}

// A command line of gunicorn, its file and its variable mean what gunicorn says.
func TestGunicornMeansWhatGunicornDoes(t *testing.T) {
	needPeer(t, "gunicorn")
	t.Parallel()
	const file = `import multiprocessing, os
workers = 1 + len([1, 2])
bind = ["127.0.0.1:9001", "127.0.0.1:9002"]
timeout = 40
threads = int(os.environ.get("THREADS", "2"))
raw_env = ["A=1", "B=2"]
_private = 1
def on_starting(server): pass
`
	for name, c := range map[string]struct {
		files map[string]string
		env   map[string]string
		args  []string
	}{
		"a file in the working directory": {files: map[string]string{"gunicorn.conf.py": file}},
		"lists replace each other":        {files: map[string]string{"gunicorn.conf.py": file}, args: []string{"--env", "C=3", "-e", "D=4", "-b", "127.0.0.1:9003"}},
		"the variable, then the line":     {files: map[string]string{"other.py": file}, env: map[string]string{"GUNICORN_CMD_ARGS": "-c other.py --workers=7 --timeout 50"}, args: []string{"-w", "8"}},
		"names are completed":             {env: map[string]string{"WEB_CONCURRENCY": "5", "PORT": "9009"}, args: []string{"--thread", "3", "--max-requests=5"}},
		"names that two begin are not":    {args: []string{"--worker=3"}},
		"the file of chdir is not read":   {files: map[string]string{"site/gunicorn.conf.py": file}, args: []string{"--chdir", "site", "--threads=3"}},
		"joined":                          {files: map[string]string{"gunicorn.conf.py": file}, env: map[string]string{"THREADS": "6"}, args: []string{"-w4", "--chdir", "/tmp"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "names that two begin are not" {
				if err := (Options{}).gunicorn(&App{}, command{argv: append([]string{"gunicorn"}, c.args...), dir: "/"}); err == nil {
					t.Error("no error")
				}
				return
			}
			if c.files == nil {
				c.files = map[string]string{"x": ""}
			}
			dir := writeFiles(t, c.files)
			var env []string
			for k, v := range c.env {
				env = append(env, k+"="+v)
			}
			out := runPeer(t, dir, env, "gunicorn", append(c.args, "--print-config", "wsgiref.simple_server:demo_app")...)
			want := map[string]string{}
			for line := range strings.SplitSeq(out, "\n") {
				key, value, _ := strings.Cut(line, "=")
				key, value = strings.TrimSpace(key), strings.TrimSpace(value)
				switch key {
				case "bind", "raw_env":
					want[key] = strings.NewReplacer("[", "", "]", " ", "'", "", ",", "").Replace(value)
					if want[key] = strings.TrimSpace(want[key]); want[key] != "" {
						want[key] += " "
					}
				case "workers", "threads", "timeout", "max_requests", "chdir":
					want[key] = value
				}
			}
			got := gunicornHere(t, dir, c.env, c.args...)
			for key, value := range map[string]string{"workers": "1", "threads": "1", "max_requests": "0", "raw_env": ""} {
				if _, ok := got[key]; !ok {
					got[key] = value
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-gunicorn +here):\n%s\n%s", diff, out)
			}
		})
	}
}

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
		"is no Python":    {"workers = \n", "Python cannot read it: SyntaxError at line 1"},
		"exits":           {"import sys\nsys.exit(3)\n", "Python cannot read it: SystemExit at line 2: 3"},
		"ends at once":    {"import os\nos._exit(3)\n", "Python cannot read it: exit status 3"},
		"prints":          {"print('{}')\nworkers = 3\n", "# gunicorn.conf.py:2: workers = 3"},
		"asks a secret":   {"raw_env = ['SECRET_KEY=hunter2']\nworkers = 1\n", `SECRET_KEY = file("secrets/`},
		"is latin-1":      {"# Gr\xfc\xdfe\nworkers = 3\n", "# gunicorn.conf.py:2: workers = 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"gunicorn.conf.py": c.file, "blog.py": "open('loaded', 'w')\n"})
			imp := importOne(t, Options{}, filepath.Join(dir, "gunicorn.conf.py"))
			holds(t, string(imp.Text), c.want, "!hunter2", `listen = "127.0.0.1:8000"`)
			if _, err := os.Stat(filepath.Join(dir, "loaded")); err == nil {
				t.Error("the app was imported")
			}
		})
	}
}

const supervisorText = `[supervisord]
environment=ALL="%%%%x",LANG=C
directory=%(here)s

[include]
files = conf.d/*.conf

[program:web]
command=/usr/bin/gunicorn -w %(numprocs)s3 --bind 127.0.0.1:8%(process_num)02d0 blog:app ; a comment
directory=/srv/blog
user=daemon
environment=A="a b",B='c%%d',C=/x/y.z-1,D=plain$
stopwaitsecs=7
umask=027

[program:mail]
command=celery -A blog worker --loglevel=info
directory=/srv/blog

[group:site]
programs=web,mail
`

func TestSupervisord(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"supervisord.conf": supervisorText,
		"conf.d/more.conf": "[program:web]\nstopwaitsecs=9\n",
	})
	imp := importOne(t, Options{}, filepath.Join(dir, "supervisord.conf"))
	holds(t, string(imp.Text), `app "web" {`, `wsgi_app = "blog:app"`, `working_directory = "/srv/blog" # supervisord.conf:10: directory = /srv/blog`,
		`listen = "127.0.0.1:8000"`, `user     = "daemon"`, "count           = 13", `stop_timeout    = "9s"`, `ALL = "%x"`, `D    = "plain"`,
		"environment D: supervisord ends the value at $", `"0027"`, "command = celery -A blog worker")
}

// The programs are what the real supervisord says.
func TestSupervisordMeansWhatSupervisordDoes(t *testing.T) {
	needPeer(t, "supervisord")
	t.Parallel()
	dir := writeFiles(t, map[string]string{
		"supervisord.conf": strings.ReplaceAll(supervisorText, "[supervisord]\n", "[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\n"),
		"conf.d/more.conf": "[program:web]\nstopwaitsecs=9\n[program:odd]\ncommand=/bin/echo \"a b\" c\\ d 100%% %(program_name)s\nenvironment=A=b,X=1#2\n",
	})
	out := runPeer(t, dir, nil, "/usr/bin/python3", "-c", `
import json, os, sys
os.environ = {}
from supervisor.options import ServerOptions
o = ServerOptions()
o.realize(["-c", "supervisord.conf"])
print("\n" + json.dumps({p.name: {"command": p.command, "directory": p.directory, "env": p.environment, "umask": p.umask, "stop": p.stopwaitsecs}
  for g in o.process_group_configs for p in g.process_configs}))`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var want map[string]struct {
		Command   string
		Directory string
		Env       map[string]string
		Stop      int
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &want); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := &supervisorConf{o: Options{LookupEnv: func(string) (string, bool) { return "", false }}, here: dir, sections: map[string]map[string]supervisorValue{}}
	for _, file := range []string{"supervisord.conf", "conf.d/more.conf"} {
		if err := c.read(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	for name, w := range want {
		p, err := c.program("program:"+name, name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w.Command, p.values["command"].text); diff != "" {
			t.Errorf("%s (-supervisord +here):\n%s", name, diff)
		}
		if diff := cmp.Diff(w.Env, p.command.env); diff != "" {
			t.Errorf("%s (-supervisord +here):\n%s", name, diff)
		}
		if w.Directory != "" && w.Directory != p.command.dir {
			t.Errorf("%s: %s, supervisord %s", name, p.command.dir, w.Directory)
		}
	}
	if len(want) != 3 {
		t.Errorf("%d programs", len(want))
	}
}

func TestSystemd(t *testing.T) {
	dir := writeFiles(t, map[string]string{
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
	imp := importOne(t, Options{}, unit)
	holds(t, string(imp.Text), `app "blog" {`, `wsgi_app   = "blog.wsgi:app"`, `working_directory = "/srv/blog" # blog.service:3: WorkingDirectory=/srv/blog`,
		`virtualenv = "/srv/blog/venv"`, `user       = "daemon"`, "count           = 3", `listen = "unix:/run/blog.sock"`, `mode   = "0600"`, `owner  = "daemon"`,
		`"0027" # 10.conf:2: UMask=0027`, `stop_timeout    = "20s"`, `open_files = 4096`, `memory     = "512MiB"`, "ExecStartPre=/bin/mkdir -p /run/blog: not carried over",
		`A          = "1 2"`, `B          = "x"`, `SECRET_KEY = file("secrets/blog/SECRET_KEY")`, "!hunter2", "!LOST", "!export")
	want := map[string]string{"SECRET_KEY": "hunter2", "NOTE": "a # b", "Q": "a 'b'", "R": `x"y"`}
	for name, value := range want {
		if got := imp.Secrets["secrets/blog/"+name]; got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestProcfile(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"Procfile": "web: cd src && PYTHONUNBUFFERED=1 gunicorn -w ${WEB_CONCURRENCY:-2} -b 0.0.0.0:$PORT blog:app --timeout 15\nworker: rq worker $QUEUE\nrelease: python manage.py migrate\n",
		".env":     "QUEUE='hi$X'\nDATABASE_URL=postgres://u:hunter2@h/d\n# a note\nexport NO=1\n",
	})
	imp := importOne(t, Options{}, dir)
	holds(t, string(imp.Text), `wsgi_app = "blog:app"`, `working_directory = "`+dir+`/src"`, `listen = "0.0.0.0:5000"`, "count           = 2", `request_timeout = "15s"`,
		"a shell ran it", "rq worker", "release: python manage.py migrate: not carried over: a command before a release is a stage of its deploy", "!hunter2")
	name := appNameOf(dir)
	if got := imp.Secrets["secrets/"+name+"/QUEUE"]; got != "hi$X" {
		t.Errorf("%q", imp.Secrets)
	}
}

func TestUnitWords(t *testing.T) {
	env := map[string]string{"V": "a b", "E": ""}
	for text, want := range map[string][]string{
		`x $V`:          {"x", "a", "b"},
		`x ${V}`:        {"x", "a b"},
		`x "$V"`:        {"x", "$V"},
		`x a"b c"`:      {"x", `a"b`, `c"`},
		`x "b c" 'd e'`: {"x", "b c", "d e"},
		`x $$V ${E}y`:   {"x", "$V", "y"},
		`x $E z`:        {"x", "z"},
	} {
		if diff := cmp.Diff(want, unitWords(text, env)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestCommandLine(t *testing.T) {
	dir := writeFiles(t, map[string]string{"x": ""})
	o := Options{Format: "command", LookupEnv: func(name string) (string, bool) {
		return "--workers=4", name == "GUNICORN_CMD_ARGS"
	}}
	imp := importOne(t, o, "TZ=UTC gunicorn --chdir "+dir+" -b :8000 shop.wsgi:app")
	holds(t, string(imp.Text), `app "shop" {`, `wsgi_app = "shop.wsgi:app"`, `count = 4 # command: GUNICORN_CMD_ARGS: --workers 4`, `TZ = "UTC"`, `listen = "0.0.0.0:8000"`)
	if _, err := o.Import("celery -A blog worker"); err == nil || !strings.Contains(err.Error(), "it starts no WSGI server that is known here (gunicorn, uwsgi, mod_wsgi-express)") {
		t.Error(err)
	}
}
