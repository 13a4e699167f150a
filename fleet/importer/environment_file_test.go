package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// A file of EnvironmentFile= is named where env_file means the same, so that later edits of it
// count; else its variables are written one by one, and what differs is said.
func TestEnvironmentFileIsNamed(t *testing.T) {
	const gunicorn = "ExecStart=/usr/bin/gunicorn -b :8000 a:b"
	env := map[string]string{"env": "SECRET=hunter2\nA='x # y'\n", "more": "A=more\nB=2\n", "path": "PYTHONPATH=/opt\nC=3\n", "latin": "# \xe9\nD=4\n", "workers": "WORKERS=3\nWEB_CONCURRENCY=2\n"}
	for name, c := range map[string]struct {
		unit    string // of [Service]
		want    []string
		secrets map[string]string
	}{
		"the same": {"Environment=A=unit E=1\nEnvironmentFile=DIR/env\n" + gunicorn,
			[]string{`env_file = ["DIR/env"] # a.service:3: EnvironmentFile=DIR/env`, `E = "1"`, "!A =", "!SECRET =", "!one by one"}, nil},
		"two, and one that is not there": {"EnvironmentFile=DIR/more\nEnvironmentFile=DIR/env\nEnvironmentFile=-DIR/none\n" + gunicorn,
			[]string{`env_file = ["DIR/more", "DIR/env", "-DIR/none"]`, "!file(", "!B ="}, nil},
		"by a pattern": {"EnvironmentFile=DIR/[em]*e\n" + gunicorn, []string{`env_file = ["DIR/more"]`}, nil},
		"the server sets one too": {"EnvironmentFile=DIR/env\n" + gunicorn + " --env A=own",
			[]string{`A = "own"`, `SECRET = file("secrets/a/SECRET")`, "!env_file =", "a.service:2: EnvironmentFile=DIR/env: its variables are written here one by one, and later edits of the file do not count: ", "A is set at a.service:3 too, which wins there"},
			map[string]string{"SECRET": "hunter2"}},
		"one is taken away": {"EnvironmentFile=DIR/more\nUnsetEnvironment=B\n" + gunicorn,
			[]string{"!B =", "!env_file =", "do not count: UnsetEnvironment= takes B away"}, map[string]string{"A": "more"}},
		"the search path": {"EnvironmentFile=DIR/path\n" + gunicorn, []string{"!env_file =", "its PYTHONPATH is put behind the folders that the server adds"}, map[string]string{"C": "3", "PYTHONPATH": "/:/opt"}},
		"not UTF-8":       {"EnvironmentFile=DIR/latin\n" + gunicorn, []string{"!env_file =", "a comment in it is not UTF-8"}, map[string]string{"D": "4"}},
		// A file that stands before one that cannot be named would win here.
		"before one of them": {"EnvironmentFile=DIR/env\nEnvironmentFile=DIR/more\nEnvironmentFile=DIR/workers\nUnsetEnvironment=B\n" + gunicorn,
			[]string{`env_file = ["DIR/workers"]`, "A is set at a.service:3 too, which wins there"}, map[string]string{"A": "more", "SECRET": "hunter2"}},
		"in the command": {"EnvironmentFile=DIR/workers\n" + gunicorn + " -w ${WORKERS}",
			[]string{`env_file = ["DIR/workers"]`, "count = 3", "a.service:3: WORKERS of workers: what the server was told by it stands here; later edits of it in the file change nothing of that", "WEB_CONCURRENCY of workers: what the server"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := peertest.WriteFiles(t, env)
			files := strings.NewReplacer("DIR", dir)
			unit := filepath.Join(peertest.WriteFiles(t, map[string]string{"a.service": "[Service]\n" + files.Replace(c.unit) + "\n"}), "a.service")
			imp := importOne(t, facts.Options{}, unit)
			want := []string{"!hunter2"}
			for _, w := range c.want {
				want = append(want, files.Replace(w))
			}
			holds(t, string(imp.Text), want...)
			secrets := map[string]string{}
			for name, value := range imp.Secrets {
				secrets[filepath.Base(name)] = value
			}
			if c.secrets == nil {
				c.secrets = map[string]string{}
			}
			if diff := cmp.Diff(c.secrets, secrets); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
		})
	}
}
