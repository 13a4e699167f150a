package host_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// An interpreter that cannot run workers says so itself, so that the operator
// reads it wherever a failure to start is shown.
func TestUnfitPython(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	const next = ", and workers need CPython 3.8 or newer"
	disguise := func(as string) string {
		path := filepath.Join(t.TempDir(), "python")
		script := fmt.Sprintf(`#!%s -EsS
import runpy, sys
%s
sys.executable = %q
sys.argv = [a for a in sys.argv[1:] if a != "-u"]
runpy.run_path(sys.argv[0], run_name="__main__")
`, python, as, path)
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
		return path
	}
	// As real ones are rare on a machine: what our script asks them, they answer.
	unfit := map[string]string{
		disguise("sys.version_info = (3, 7, 17, 'final', 0)"):                                                      "Python 3.7",
		disguise("sys.version_info = (2, 7, 18, 'final', 0)"):                                                      "Python 2.7",
		disguise("sys.implementation.name = 'pypy'; sys.version_info = (3, 10, 14, 'final', 0)"):                   "pypy 3.10",
		disguise("sys.implementation.name = 'graalpy'; sys.version_info = (3, 6, 0); import sys as s; s.x = None"): "graalpy 3.6",
	}
	for path, version := range oldPythons(t) {
		unfit[path] = "Python " + version
	}
	dir := webApp(t, hello)
	for program, what := range unfit {
		got := startFailing(t, dir, options{python: program, config: wsgi.Config{WSGIApp: "web:application"}})
		want := wsgi.Failure{Reason: "cannot use " + program + ": it is " + what + next, Hint: "name a newer one with python or virtualenv"}
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
		}
	}
}

// oldPythons finds interpreters on PATH and in WSGID_TEST_PYTHONS that are too
// old: their versions by path. There may be none.
func oldPythons(t *testing.T) map[string]string {
	t.Helper()
	candidates := filepath.SplitList(os.Getenv("WSGID_TEST_PYTHONS"))
	name := regexp.MustCompile(`^python[23]?(\.\d+)?$`)
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if name.MatchString(e.Name()) {
				candidates = append(candidates, filepath.Join(dir, e.Name()))
			}
		}
	}
	found := map[string]string{}
	for _, c := range candidates {
		out, err := exec.Command(c, "-c",
			"import sys; sys.stdout.write('%d.%d %s' % (sys.version_info[0], sys.version_info[1], sys.executable)) if sys.version_info < (3, 8) else None").Output()
		if fields := strings.Fields(string(out)); err == nil && len(fields) == 2 {
			found[fields[1]] = fields[0]
		}
	}
	return found
}
