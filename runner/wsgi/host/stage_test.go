package host_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A command of a deploy sees the settings of django.json by whichever way it comes to
// Django, and the interpreter's own sitecustomize runs all the same.
func TestStageSettings(t *testing.T) {
	dir := filepath.Join(hostDir(t), "wsgid", "stage")
	files := project("app/proj", "proj", "")
	files["app/sitecustomize.py"] = "import sys\nsys.theirs = True\n"
	app := filepath.Join(appFolder(t, files), "app")
	run := func(env []string, code string) string {
		t.Helper()
		cmd := exec.Command(python, "-c", code)
		cmd.Dir = app
		cmd.Env = append(env, "PYTHONPATH="+dir+":"+app, "DJANGO_SETTINGS_MODULE=proj.settings")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	settings := `WSGID_DJANGO_JSON={"NUMBER": 2, "A_TUPLE": ["json"], "DATABASES": {"default": {"NAME": "new.db"}}}`
	const ask = "from django.conf import settings as s; print(s.NUMBER, s.A_TUPLE, s.DATABASES['default']['NAME'], s.DATABASES['default']['ENGINE'][-7:])"
	const want = "2 ('settings', 'json') new.db sqlite3"
	for name, code := range map[string]string{
		"at once":           ask,
		"from a child":      "import subprocess, sys; subprocess.check_call([sys.executable, '-c', " + quoted(ask) + "])",
		"settings first":    "import proj.settings; " + ask,
		"a command's start": "import django; django.setup(); " + ask,
	} {
		if got := run([]string{settings}, code); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := run(nil, ask); got != "1 ('settings',) old.db sqlite3" {
		t.Errorf("without any: %q", got)
	}
	if got := run([]string{settings}, "import sys; print(sys.theirs, 'django' in sys.modules, 'json' in sys.modules)"); got != "True False False" {
		t.Errorf("of the interpreter's own: %q", got)
	}
	// One that is not there is missed by nobody.
	if err := os.Remove(filepath.Join(app, "sitecustomize.py")); err != nil {
		t.Fatal(err)
	}
	if got := run([]string{settings}, ask); got != want {
		t.Errorf("without their own: %q", got)
	}
}

func quoted(code string) string { return `"""` + code + `"""` }
