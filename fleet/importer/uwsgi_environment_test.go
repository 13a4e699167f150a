package importer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What a file of uWSGI asks the environment for, and sets itself, has one answer at the start
// and another one after a reload: both are told of, and no value of it.
func TestUWSGIAsksForWhatItSets(t *testing.T) {
	const tells = "the configuration asks for it too, and uWSGI saw this value after its first reload alone; what a start makes of the file was taken: compare it with what runs"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"a condition":         {"env = MODE=s3cret\nif-env = MODE\nthreads = 4\nendif =\n", []string{"blog.ini:4: env = MODE: " + tells, "!threads", "!s3cret: "}},
		"a placeholder":       {"env = PORT_NO=8009\nenv = URL=http://localhost:$(PORT_NO)/\n", []string{"blog.ini:4: env = PORT_NO: " + tells, "URL     = \"http://localhost:$(PORT_NO)/\""}},
		"asked before":        {"if-not-env = MODE\nthreads = 4\nendif =\nenv = MODE=1\n", []string{"blog.ini:7: env = MODE: " + tells, "threads         = 4"}},
		"taken out again":     {"env = MODE=1\nif-env = MODE\nthreads = 4\nendif =\nunenv = MODE\n", []string{"the configuration asks the environment", "!" + tells}},
		"of the shell":        {"if-env = GIVEN\nthreads = 4\nendif =\nenv = MODE=1\n", []string{"the configuration asks the environment", "threads         = 4", "!" + tells}},
		"nothing is asked":    {"env = MODE=1\nthreads = 4\n", []string{"!the configuration asks", "threads         = 4"}},
		"a condition of text": {"env = MODE=1\nif-opt = env=MODE=1\nthreads = 4\nendif =\n", []string{"!the configuration asks", "threads         = 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := peertest.WriteFiles(t, map[string]string{"blog.ini": "[uwsgi]\nhttp-socket = 127.0.0.1:8001\nmodule = a:b\n" + c.text})
			imp := importOne(t, facts.Options{LookupEnv: func(name string) (string, bool) { return "1", name == "GIVEN" }}, filepath.Join(dir, "blog.ini"))
			holds(t, strings.ReplaceAll(string(imp.Text), dir, "DIR"), c.want...)
		})
	}
}
