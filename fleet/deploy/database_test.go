package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// A database comes with the release that was deployed with it: its stages and its
// workers are told of it, what serves before is not; a rollback keeps it.
func TestDatabaseOfADeploy(t *testing.T) {
	b := newBench(t)
	b.deploy()
	b.spec.Database = &appspec.Database{Engine: "sqlite", Name: "db.sqlite3"}
	b.spec.Deploy.Stages = []appspec.Stage{{Name: "show", When: "before", Timeout: b.spec.Deploy.Timeout,
		Command: []string{"/bin/sh", "-c", `echo "$DATABASE_URL"`}}}
	b.commit("site/manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n")
	b.refuse = errors.New("it does not start")
	d := b.deployer()
	if _, err := d.Deploy(t.Context(), t.Context()); err == nil || b.serves.Made != nil {
		t.Errorf("%v, what serves was told of %v", err, b.serves.Made)
	}
	b.refuse = nil
	d = b.deployer()
	var learned *appspec.Spec
	d.Learn = func(spec *appspec.Spec) { learned = spec }
	e, err := d.Deploy(t.Context(), t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.spec.Path, "shared/db.sqlite3")
	url := "sqlite:///" + file
	if !strings.Contains(outputs(e), "show: "+url+"\n") {
		t.Errorf("the stage saw\n%s\nwant %s", outputs(e), url)
	}
	made := b.serves.Made
	if made == nil || made.Env["DATABASE_URL"] != url || len(made.Secrets) != 0 {
		t.Fatalf("%#v", made.Env)
	}
	entry := made.Django["DATABASES"].(map[string]any)["default"].(map[string]any)
	if entry["ENGINE"] != "django.db.backends.sqlite3" || entry["NAME"] != file {
		t.Errorf("%v", entry)
	}
	if learned == nil || learned.Made == nil || b.spec.Made != nil {
		t.Error("nobody heard of it, or the caller's spec was changed")
	}
	if err := os.WriteFile(file, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.deployer().Rollback(t.Context(), t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if b.serves.Made == nil || b.serves.Made.Env["DATABASE_URL"] != url {
		t.Error("the rollback took the database away")
	}
	if text, _ := os.ReadFile(file); string(text) != "rows" {
		t.Errorf("the database holds %q", text)
	}

	// In a chroot the workers see another path than the stages; an app without Django
	// gets no django.json; what env says itself stands.
	b.commit("site/manage.py", "no project\n")
	b.spec.Chroot = true
	e = b.deploy()
	if b.serves.Made.Env["DATABASE_URL"] != "sqlite:////shared/db.sqlite3" || b.serves.Made.Django != nil || !strings.Contains(outputs(e), url) {
		t.Errorf("%v, %v\n%s", b.serves.Made.Env, b.serves.Made.Django, outputs(e))
	}
	b.spec.Env = map[string]string{"DATABASE_URL": "mine"}
	e = b.deploy()
	if !strings.Contains(outputs(e), "show: mine\n") || !noted(e, "DATABASE_URL is the one set in env of the spec") {
		t.Errorf("%s\n%+v", outputs(e), e.Stages)
	}
}

func noted(e *Entry, text string) bool {
	for _, s := range e.Stages {
		if strings.Contains(s.Note, text) {
			return true
		}
	}
	return false
}

// What was kept of a role is found again, and a file that cannot be read is not
// taken for none: its passwords would be lost.
func TestPasswordsOfRoles(t *testing.T) {
	b := newBench(t)
	for role, password := range map[string]string{"blog": "one", "other": "two"} {
		if p, err := b.book.password(role); p != "" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		if err := b.book.setPassword(role, password); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := b.book.password("blog"); p != "one" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	file := filepath.Join(b.book.dir, passwordsFile)
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.spec.Database = &appspec.Database{Engine: "postgresql", Name: "blog", Owner: "blog", Server: "unix:/nonexistent"}
	if _, err := b.deployer().Deploy(context.Background(), t.Context()); err == nil || !strings.Contains(err.Error(), "cannot read "+file) {
		t.Errorf("%v", err)
	}
	if err := b.book.setPassword("blog", "three"); err == nil {
		t.Error("the passwords of others were overwritten")
	}
}
