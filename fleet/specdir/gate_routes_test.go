package specdir

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestRoutesToFormers: which names lead to an app that is gone as the one that has them now does
// not serve yet.
func TestRoutesToFormers(t *testing.T) {
	app := func(name string, isDefault bool, hosts ...string) *appspec.Spec {
		s := &appspec.Spec{Name: name, Enabled: true, Hosts: hosts}
		s.Sockets.HTTP = []appspec.HTTPSocket{{Adopts: true, Default: isDefault}}
		return s
	}
	apps := map[string]*appspec.Spec{
		"new":   app("new", false, "a.test", "*.a.test", "more.test"),
		"other": app("other", false, "b.test"),
	}
	was := app("was", true, "a.test", "*.a.test", "b.test", "nobodys.test")
	for _, try := range []struct {
		formers    []former
		defaultApp string
		want       string
	}{
		{nil, "new", "new: a.test *.a.test more.test; other: b.test"},
		{[]former{{was, []string{"new"}, true}}, "", "new: more.test; other: b.test; was: a.test *.a.test"},
		{[]former{{was, []string{"new"}, true}}, "new", "new: more.test; other: b.test; was: a.test *.a.test and others"},
		{[]former{{was, []string{"other"}, true}}, "new", "new: a.test *.a.test more.test; other: ; was: b.test"},
		{[]former{{was, []string{"new", "other"}, true}}, "other", "new: more.test; other: ; was: a.test *.a.test b.test and others"},
		{[]former{{was, []string{"new"}, true}, {app("between", true, "a.test", "more.test"), []string{"new"}, false}}, "new",
			"between: more.test; new: ; other: b.test; was: a.test *.a.test and others"},
		{[]former{{app("was", false), []string{"new"}, true}}, "new", "new: a.test *.a.test more.test; other: b.test"},
	} {
		o := &doors{dir: &Directory{}, formers: try.formers, names: func() ownNames { return namesOf(apps, func(*appspec.Spec) bool { return false }) }}
		var got []string
		for _, r := range o.routesTo(apps, try.defaultApp) {
			text := fmt.Sprintf("%s: %s", r.App, strings.Join(r.Hosts, " "))
			if r.Others {
				text += " and others"
			}
			got = append(got, text)
		}
		if is := strings.Join(got, "; "); is != try.want {
			t.Errorf("%v, default %s: %s, want %s", try.formers, try.defaultApp, is, try.want)
		}
	}
}
