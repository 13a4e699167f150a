package host_test

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// A module of the app that has the name of one of Python's own is to be renamed, whichever of
// the two an import brought.
func TestNamesakesOfPythonsModules(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		app    string
		reason string // a part of it
		hint   string
	}{
		"Python's is there first": {map[string]string{"app/site.py": "def app(e, s): pass\n"}, "site:app",
			"wsgi_app site:app: module site has no attribute app", "rename app/site.py: site is a module of Python's own too, and that one is loaded first"},
		"a package of the name": {map[string]string{"app/site/__init__.py": "", "app/site/wsgi.py": "def app(e, s): pass\n"}, "site.wsgi:app",
			"No module named 'site.wsgi'; 'site' is not a package", "rename app/site/: site is a module of Python's own too, and that one is loaded first"},
		"the app's is there first": {map[string]string{"app/random.py": "seed = 1\n", "app/web.py": "import random\ndef app(e, s): pass\nrandom.randint(1, 2)\n"}, "web:app",
			"module 'random' has no attribute 'randint'", "rename app/random.py: random is a module of Python's own too, and what imports that one gets the app's"},
		"a name of it": {map[string]string{"app/statistics.py": "", "app/web.py": "try:\n    from statistics import mean\nexcept ImportError as e:\n    raise RuntimeError('no mean') from e\n"}, "web:app",
			"no mean", "rename app/statistics.py: statistics is a module of Python's own too, and what imports that one gets the app's"},
		"of another one that needs it": {map[string]string{"app/calendar.py": "", "app/web.py": "from http.cookiejar import CookieJar\n"}, "web:app",
			"calendar", "rename app/calendar.py: calendar is a module of Python's own too, and what imports that one gets the app's"},
		"not a namesake":        {map[string]string{"app/web.py": "import random\nrandom.no_such\n"}, "web:app", "module 'random' has no attribute 'no_such'", ""},
		"no module of Python's": {map[string]string{"app/shop.py": "", "app/web.py": "import shop\nshop.no_such\n"}, "web:app", "module 'shop' has no attribute 'no_such'", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := appFolder(t, c.files)
			got := startFailing(t, dir, options{config: wsgi.Config{WSGIApp: c.app}})
			if !strings.Contains(got.Reason, c.reason) || got.Hint != c.hint {
				t.Errorf("%q, %q; want %q, %q", got.Reason, got.Hint, c.reason, c.hint)
			}
		})
	}
}
