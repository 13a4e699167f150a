package state

import (
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
)

// An app that was never deployed is the one that is gone, if that had its folder, or its address,
// and came from its repository; the logbook is its own from then on.
func TestReleaseOfARenamedApp(t *testing.T) {
	deployed := func(app, folder, repository string) *appspec.Spec {
		s := &appspec.Spec{Name: app, Path: folder, Deploy: &appspec.Deploy{Repository: repository}}
		s.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "127.0.0.1:1"}}
		return s
	}
	at := func(listen string, s *appspec.Spec) *appspec.Spec { s.Sockets.HTTP[0].Listen = listen; return s }
	part := func(of string, s *appspec.Spec) *appspec.Spec { s.Deploy.Directory = of; return s }
	was := deployed("blog", "/srv/blog", "file:///blog.git")
	for name, tt := range map[string]struct {
		spec   *appspec.Spec
		stays  bool // the app of before
		silent bool // its release does not say where it lies
		known  bool // its last good spec is known
		want   bool
	}{
		"renamed":                       {spec: deployed("site", "/srv/blog", "file:///blog.git"), want: true},
		"renamed, by an older version":  {spec: deployed("site", "/srv/blog", "file:///blog.git"), silent: true, known: true, want: true},
		"another app beside it":         {spec: deployed("site", "/srv/blog", "file:///blog.git"), stays: true},
		"renamed, and its folder":       {spec: deployed("site", "/srv/site", "file:///blog.git"), known: true, want: true},
		"another folder":                {spec: deployed("site", "/srv/site", "file:///blog.git")},
		"another folder and address":    {spec: at("127.0.0.1:2", deployed("site", "/srv/site", "file:///blog.git")), known: true},
		"another folder and directory":  {spec: part("b", deployed("site", "/srv/site", "file:///blog.git")), known: true},
		"another folder, older version": {spec: deployed("site", "/srv/site", "file:///blog.git"), silent: true, known: true},
		"another repository":            {spec: deployed("site", "/srv/blog", "file:///site.git"), known: true},
		"another folder and repository": {spec: deployed("site", "/srv/site", "file:///site.git"), known: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			rec := &deploy.Record{Release: appspec.Release{ID: "20260102-030405"}, Folder: was.Path, Repository: was.Deploy.Repository}
			if tt.silent {
				rec.Folder, rec.Repository = "", ""
			}
			if tt.known {
				must(s.SaveSpec(was))
			}
			must(s.Book("blog").SetCurrent(rec, nil))
			must(s.Book("blog").Save(&deploy.Entry{ID: rec.ID, App: "blog", Kind: deploy.KindDeploy, Result: deploy.ResultOK, Release: rec.ID}))
			gone := func(app string, _ *AppState) bool { return app == "blog" && !tt.stays }
			rem := s.Load("site")
			got := rem.ReleaseOf(tt.spec, gone)
			if (got != nil) != tt.want || (rem.Former == "blog") != tt.want {
				t.Fatalf("release %v, former name %q", got, rem.Former)
			}
			if formers := s.Formers(map[string]*appspec.Spec{"site": tt.spec}, gone); (formers["site"] == "blog") != tt.want {
				t.Errorf("of all at once it is %v", formers)
			}
			if !tt.want {
				return
			}
			unlock, err := s.Book("blog").Lock("a deploy")
			must(err)
			if err := s.Inherit("site", "blog"); err == nil {
				t.Error("it takes the logbook away from a deploy that is under way")
			}
			unlock()
			must(s.Inherit("site", "blog"))
			must(s.Inherit("site", "blog")) // as after a kill
			if es, err := s.Book("site").List(); err != nil || len(es) != 1 || es[0].App != "site" {
				t.Errorf("its logbook has %v, %v", es, err)
			}
			rem = s.Load("site")
			if got := rem.ReleaseOf(tt.spec, gone); got == nil || got.ID != rec.ID || rem.Former != "" {
				t.Errorf("release %v, former name %q", got, rem.Former)
			}
			if left, _ := filepath.Glob(filepath.Join(s.Data, "deploys/blog*")); len(left) != 0 {
				t.Errorf("%v are left", left)
			}
		})
	}
}

// So is it of one whose deploys have all failed: its logbook goes along, with the releases that it knows.
func TestLogbookOfARenamedAppThatWasNeverDeployed(t *testing.T) {
	s := testStore(t)
	was := &appspec.Spec{Name: "blog", Path: "/srv/blog", Deploy: &appspec.Deploy{Repository: "file:///blog.git"}}
	was.Sockets.HTTP = []appspec.HTTPSocket{{Listen: "127.0.0.1:1"}}
	if err := s.SaveSpec(was); err != nil {
		t.Fatal(err)
	}
	if err := s.Book("blog").Save(&deploy.Entry{ID: "20260102-030405", App: "blog", Kind: deploy.KindDeploy, Result: deploy.ResultFailed, Release: "20260102-030405"}); err != nil {
		t.Fatal(err)
	}
	is := *was
	is.Name = "site"
	rem := s.Load("site")
	if got := rem.ReleaseOf(&is, func(string, *AppState) bool { return true }); got != nil || rem.Former != "blog" {
		t.Fatalf("release %v, former name %q", got, rem.Former)
	}
	if err := s.Inherit("site", "blog"); err != nil {
		t.Fatal(err)
	}
	if es, err := s.Book("site").List(); err != nil || len(es) != 1 || es[0].App != "site" {
		t.Errorf("its logbook has %v, %v", es, err)
	}
}
