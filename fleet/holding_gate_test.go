package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/reconcile/reconciletest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
)

// What a gate and the daemon's certificates go by is what apps run by: names that an
// edit has which waits lead nowhere yet, and those that it takes away still lead to their
// app. An apply of the app alone brings its names to the gate.
func TestNamesWaitForApply(t *testing.T) {
	f, m := newFleetDir(t), reconciletest.NewMachine()
	ctx := context.Background()
	o := f.fakeOptions(m)
	o.Hold = true
	l, err := OpenLocal(o)
	if err != nil {
		t.Fatal(err)
	}
	gate := func(more string) {
		f.Write("gate", fmt.Sprintf("gate {\n  http {\n    listen = \"127.0.0.1:1080\"\n  }\n  http {\n    listen = \"127.0.0.1:1443\"\n    tls {\n      acme {\n        email = \"ops@example.org\"\n        directory = \"https://ca.test/dir\"\n      }\n    }\n  }\n%s}\n", more))
	}
	all := func() { t.Helper(); passAll(t, l) }
	apply := func(apps ...string) {
		t.Helper()
		rs, err := l.Apply(ctx, apps, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if !r.OK {
				t.Errorf("apply %v: %+v", apps, r)
			}
		}
	}
	runs := func(app string) *appspec.Spec {
		t.Helper()
		spec := l.core.Store.Load(app).LastGood
		if st, err := m.Only(t, app).Status(ctx, 0); err != nil || spec == nil || st.SpecDigest != runner.Digest(spec) {
			t.Fatalf("app %s does not run by what is remembered of it: %v", app, err)
		}
		return spec
	}
	want := func(when, names, wanted string) {
		t.Helper()
		var got []string
		for _, r := range runs(appspec.GateName).Gate.Routes {
			got = append(got, r.App+"="+strings.Join(r.Hosts, ","))
		}
		if text := strings.Join(got, " "); text != names {
			t.Errorf("%s: the gate goes by %q, want %q", when, text, names)
		}
		set, _ := l.core.Dir.Snapshot()
		got = nil
		for _, s := range l.core.Dir.Sites(set) {
			got = append(got, s.Host)
		}
		if text := strings.Join(got, " "); text != wanted {
			t.Errorf("%s: certificates are wanted for %q, want %q", when, text, wanted)
		}
	}
	waiting := func(when string, apps ...string) {
		t.Helper()
		st, err := l.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range st.Apps {
			if a.Waiting != "" {
				got = append(got, a.Name)
			}
		}
		if st.Gate != nil && st.Gate.Waiting != "" {
			got = append(got, "gate")
		}
		if !slices.Equal(got, apps) {
			t.Errorf("%s: %v wait, want %v", when, got, apps)
		}
	}

	f.Spec("blog", reconciletest.Count(1), `hosts = ["blog.test", "old.test"]`)
	f.Spec("shop", reconciletest.Count(1), `hosts = ["shop.test"]`)
	gate("")
	apply()
	want("at first", "blog=blog.test,old.test shop=shop.test", "blog.test old.test shop.test")
	waiting("at first")

	// Names are added, moved and taken away, an app comes, one goes.
	f.Spec("blog", reconciletest.Count(1), `hosts = ["blog.test", "new.test"]`)
	f.Spec("wiki", reconciletest.Count(1), `hosts = ["old.test"]`)
	f.Remove("shop")
	for range 2 {
		all()
		want("while the edits wait", "blog=blog.test,old.test shop=shop.test", "blog.test old.test shop.test")
		waiting("while the edits wait", "blog", "shop", "wiki")
	}
	before := m.Only(t, appspec.GateName)
	apply("blog")
	want("after an apply of blog", "blog=blog.test,new.test shop=shop.test", "blog.test new.test shop.test")
	waiting("after an apply of blog", "shop", "wiki")
	if m.Only(t, appspec.GateName) != before {
		t.Error("the gate was replaced for a name")
	}
	apply("wiki")
	want("after an apply of wiki", "blog=blog.test,new.test shop=shop.test wiki=old.test", "blog.test new.test shop.test old.test")

	// What waits at the gate changes no app, and what was applied of it changes all.
	pairs := func(app string) (out []string) {
		s := runs(app)
		for _, p := range s.Sockets.HTTP[len(s.Sockets.HTTP)-1].Pairs {
			out = append(out, p.Cert)
		}
		return out
	}
	was := pairs("blog")
	f.Write("gate", "gate {\n  default = \"blog\"\n  http {\n    listen = \"127.0.0.1:1080\"\n  }\n}\n")
	all()
	waiting("while the gate waits", "shop", "gate")
	want("while the gate waits", "blog=blog.test,new.test shop=shop.test wiki=old.test", "blog.test new.test shop.test old.test")
	if is := pairs("blog"); len(was) != 2 || !slices.Equal(is, was) {
		t.Errorf("while the gate waits blog has %v, and had %v", is, was)
	}
	apply()
	want("at the end", "blog=blog.test,new.test wiki=old.test", "")
	waiting("at the end")
	if is := pairs("blog"); len(is) != 0 || !runs("blog").Sockets.HTTP[len(runs("blog").Sockets.HTTP)-1].Default {
		t.Errorf("at the end: %+v", runs("blog").Sockets.HTTP)
	}
}
