package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// openedFs keeps what was opened.
type openedFs struct {
	afero.Fs
	names []string
}

func (f *openedFs) Open(name string) (afero.File, error) {
	f.names = append(f.names, name)
	return f.Fs.Open(name)
}

func (f *openedFs) releases() int { return strings.Count(strings.Join(f.names, "\n"), "release.json") }

// The release that should serve is read for an app with a deploy block alone: each
// pass over the others would pay for it.
func TestReleaseIsReadWhereCodeIsDeployed(t *testing.T) {
	s := openTestStore(t)
	seen := &openedFs{Fs: s.FS}
	s.FS = seen
	deployed := func(s *appspec.Spec) { s.Deploy = &appspec.Deploy{Repository: "file:///r"} }
	record := &deploy.Record{Release: appspec.Release{ID: "1", Dir: "releases/1"}, Virtualenv: "venvs/x", Deploy: "1"}
	if err := s.Book("blog").SetCurrent(record, nil); err != nil {
		t.Fatal(err)
	}
	set := func(change ...func(*appspec.Spec)) *hclspec.Set {
		return &hclspec.Set{Dir: "/d", Specs: map[string]*appspec.Spec{"blog": testSpec(change...)}}
	}
	rem := s.Load("blog")
	if w := plan.WantOf(&rem, set(), nil, "blog"); w.Spec.Release != nil || seen.releases() != 0 {
		t.Errorf("without a deploy block: release %v, read %d times", w.Spec.Release, seen.releases())
	}
	rem = s.Load("blog")
	for range 2 {
		if w := plan.WantOf(&rem, set(deployed), nil, "blog"); w.Spec.Release.CodeDir() != "releases/1" || w.Spec.Virtualenv != "venvs/x" {
			t.Errorf("with a deploy block: release %v, virtualenv %q", w.Spec.Release, w.Spec.Virtualenv)
		}
	}
	if n := seen.releases(); n != 1 {
		t.Errorf("read %d times", n)
	}
	// A spec that is broken now is held by its last good one, which had a release.
	if err := s.SaveSpec(testSpec(deployed)); err != nil {
		t.Fatal(err)
	}
	rem = s.Load("blog")
	if w := plan.WantOf(&rem, nil, errors.New("no directory"), "blog"); w.Held == "" || w.Spec.Release.CodeDir() != "releases/1" {
		t.Errorf("held: %+v", w)
	}
	if err := os.WriteFile(s.Data+"/deploys/blog/release.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	rem = s.Load("blog")
	if plan.WantOf(&rem, set(deployed), nil, "blog"); len(rem.Corrupt) != 1 || !strings.Contains(rem.Corrupt[0], "using the release that was served last") {
		t.Errorf("of a file that cannot be read: %q", rem.Corrupt)
	}
}

func openTestStore(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(afero.NewOsFs(), filepath.Join(shortdir.New(t), "state"), filepath.Join(shortdir.New(t), "data"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
