package console

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// A program that was built without what make gets from npm has whole pages, which a browser
// loads anew, and says why they do not follow.
func TestBuiltWithoutModules(t *testing.T) {
	t.Parallel()
	if follows(fstest.MapFS{"web/static/live.js": &fstest.MapFile{}}) {
		t.Error("without the module it follows")
	}
	if !follows(fstest.MapFS{"web/static/npm/morphdom.js": &fstest.MapFile{}}) {
		t.Error("with the module it does not follow")
	}
	const refresh, why = `<meta http-equiv="refresh" content="10">`, "built without what follows in a browser"
	for _, path := range []string{"/", "/app/blog"} {
		h := newHarness(t)
		h.con.follows = false
		a := h.send("GET", path, nil, "Cookie", h.login(false))
		if a.code != 200 || strings.Contains(a.body, "<script") || strings.Contains(a.body, "<noscript>") || !strings.Contains(a.body, refresh) || !strings.Contains(a.body, why) || !strings.Contains(a.body, "blog") {
			t.Errorf("%s without modules: %d %s", path, a.code, a.body)
		}
		h = newHarness(t)
		h.con.follows = true
		a = h.send("GET", path, nil, "Cookie", h.login(false))
		if a.code != 200 || !strings.Contains(a.body, `src="/static/live.js"`) || !strings.Contains(a.body, "<noscript>"+refresh) || strings.Contains(a.body, why) {
			t.Errorf("%s with modules: %d %s", path, a.code, a.body)
		}
	}
}

// What comes from npm is one version each, and its sum is in the lock file, which npm ci holds
// it to.
func TestModulesArePinned(t *testing.T) {
	t.Parallel()
	var named struct{ Dependencies map[string]string }
	var lock struct {
		Packages map[string]struct{ Version, Integrity, License string }
	}
	for name, v := range map[string]any{"package.json": &named, "package-lock.json": &lock} {
		text, err := os.ReadFile(filepath.Join("npm", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, v); err != nil {
			t.Fatal(name, err)
		}
	}
	if len(named.Dependencies) == 0 || len(lock.Packages) != len(named.Dependencies)+1 {
		t.Errorf("%d are named, %d are locked", len(named.Dependencies), len(lock.Packages)-1)
	}
	exact := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	for name, version := range named.Dependencies {
		p := lock.Packages["node_modules/"+name]
		if !exact.MatchString(version) || p.Version != version || !strings.HasPrefix(p.Integrity, "sha512-") || p.License != "MIT" {
			t.Errorf("%s %s is locked as %+v", name, version, p)
		}
	}
}
