package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
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
			"environment of program worker: not carried over: all that runs of an app has the app's",
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
