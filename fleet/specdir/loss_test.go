package specdir

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

func TestLosses(t *testing.T) {
	set := func(specs string, empty ...string) *hclspec.Set {
		s := &hclspec.Set{Dir: "/d", Specs: map[string]*appspec.Spec{}, Empty: empty}
		for n := range strings.FieldsSeq(specs) {
			s.Specs[n] = &appspec.Spec{Name: n}
		}
		return s
	}
	homes := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for _, p := range pairs {
			app, file, _ := strings.Cut(p, "@")
			out[app] = "/d/" + file
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		set   *hclspec.Set
		homes map[string]string
		moved bool
		want  []string // file: apps
	}{
		{"a file is deleted", set("b"), homes("a@a.hcl", "b@b.hcl"), false, nil},
		{"the only file is deleted", set(""), homes("a@a.hcl", "b@a.hcl"), false, nil},
		{"an app of a file is deleted", set("b"), homes("a@a.hcl", "b@a.hcl"), false, nil},
		{"an app moves to another file", set("a", "/d/a.hcl"), homes("a@b.hcl"), false, nil},
		{"a file is emptied", set("b", "/d/a.hcl"), homes("a@a.hcl", "c@a.hcl", "b@b.hcl"), false, []string{"/d/a.hcl: a c"}},
		{"the only file is emptied", set("", "/d/a.hcl"), homes("a@a.hcl"), false, []string{"/d/a.hcl: a"}},
		{"a file without apps is new", set("", "/d/new.hcl"), nil, false, nil},
		{"all files go at once", set(""), homes("a@a.hcl", "b@b.hcl"), false, []string{"/d: a b"}},
		{"one is emptied, the other goes", set("", "/d/a.hcl"), homes("a@a.hcl", "b@b.hcl"), false, []string{"/d/a.hcl: a", "/d: b"}},
		{"another directory, empty", set(""), homes("a@a.hcl"), true, []string{"/d: a"}},
		{"another directory, with an app", set("b"), homes("a@a.hcl", "b@b.hcl"), true, nil},
		{"the first file is back", set("b"), homes("late@a.hcl", "b@b.hcl"), false, []string{"/d: late"}},
		{"the last lost file", set(""), homes("late@a.hcl"), false, []string{"/d: late"}},
		{"another directory by name", set(""), map[string]string{"a": "/e/a.hcl", "b": "/e/b.hcl"}, false, nil},
	} {
		var got []string
		for _, f := range losses(tc.set, tc.homes, tc.moved, []string{"late"}) {
			if !f.Lost || !strings.HasPrefix(f.Summary, f.File+": ") || !strings.Contains(f.Summary, "wsgid-fleet apply") {
				t.Errorf("%s: %+v", tc.name, f)
			}
			got = append(got, f.File+": "+strings.Join(f.Apps, " "))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
