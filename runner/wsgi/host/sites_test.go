package host_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What site-packages run is run in the zygote only where root alone can change it, and
// where it is the same for all: else each worker runs it.
func TestSitesOfTheZygote(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	t.Parallel()
	host, err := filepath.Abs("py")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		pth    string
		change func(site string) error
		env    string
		want   string // what a worker with env tells; empty: it has what site-packages bring
	}{
		"plain":        {},
		"asked":        {pth: "import os; os.getenv('FLAVOUR')"},
		"differs":      {pth: "import os; os.getenv('FLAVOUR')", env: "FLAVOUR", want: "site-packages depend on FLAVOUR"},
		"home":         {pth: "import os; os.path.expanduser('~/x')", env: "HOME", want: "site-packages depend on HOME"},
		"all of it":    {pth: "import os; dict(os.environ)", want: "each worker: it depends on the whole environment"},
		"changes it":   {pth: "import os; os.environ['FLAVOUR'] = 'x'", want: "each worker: it depends on the whole environment"},
		"prints":       {pth: "import sys; print('hello')", want: "each worker: it prints"},
		"fails":        {pth: "import nothing_of_that_name", want: "each worker: it prints"},
		"thread":       {pth: "import _thread, time; _thread.start_new_thread(time.sleep, (60,))", want: "each worker: it starts threads, opens files or handles signals"},
		"file":         {pth: "import os; os.open('/dev/null', 0)", want: "each worker: it starts threads, opens files or handles signals"},
		"signal":       {pth: "import _signal; _signal.signal(10, lambda *a: None)", want: "each worker: it starts threads, opens files or handles signals"},
		"ends":         {pth: "import os; os._exit(3)", want: "each worker: it was ended"},
		"exits":        {pth: "import sys; sys.exit(3)", want: "each worker: it was ended"},
		"user's":       {change: write("usercustomize.py"), want: "each worker: there is a usercustomize"},
		"writable":     {change: func(site string) error { return os.Chmod(site, 0o777) }, want: "each worker: others can change SITE"}, //nolint:gosec // that is the point
		"of a group":   {change: func(site string) error { return os.Chmod(filepath.Join(site, "brought.py"), 0o664) }, want: "each worker: others can change SITE/brought.py"},
		"another's":    {change: func(site string) error { return os.Chown(filepath.Join(site, "a.pth"), 12345, 0) }, want: "each worker: others can change SITE/a.pth"},
		"hidden":       {change: func(site string) error { return os.Chmod(filepath.Join(site, "brought.py"), 0o600) }, want: "each worker: others cannot read SITE/brought.py"},
		"out of sight": {change: func(site string) error { return os.Chmod(filepath.Dir(site), 0o700) }, want: "each worker:"}, //nolint:gosec // root sees it
		"other's link": {pth: "import brought, os, sys; sys.path.append(os.path.dirname(brought.__file__) + 'x'); import linked", change: func(site string) error {
			if err := write("target.py")(site); err != nil {
				return err
			}
			return errors.Join(os.Mkdir(site+"x", 0o755), os.Symlink(site+"/target.py", site+"x/linked.py"), os.Chown(site+"x", 12345, 0)) //nolint:gosec // others read it
		}, want: "each worker: others can change SITEx"},
		"broken link": {change: func(site string) error { return os.Symlink(site+"x", filepath.Join(site, "b.pth")) }, want: "each worker: [Errno 2] No such file or directory: 'SITEx'"},
		"of its home": {env: "HOME=SITE/..", change: write("../.local/lib/VERSION/site-packages/x.py"), want: "the user has site-packages"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := filepath.Join(t.TempDir(), "site")
			for _, dir := range []string{filepath.Dir(site), filepath.Dir(filepath.Dir(site))} {
				if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // others read it
					t.Fatal(err)
				}
			}
			for _, f := range []string{"brought.py", "a.pth"} {
				if err := write(f)(site); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(site, "a.pth"), []byte("import brought\n"+c.pth+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(site, "a.pth"), 0o644); err != nil { //nolint:gosec // others read it
				t.Fatal(err)
			}
			if c.change != nil {
				if err := c.change(site); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command(python, "-S", "-c", fmt.Sprintf(`
import os, sys
sys.path.insert(0, %q)
import site
site.getsitepackages = lambda prefixes=None: [%q]
from wsgid import sites
told = sites._try(os.getuid() == 0)
sites.prepare(os.getuid() == 0)
if not sites.done:
    print("each worker: " + told[0])
    sys.exit()
assert sys.path[0] == %[1]q and sys.path[-1] == %[2]q and "brought" in sys.modules and quit
word = %[3]q.replace("VERSION", "python%%d.%%d" %% sys.version_info[:2])
if word:
    os.environ[word.partition("=")[0]] = word.partition("=")[2] or "x"
try:
    sites.begin()
    assert site.ENABLE_USER_SITE and site.USER_SITE.startswith(os.path.expanduser("~"))
except sites.Unfit as exc:
    print(exc)
`, host, site, strings.ReplaceAll(c.env, "SITE", site))).CombinedOutput()
			got := strings.ReplaceAll(strings.TrimSpace(string(out)), site, "SITE")
			if err != nil || got != c.want {
				t.Errorf("%v, got %q, want %q", err, got, c.want)
			}
		})
	}
}

// write makes a file of a folder of site-packages.
func write(name string) func(site string) error {
	return func(site string) error {
		version, err := exec.Command(python, "-c", "import sys; print('python%d.%d' % sys.version_info[:2], end='')").Output()
		if err != nil {
			return err
		}
		path := filepath.Join(site, strings.ReplaceAll(name, "VERSION", string(version)))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // others read it
			return err
		}
		return os.WriteFile(path, nil, 0o644) //nolint:gosec // others read it
	}
}
