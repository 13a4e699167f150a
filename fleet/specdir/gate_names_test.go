package specdir

import (
	"slices"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestNamesOfOthers: which names an app is told that are not its own, though it would answer for
// them by its wildcards, or as the one for all other names.
func TestNamesOfOthers(t *testing.T) {
	app := func(name string, enabled bool, hosts ...string) *appspec.Spec {
		return &appspec.Spec{Name: name, Enabled: enabled, Hosts: hosts}
	}
	apps := map[string]*appspec.Spec{
		"blog": app("blog", true, "blog.test", "*.blog.test", "own.blog.test"),
		"shop": app("shop", true, "shop.test", "shop.blog.test", "deep.shop.blog.test", "both.test"),
		"wiki": app("wiki", true, "*.wiki.test", "*.shop.blog.test"),
		"off":  app("off", false, "off.blog.test", "both.test"),
		"away": app("away", true, "wiki2.test", "both.test", "last.test"),
		"new":  app("new", true, "wiki2.test"),
		"gate": {Name: appspec.GateName, Enabled: true, Gate: &appspec.Gate{}},
	}
	names := namesOf(apps, func(s *appspec.Spec) bool { return s.Name == "away" })
	if names.app["both.test"] != "shop" {
		t.Errorf("both.test is of %q: an app that is disabled keeps names that no other has", names.app["both.test"])
	}
	if names.app["wiki2.test"] != "new" || names.app["last.test"] != "away" {
		t.Errorf("an app whose removal waits has %q, and %q has what it left", names.app["last.test"], names.app["wiki2.test"])
	}
	for _, try := range []struct {
		app       string
		isDefault bool
		want      []string
	}{
		{"blog", false, []string{"off.blog.test", "shop.blog.test"}},
		{"shop", false, nil},
		{"wiki", false, []string{"deep.shop.blog.test"}},
		{"shop", true, []string{"*.blog.test", "*.shop.blog.test", "*.wiki.test", "blog.test", "last.test", "off.blog.test", "own.blog.test", "wiki2.test"}},
	} {
		if got := names.foreign(apps[try.app], try.isDefault); !slices.Equal(got, try.want) {
			t.Errorf("%s, default %v: %q, want %q", try.app, try.isDefault, got, try.want)
		}
	}
}
