package importer

import (
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// foreman takes options from a file .foreman, and so does import.
func TestProcfileOptions(t *testing.T) {
	const procfile = "web: gunicorn -b :$PORT a:b\nworker: rq worker\nmail: mailer\n"
	dir := peertest.WriteFiles(t, map[string]string{
		"a/Procfile": procfile, "a/.env": "A=1\nPORT=7000\n", "a/prod.env": "A=2\n", "a/more.env": "B=3\n",
		"a/.foreman": "---\n:port: 8081\nenv: prod.env,more.env # two\nformation: \"web=2, worker=3\"\ntimeout: 9\nroot: /srv\nconcurrency: mail=4\n",
		"b/Procfile": procfile, "b/Procfile.prod": "web: gunicorn -b :$PORT c:d\n", "b/.foreman": "procfile: Procfile.prod\nformation: all=1\n",
		"c/Procfile": procfile, "c/.foreman": "env: none.env\n",
	})
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "a")).Text), `listen = "0.0.0.0:8081"`, `file("secrets/a/A")`, `file("secrets/a/B")`, "!PORT =",
		".foreman:4: formation: web=2, worker=3: not carried over: foreman started 2 of web, each on a port of its own; one master serves the app: write workers { count = … }",
		`process "worker" { command = ["rq", "worker"] count = 3`, `process "mail" { command = ["mailer"] count = 0`,
		".foreman:5: timeout: 9: workers.stop_timeout", ".foreman:6: root: /srv: not carried over: write working_directory")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "b")).Text), `wsgi_app = "c:d"`, "!formation", "!procfile:")
	holds(t, string(importOne(t, facts.Options{}, filepath.Join(dir, "b/Procfile")).Text), `wsgi_app = "a:b"`, ".foreman:1: procfile: Procfile.prod: foreman started that file, not Procfile", "!count")
	if _, err := Import(facts.Options{}, filepath.Join(dir, "c")); err == nil {
		t.Error("foreman does not start without a file that env names")
	} else {
		holds(t, err.Error(), ".foreman:1: env: none.env: foreman does not start without the file: no such file or directory")
	}
}

// A package named app makes no app folder of wsgid of a project that has a Procfile.
func TestProcfileBesideAPackageNamedApp(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"Procfile": "web: gunicorn app.main:app\n", "app/main.py": ""})
	holds(t, string(importOne(t, facts.Options{}, dir).Text), `wsgi_app = "app.main:app" # Procfile:1:`, "!mongrel2")
	dir = peertest.WriteFiles(t, map[string]string{"Procfile": "web: gunicorn app.main:app\n", "app/main.py": "", "wsgid.json": `{"wsgi_app": "other:app"}`})
	holds(t, string(importOne(t, facts.Options{}, dir).Text), `wsgi_app = "other:app"`)
}

// A .env that holds JSON is read as heroku local and the foreman of npm do: until now all of it
// was lost without a word.
func TestProcfileEnvironmentOfJSON(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{"Procfile": "web: gunicorn -b :$PORT a:b\n",
		".env": "{\n  \"database\": {\"url\": \"sqlite:///hunter2\"}, \"debug\": false, \"hosts\": [\"a\", 7], \"port\": 8123, \"none\": null\n}\n"})
	imp := importOne(t, facts.Options{}, dir)
	holds(t, string(imp.Text), ".env:1: JSON: it was taken as heroku local and the foreman of npm read it", `listen = "0.0.0.0:8123"`,
		`DATABASE_URL`, `DEBUG`, `HOSTS_0`, `HOSTS_1`, "!NONE", "!hunter2")
	// What is JSON, and no object, is foreman's.
	for _, text := range []string{"null\n", "3\n", "{}x\nA=1\n", "[1]\n"} {
		dir := peertest.WriteFiles(t, map[string]string{"Procfile": "web: gunicorn a:b\n", ".env": text})
		holds(t, string(importOne(t, facts.Options{}, dir).Text), "!heroku")
	}
}
