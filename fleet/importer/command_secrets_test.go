package importer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// TestSecretsOfCommandsAreNotPrinted: in whichever file they are, secrets of command lines
// and of addresses are in files of their own, and nobody sees them who sees the spec or what
// the command says.
func TestSecretsOfCommandsAreNotPrinted(t *testing.T) {
	const secret = "hunter2"
	for name, c := range map[string]struct {
		text string
		want [][]string // the commands of processes and schedules
	}{
		"uwsgi.ini": {"[uwsgi]\nmodule = a:app\nchdir = /srv\nhttp-socket = 127.0.0.1:9000\nenv = BROKER=redis://:hunter2@h/0\n" +
			"cron = 59 2 -1 -1 -1 /usr/bin/backup --password=hunter2\nattach-daemon = celery --broker redis://:hunter2@h/0\npyargv = --secret-key hunter2\n",
			[][]string{{"celery", "--broker", "redis://:hunter2@h/0"}, {"sh", "-c", "/usr/bin/backup --password=hunter2"}}},
		"supervisord.conf": {"[program:web]\ncommand=/usr/bin/gunicorn --bind 127.0.0.1:9000 a:app\n[program:bot]\ncommand=/usr/bin/bot --token hunter2 -v\n",
			[][]string{{"/usr/bin/bot", "--token", "hunter2", "-v"}}},
		"Procfile": {"web: gunicorn --bind 127.0.0.1:9000 a:app\nbot: bot --api-key=hunter2 --api-key=hunter2%\n",
			[][]string{{"bot", "--api-key=hunter2", "--api-key=hunter2%"}}},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		apps, err := Import(facts.Options{}, path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got [][]string
		for _, a := range apps {
			for _, said := range append([]string{string(a.Text)}, a.Notes...) {
				if strings.Contains(said, secret) {
					t.Errorf("%s: the secret is told:\n%s", name, said)
				}
			}
			spec, err := loadText(a.Name, a.Text, a.Secrets)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, a.Text)
			}
			for _, p := range spec.Processes {
				got = append(got, p.Command)
			}
			for _, s := range spec.Schedules {
				got = append(got, s.Command)
			}
		}
		if !slices.EqualFunc(got, c.want, slices.Equal[[]string]) {
			t.Errorf("%s: the commands are %q, want %q", name, got, c.want)
		}
	}
}
