package importer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// Whatever a path holds, something is said of it: a spec, or why there is none. That
// holds for each format, whoever names it.
func TestEveryFormatSaysSomething(t *testing.T) {
	inputs := map[string]string{
		"nothing":          "",
		"blanks":           " \n\t\n",
		"no text":          "\x00\x01\xff\xfe\x80 [uwsgi]\x00\n=\n",
		"latin-1":          "[uwsgi]\nmodule = Gr\xfc\xdfe\n[program:Gr\xfc\xdfe]\ncommand=gunicorn Gr\xfc\xdfe\nWSGIScriptAlias / /srv/Gr\xfc\xdfe.py\nweb: gunicorn Gr\xfc\xdfe\n[Service]\nExecStart=gunicorn Gr\xfc\xdfe\n",
		"ten megabytes":    strings.Repeat("web: gunicorn a:b\n", 600_000),
		"one long line":    "[uwsgi]\nmodule = " + strings.Repeat("a", 1<<16),
		"signs alone":      "[\n]\n=\n%\n$\n\"\n'\n<\n>\n{\n}\n\\\n:\n[]\n<>\n{}\n%(\n$(\n${\n",
		"an end in a word": "[Service]\nExecStart=\"gunicorn \\",
		"a half program":   "[program:a]\ncommand=gunicorn a:b\nenvironment=A=\"\n",
		"a half Procfile":  "web: gunicorn 'a:b\nweb: sh -c\nweb: sh -c 'cd'\nweb: env\nweb: python -m\n",
		"an own include":   "[include]\nfiles = *\n[program:a]\ncommand=gunicorn a:b\n",
		"nothing but init": "UWSGI_INI_PATH=/nowhere/x.ini\nUWSGI_PORT=1\n",
	}
	for name, text := range inputs {
		t.Run(name, func(t *testing.T) {
			dir := peertest.WriteFiles(t, map[string]string{"input": text})
			path := filepath.Join(dir, "input")
			for _, format := range Formats {
				if format == "command" || format == "gunicorn" && testing.Short() {
					continue
				}
				found, err := Import((facts.Options{Format: format}), path)
				if err == nil && len(found) == 0 {
					t.Errorf("%s: neither an app nor an error", format)
				}
				for _, imp := range found {
					if len(imp.Text) == 0 || !imp.Incomplete && len(imp.Notes) == 0 && strings.Contains(string(imp.Text), "not carried over") {
						t.Errorf("%s: %+v", format, imp)
					}
				}
			}
		})
	}
	for _, line := range []string{"", " ", "'", "sh -c", "sh -c ''", "env A=1", "gunicorn", "gunicorn -b", "uwsgi", "uwsgi --", "uwsgi -", "uwsgi --ini", "python -m gunicorn", "exec", "poetry run", "mod_wsgi-express"} {
		found, err := Import((facts.Options{Format: "command"}), line)
		if err == nil && len(found) == 0 {
			t.Errorf("%q: neither an app nor an error", line)
		}
	}
}

// What is not a file is not waited for.
func TestOtherThanFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo.ini")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, format := range append(slices.Clone(Formats[1:len(Formats)-1]), "") {
		for _, name := range []string{"fifo.ini", "folder", "missing"} {
			found, err := Import((facts.Options{Format: format}), filepath.Join(dir, name))
			if err == nil && (format != "gunicorn" || len(found) != 1) {
				t.Errorf("%s of %q: %v", format, name, found)
			}
		}
	}
}

// What a shell did around a server is told, and secrets of a command stay in the dark.
func TestCommandsWithAShell(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"web.service": "[Service]\nExecStart=/bin/sh -c 'python manage.py migrate && exec gunicorn -b :8000 web:app >> /var/log/web.log'\n",
		"sup.conf":    "[program:web]\ncommand=bash -c \"source env.sh; gunicorn -b :8000 --env SECRET_KEY=hunter2 web:app\"\n",
		"Procfile":    "web: DATABASE_URL=postgres://u:hunter2@db/x gunicorn -b :8000 web:app | tee log\n",
	})
	for name, want := range map[string]string{
		"web.service": "a shell ran it, and what it did besides starting a program (python manage.py migrate) is not done: make it a stage of a deploy, or part of the app",
		"sup.conf":    "source env.sh: not carried over: what it sets is not known here: write the variables into env, or name the file in env_file if it holds nothing but lines NAME=value",
		"Procfile":    "a shell ran it, and what it did besides starting a program (tee log) is not done: make it a stage of a deploy",
	} {
		imp := importOne(t, facts.Options{}, filepath.Join(dir, name))
		holds(t, string(imp.Text), `wsgi_app = "web:app"`, want, "!hunter2")
		if !imp.Incomplete {
			t.Errorf("%s: it counts as complete", name)
		}
		for _, note := range imp.Notes {
			holds(t, note, "!hunter2")
		}
	}
}

// Debian's services for OpenStack start uWSGI by an init script, which their units call.
func TestInitScripts(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"etc/init.d/weather-api": "#!/bin/sh\nPROJECT_NAME=weather\nNAME=${PROJECT_NAME}-api\nUWSGI_PORT=9876\nUWSGI_INI_PATH=ROOT/etc/${PROJECT_NAME}/uwsgi.ini\nif true ; then\nUWSGI_PORT=1\nfi\n",
		"etc/init.d/other":       "#!/bin/sh\nNAME=other\n",
		"etc/init.d/more": "#!/bin/sh\nUWSGI_PORT=9877\nUWSGI_INI_PATH=ROOT/etc/weather/uwsgi.ini\nPYARGV=\"--config-file=/etc/more.conf\"\n[ -r /etc/none ] || exit 0\nPYARGV=\"$PYARGV --more\"\nexport TMPDIR=/x\n" +
			"#!/bin/sh\n# The content after this line comes from openstack-pkg-tools\nif true ; then\nUWSGI_PORT=1\nfi\n",
		"etc/weather/uwsgi.ini": "[uwsgi]\nwsgi-file = /usr/bin/weather-api\nchdir = /var/lib/weather\nuid = daemon\nrem-header = Content-Length\npaste-logger = true\nname = weather\numask 027\n",
		"weather-api.service":   "[Service]\nUser=daemon\nExecStart=ROOT/etc/init.d/weather-api systemd-start\nWorkingDirectory=~\n",
		"other.service":         "[Service]\nExecStart=ROOT/etc/init.d/other systemd-start\n",
	})
	for _, name := range []string{"etc/init.d/weather-api", "weather-api.service", "other.service", "etc/init.d/more"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(string(text), "ROOT", dir)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"etc/init.d/weather-api", "weather-api.service"} {
		imp := importOne(t, facts.Options{}, filepath.Join(dir, name))
		holds(t, string(imp.Text), `app "weather-api" {`, `wsgi_app = "/usr/bin/weather-api"`, `listen = "0.0.0.0:9876"`, `working_directory = "/var/lib/weather"`, `user = "daemon"`,
			"rem-header = Content-Length: not carried over: headers of answers are the app's", "paste-logger = true: not carried over: configure logging",
			"name = weather: not carried over", "!was home meant", "umask 027 = : not carried over: without = the whole line is the name of an option", "was umask = 027 meant?")
	}
	if _, err := Import((facts.Options{}), filepath.Join(dir, "other.service")); err == nil || !strings.Contains(err.Error(), "starts no uWSGI: it sets no UWSGI_INI_PATH and UWSGI_PORT") {
		t.Error(err)
	}
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "etc/weather/uwsgi.ini")).Text), `app "weather" {`)
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "etc/init.d/more")).Text), `listen = "0.0.0.0:9877"`, "# more:5: not carried over: the script does more from here on than to set variables",
		"pyargv = --config-file=/etc/more.conf: not carried over: an application is given no arguments here", "!--more")

	// With a key and a certificate they speak TLS.
	for _, name := range []string{"etc/weather/ssl/private/a.pem", "etc/weather/ssl/public/a.crt"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "weather-api.service"))
	holds(t, strings.ReplaceAll(string(imp.Text), dir, ""), `listen = "0.0.0.0:9876"`, `cert = "/etc/weather/ssl/public/a.crt"`, `key = "/etc/weather/ssl/private/a.pem"`)
}

// Debian's service for uWSGI gives a socket, a user and two workers to what lies in its
// folders, and the file's own options beat them.
func TestDebianService(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"apps-enabled/wiki.ini": "[uwsgi]\nmodule = wiki:app\nworkers = 5\n",
		"other/wiki.ini":        "[uwsgi]\nmodule = wiki:app\n",
	})
	imp := importOne(t, facts.Options{}, filepath.Join(dir, "apps-enabled/wiki.ini"))
	holds(t, string(imp.Text), `listen = "unix:/run/uwsgi/app/wiki/socket" # Debian's default.ini: socket = /run/uwsgi/app/wiki/socket`, `user = "www-data"`, "count = 5")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "other/wiki.ini")).Text), "!/run/uwsgi", "!www-data")
}
