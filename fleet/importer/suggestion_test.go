package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// uncommented is a spec with the deploy block that it suggests, and without the block's
// explanation.
func uncommented(text string) string {
	var out []string
	in := false
	for line := range strings.SplitSeq(text, "\n") {
		trimmed := strings.TrimSpace(line)
		in = in || trimmed == "# deploy {"
		if in {
			line = strings.TrimPrefix(trimmed, "#")
		}
		out = append(out, line)
		in = in && trimmed != "# }"
	}
	return strings.Join(out, "\n")
}

// An app whose code lies in a git checkout gets a deploy block as a comment; taken as it
// is, it is a good one.
func TestImportSuggestsADeploy(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"blog/requirements.txt":      "django\n",
		"blog/src/manage.py":         "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n",
		"blog/src/site/settings.py":  "STATIC_ROOT = BASE_DIR / 'static'\n",
		"blog/src/site/wsgi.py":      "",
		"blog/Procfile":              "web: gunicorn --chdir src site.wsgi\nrelease: python prepare.py --all\n",
		"blog.service":               "[Service]\nWorkingDirectory=DIR/blog/src\nExecStart=DIR/blog/venv/bin/gunicorn site.wsgi\n",
		"blog.ini":                   "[uwsgi]\nchdir = DIR/blog/src\nmodule = site.wsgi\nhttp-socket = :8000\nstatic-map = /static=DIR/blog/src/static\n",
		"wsgid/app/requirements.txt": "",
		"wsgid/wsgid.json":           `{"recv": "tcp://127.0.0.1:9997", "send": "tcp://127.0.0.1:9996"}`,
		"plain/p.ini":                "[uwsgi]\nchdir = DIR/plain\nmodule = site.wsgi\nhttp-socket = :8000\n",
	})
	for _, name := range []string{"blog.service", "blog.ini", "plain/p.ini"} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "DIR", dir)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, bare := range map[string]string{"blog": "blog.git", "wsgid/app": "app.git"} {
		bare, clone := filepath.Join(dir, bare), filepath.Join(dir, name)
		fleettest.Git(t, ".", "init", "-q", "--bare", "-b", "live", bare)
		fleettest.Git(t, ".", "init", "-q", "-b", "live", clone)
		fleettest.Git(t, clone, "add", ".")
		fleettest.Git(t, clone, "commit", "-q", "-m", "x")
		fleettest.Git(t, clone, "remote", "add", "origin", bare)
		fleettest.Git(t, clone, "push", "-q", "-u", "origin", "live")
	}
	migrate := appspec.Stage{Name: "migrate", Command: []string{"python", "manage.py", "migrate", "--noinput"}}
	static := appspec.Stage{Name: "static", Command: []string{"python", "manage.py", "collectstatic", "--noinput"}}
	for path, want := range map[string]struct {
		deploy *appspec.Deploy
		leads  string
	}{
		"blog.service":  {&appspec.Deploy{Repository: "file://" + dir + "/blog.git", Branch: "live", Directory: "src", Requirements: []string{"requirements.txt"}, Stages: []appspec.Stage{migrate, static}}, "PYTHONPATH, virtualenv, working_directory"},
		"blog.ini":      {&appspec.Deploy{Repository: "file://" + dir + "/blog.git", Branch: "live", Directory: "src", Requirements: []string{"requirements.txt"}, Stages: []appspec.Stage{migrate, static}}, "PYTHONPATH, static.dir, working_directory"},
		"blog/Procfile": {&appspec.Deploy{Repository: "file://" + dir + "/blog.git", Branch: "live", Directory: "src", Requirements: []string{"requirements.txt"}, Stages: []appspec.Stage{migrate, static, {Name: "release", Command: []string{"python", "prepare.py", "--all"}}}}, "PYTHONPATH, working_directory"},
		"wsgid":         {&appspec.Deploy{Repository: "file://" + dir + "/app.git", Branch: "live", Requirements: []string{"requirements.txt"}}, ""},
		"plain/p.ini":   {},
	} {
		imp := importOne(t, facts.Options{}, filepath.Join(dir, path))
		text := string(imp.Text)
		if want.deploy == nil {
			holds(t, text, "!deploy", "!checkout")
			continue
		}
		if want.leads != "" {
			holds(t, text, "; then change what leads into the checkout: "+want.leads+" (app/ of the app folder is the release):")
		}
		holds(t, text, "# The code lies in a git checkout, "+dir)
		spec, err := loadText(imp.Name, []byte(uncommentedWithout(text, "virtualenv")), imp.Secrets)
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, uncommented(text))
			continue
		}
		got := &appspec.Deploy{Repository: spec.Deploy.Repository, Branch: spec.Deploy.Branch, Directory: spec.Deploy.Directory, Requirements: spec.Deploy.Requirements}
		for _, s := range spec.Deploy.Stages {
			got.Stages = append(got.Stages, appspec.Stage{Name: s.Name, Command: s.Command})
		}
		if diff := cmp.Diff(want.deploy, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", path, diff, text)
		}
	}
}

// uncommentedWithout is uncommented without an attribute, as the text asks for.
func uncommentedWithout(text, attribute string) string {
	var out []string
	for line := range strings.SplitSeq(uncommented(text), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), attribute+" ") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// Nothing of an address that may be a secret is printed, and one that a deploy does not
// fetch from is named.
func TestImportSuggestsNoSecret(t *testing.T) {
	for remote, want := range map[string][]string{
		"https://me:hunter2@git.example.org/blog.git":    {"!hunter2", "!deploy {", "cloned from nowhere that a deploy fetches from", "without a user or a password"},
		"https://hunter2@git.example.org/blog.git":       {"!hunter2", "!deploy {", "without a user or a password"},
		"https://git.example.org/blog.git?token=hunter2": {"!token=hunter2\"", "!deploy {"},
		"ext::sh -c hunter2":                             {"!hunter2", "!deploy {", "git@HOST:PATH"},
		"git@git.example.org:me/blog.git":                {`# repository = "git@git.example.org:me/blog.git"`},
		"ssh://git@git.example.org/${x}/blog.git":        {`# repository = "ssh://git@git.example.org/$${x}/blog.git"`},
	} {
		dir := peertest.WriteFiles(t, map[string]string{"x/blog.ini": "[uwsgi]\nmodule = a\nhttp-socket = :8000\n"})
		fleettest.Git(t, ".", "init", "-q", "-b", "live", dir)
		fleettest.Git(t, dir, "remote", "add", "origin", remote)
		text := string(importOne(t, facts.Options{}, filepath.Join(dir, "x/blog.ini")).Text)
		t.Run(fmt.Sprint(remote), func(t *testing.T) { holds(t, text, want...) })
	}
}
