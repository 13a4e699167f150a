package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
)

// An app whose path was changed goes on where its release is, unless that was moved along or the
// folder is another app's; and it is said what brings it to the other one.
func TestAnAppStaysWhereItsReleaseIs(t *testing.T) {
	for name, tt := range map[string]struct {
		lies  string // below the top, where the release is found
		other string // the folder of another app
		stays bool
	}{
		"path was edited":                    {lies: "was", stays: true},
		"the folder was moved":               {lies: "is"},
		"it was copied":                      {lies: "was is"},
		"it is nowhere":                      {},
		"another app has the folder":         {lies: "was", other: "was"},
		"another app has a folder elsewhere": {lies: "was", other: "other", stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			at := func(folder string) string { return filepath.Join(top, folder) }
			s, err := state.Open(afero.NewOsFs(), at("state"), at("data"))
			if err != nil {
				t.Fatal(err)
			}
			for folder := range strings.FieldsSeq(tt.lies) {
				if err := os.MkdirAll(filepath.Join(at(folder), "releases/1"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Book("blog").SetCurrent(&deploy.Record{Release: appspec.Release{ID: "1"}, Folder: at("was"), Repository: "r"}, nil); err != nil {
				t.Fatal(err)
			}
			spec := &appspec.Spec{Name: "blog", Path: at("is"), File: "/etc/wsgid.d/blog.hcl", Deploy: &appspec.Deploy{Repository: "r", Shared: []string{"media"}}}
			set := &hclspec.Set{Specs: map[string]*appspec.Spec{"blog": spec}}
			if tt.other != "" {
				set.Specs["shop"] = &appspec.Spec{Name: "shop", Path: at(tt.other)}
			}
			rem := s.Load("blog")
			w := WantOf(&rem, set, nil, "blog")
			if (w.Asked != nil) != tt.stays || w.Spec.Release == nil || w.Said().Path != at("is") {
				t.Fatalf("it is wanted in %s, and %v is asked for", w.Spec.Path, w.Asked)
			}
			want := ""
			if tt.stays {
				want = "its release is in " + at("was") + " and not in " + at("is") + ", as path says now; it continues where it is; bring it there with: " +
					"wsgid-fleet deploy blog, after what it keeps in " + at("was") + "/shared is copied to " + at("is") + "/shared; or set path = \"" + at("was") + "\" in /etc/wsgid.d/blog.hcl"
			}
			if got := w.Stays(); got != want {
				t.Errorf("it says %q\nnot %q", got, want)
			}
			if tt.stays && w.Spec.Path != at("was") {
				t.Errorf("it is wanted in %s", w.Spec.Path)
			}
		})
	}
}
