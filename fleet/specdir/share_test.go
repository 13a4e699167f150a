package specdir

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/bounded"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/state"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// many is a directory with more apps than are read one by one.
type many struct {
	*testing.T
	*Directory
	root  string
	wrote time.Time    // when a file was changed last
	set   *hclspec.Set // what was read last
}

const manyApps = 40

func newMany(t *testing.T) *many {
	t.Helper()
	m := &many{T: t, root: t.TempDir()}
	for _, dir := range []string{"specs", "apps", "state"} {
		m.must(os.Mkdir(filepath.Join(m.root, dir), 0o700))
	}
	store, err := state.Open(afero.NewOsFs(), filepath.Join(m.root, "state", "s"), filepath.Join(m.root, "state", "d"))
	m.must(err)
	m.Directory = New(filepath.Join(m.root, "specs"), store, &bounded.Fs{Fs: afero.NewOsFs(), Limit: 10 * time.Second}, slog.New(slog.DiscardHandler))
	for i := range manyApps {
		m.app(i, "")
		m.must(os.Mkdir(m.folder(i), 0o755))
	}
	return m
}

func (m *many) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *many) folder(i int) string { return filepath.Join(m.root, "apps", fmt.Sprintf("a%d", i)) }

// put writes a file as editors do, another one at its place.
func (m *many) put(path, text string) {
	m.Helper()
	m.must(os.WriteFile(path+".tmp", []byte(text), 0o600))
	m.must(os.Rename(path+".tmp", path))
	m.wrote = time.Now()
}

func (m *many) app(i int, body string) {
	m.Helper()
	m.put(filepath.Join(m.Path, fmt.Sprintf("a%d.hcl", i)), fmt.Sprintf("app \"a%d\" {\n  path = %q\n  wsgi_app = \"m:app\"\n  sockets {\n    http { listen = \"unix:%s.sock\" }\n  }\n%s}\n",
		i, m.folder(i), m.folder(i), body))
}

// reads loads the directory once its files have not changed just now, and wants other specs
// than before of these apps alone, and faults of those.
func (m *many) reads(what string, other, faults []string) {
	m.Helper()
	await.True(m.T, "the files to be so old that their times are believed", func() bool { return time.Since(m.wrote) > 60*time.Millisecond })
	set, err := m.Load()
	m.must(err)
	was := m.set
	var changed []string
	for name, s := range set.Specs {
		if was != nil && was.Specs[name] != s {
			changed = append(changed, name)
		}
	}
	var at []string
	for _, f := range set.Faults {
		at = append(at, f.App)
	}
	slices.Sort(changed)
	slices.Sort(at)
	if was != nil && !slices.Equal(changed, other) {
		m.Errorf("%s: other specs are those of %q, not of %q", what, changed, other)
	}
	if !slices.Equal(at, faults) {
		m.Errorf("%s: faults of %q, not of %q: %v", what, at, faults, set.Faults)
	}
	m.set = set
}

// A load has the specs of files that stay as they were once more, and of those that say
// something else, by whatever they do so, others.
func TestALoadHasAnotherSpecOfWhatChangedAlone(t *testing.T) {
	m := newMany(t)
	all := slices.Sorted(maps.Keys(func() map[string]bool {
		names := map[string]bool{}
		for i := range manyApps {
			names[fmt.Sprintf("a%d", i)] = true
		}
		return names
	}()))
	m.reads("the first time", nil, nil)
	m.reads("again", nil, nil)
	m.reads("and again", nil, nil)

	m.app(7, "  debug = true\n")
	m.reads("an edit", []string{"a7"}, nil)
	if !m.set.Specs["a7"].Debug {
		t.Error("the edit is not read")
	}

	t.Setenv("SHARE_TEST", "one")
	m.app(8, "  env = { A = env(\"SHARE_TEST\") }\n")
	m.reads("a value of the environment", []string{"a8"}, nil)
	t.Setenv("SHARE_TEST", "two")
	m.reads("another one", []string{"a8"}, nil)
	if got := m.set.Specs["a8"].Env["A"]; got != "two" {
		t.Errorf("it is %q", got)
	}

	key := filepath.Join(m.root, "key")
	m.put(key, "one")
	m.app(9, fmt.Sprintf("  env = { A = file(%q) }\n", key))
	m.reads("a file that is named", []string{"a9"}, nil)
	m.put(key, "two")
	m.reads("another one at its place", []string{"a9"}, nil)
	if got := m.set.Specs["a9"].Env["A"]; got != "two" {
		t.Errorf("it is %q", got)
	}

	// Links: of a spec file, then of an app folder, which no spec file tells of.
	link := filepath.Join(m.Path, "a10.hcl")
	text, err := os.ReadFile(link)
	m.must(err)
	available := filepath.Join(m.root, "available")
	m.put(available, string(text))
	m.put(available+"2", strings.Replace(string(text), "}\n}", "}\n  debug = true\n}", 1))
	m.must(os.Remove(link))
	m.must(os.Symlink(available, link))
	m.reads("a link to a file", []string{"a10"}, nil)
	m.must(os.Symlink(available+"2", link+".tmp"))
	m.must(os.Rename(link+".tmp", link))
	m.reads("the link leads elsewhere", []string{"a10"}, nil)
	if !m.set.Specs["a10"].Debug {
		t.Error("what it leads to now is not read")
	}
	m.must(os.Remove(m.folder(11)))
	m.must(os.Symlink(m.folder(12), m.folder(11)))
	m.reads("two folders are one by a link", nil, []string{"a11", "a12"})
	m.must(os.Remove(m.folder(11)))
	m.must(os.Mkdir(m.folder(11), 0o755))
	m.reads("and two again", []string{"a11", "a12"}, nil)

	// What the fleet adds to apps with names.
	m.put(filepath.Join(m.Path, "gate.hcl"), "gate {\n  http { listen = \"127.0.0.1:1\" }\n}\n")
	m.app(13, "  hosts = [\"a.example\"]\n")
	m.reads("an app with a name, and the gate", []string{"_gate", "a13"}, nil)
	m.reads("the same again", []string{"_gate"}, nil)
	m.put(filepath.Join(m.Path, "gate.hcl"), "gate {\n  default = \"a14\"\n  http { listen = \"127.0.0.1:1\" }\n}\n")
	m.reads("another app gets what has no name", []string{"_gate", "a14"}, nil)
	if n := len(m.set.Specs["a14"].Sockets.HTTP); n != 2 {
		t.Errorf("it has %d sockets", n)
	}
	m.must(os.Remove(filepath.Join(m.Path, "gate.hcl")))
	m.reads("no gate", []string{"a14"}, nil)
	if n := len(m.set.Specs["a14"].Sockets.HTTP); n != 1 {
		t.Errorf("it still has %d sockets", n)
	}

	m.put(filepath.Join(m.Path, "defaults.hcl"), "defaults {\n  debug = true\n}\n")
	m.reads("defaults", all, nil)
	m.put(filepath.Join(m.Path, "a15.hcl"), "app {")
	m.reads("a broken file", nil, []string{""})
	m.must(os.Remove(filepath.Join(m.Path, "a15.hcl")))
	m.reads("none", nil, nil)
	if m.set.Specs["a15"] != nil || len(m.set.Specs) != manyApps-1 {
		t.Errorf("%d apps are left", len(m.set.Specs))
	}
}
