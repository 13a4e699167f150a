package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What runs beside a web server becomes a process of its app; what it had for itself
// alone is named.
func TestProgramsBesideAnApp(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"supervisord.conf": `[program:web]
command=/usr/bin/gunicorn -b 127.0.0.1:8001 blog.wsgi
directory=/srv/blog
[program:worker]
command=celery -A blog worker
directory=/srv/blog
numprocs=2
process_name=%(program_name)s-%(process_num)d
stopsignal=INT
stopwaitsecs=600
environment=TOKEN="hunter2"
[program:queue]
command=rq worker --name q%(process_num)d
directory=/srv/blog
numprocs=2
numprocs_start=5
process_name=queue-%(process_num)d
[program:bot]
command=/srv/blog/bot
directory=/srv/blog
stopsignal=KILL
autostart=false
`,
		"Procfile": "web: gunicorn -b 127.0.0.1:8002 blog.wsgi\nworker: celery -A blog worker\nclock: python clock.py\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{
		"supervisord.conf": {
			"  process \"worker\" {\n    command      = [\"celery\", \"-A\", \"blog\", \"worker\"]\n    count        = 2\n    stop_signal  = \"INT\"\n    stop_timeout = \"10m\"\n  }\n",
			"  process \"queue-5\" {\n    command = [\"rq\", \"worker\", \"--name\", \"q5\"]\n  }\n",
			"  process \"queue-6\" {\n    command = [\"rq\", \"worker\", \"--name\", \"q6\"]\n  }\n",
			"  process \"bot\" {\n    command = [\"/srv/blog/bot\"]\n    count   = 0\n  }\n",
			"TOKEN in environment of program worker: not carried over: all that runs of an app has the app's",
			"process bot: stop_signal KILL: not carried over: process.stop_signal takes one of TERM, INT",
		},
		"Procfile": {
			"  process \"worker\" {\n    command = [\"celery\", \"-A\", \"blog\", \"worker\"]\n  }\n",
			"  process \"clock\" {\n    command = [\"python\", \"clock.py\"]\n  }\n",
		},
	} {
		text := string(importOne(t, facts.Options{}, filepath.Join(dir, name)).Text)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: want\n%s\nin\n%s", name, w, text)
			}
		}
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s: the secret of a program is printed:\n%s", name, text)
		}
	}
}

// What supervisord gave its programs besides is told: a umask that it may have set, values
// of the environment that it was started in, the files of its logs; and of a program beside
// an app no variable that the app has too.
func TestWhatSupervisordGave(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"supervisord.conf": `[supervisord]
umask=002
environment=LANG=C
[program:web]
command=/usr/bin/gunicorn -b 127.0.0.1:8001 --access-logfile /var/log/access.log blog.wsgi
directory=/srv/blog
environment=TOKEN="a%%b",PATH="/srv/bin:%(ENV_PATH)s"
stdout_logfile=/var/log/web.log
stderr_logfile=NONE
[program:worker]
command=celery -A blog worker
directory=/srv/blog
environment=TOKEN="a%%b",LANG="C"
[program:other]
command=/usr/bin/gunicorn other:app
umask=027
stdout_logfile=/dev/stdout
`})
	o := facts.Options{LookupEnv: func(name string) (string, bool) { return "/bin", name == "PATH" }}
	all, err := Import(o, filepath.Join(dir, "supervisord.conf"))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d apps, %v", len(all), err)
	}
	holds(t, string(all[0].Text), "supervisord.conf:2: umask = 002: supervisord set it only where it went into the background, which it does not under systemd (-n): write umask where the app had it",
		"supervisord.conf:5: %(ENV_PATH)s: what was taken is that of this shell, which may not be supervisord's: look at it in the spec", `PATH = "/srv/bin:/bin"`,
		"supervisord.conf:8: stdout_logfile = /var/log/web.log: the log is logs/wsgid.log of the app folder, rotated by log.max_size and log.keep", "!stderr_logfile", "!of program worker",
		"--access-logfile /var/log/access.log: its lines are among those of the log, logs/wsgid.log of the app folder")
	holds(t, string(all[1].Text), `umask = "0027"`, "!in the background", "!ENV_PATH", "!stdout_logfile")
}
