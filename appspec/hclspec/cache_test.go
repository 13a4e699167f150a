package hclspec

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"pgregory.net/rapid"
)

// counted counts the files that are opened.
type counted struct {
	afero.Fs
	opened []string
}

func (c *counted) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	c.opened = append(c.opened, filepath.Base(name))
	return c.Fs.OpenFile(name, flag, perm)
}

// put writes a file that changed at a time of its own, long ago.
func put(t testing.TB, fsys afero.Fs, name, text string, clock *time.Time) {
	t.Helper()
	check(t, afero.WriteFile(fsys, name, []byte(text), 0o644))
	*clock = clock.Add(time.Second)
	check(t, fsys.Chtimes(name, *clock, *clock))
}

// TestCache: only what changed is read again, and what a file asked of the host
// counts as the file.
func TestCache(t *testing.T) {
	clock := time.Now().Add(-time.Hour)
	fsys := &counted{Fs: afero.NewMemMapFs()}
	env := map[string]string{"TZ": "UTC"}
	o := testOptions()
	o.Cache = new(Cache)
	o.LookupEnv = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	app := func(name, port, body string) string {
		return strings.Replace(minimal(name, port), "{\n", "{\n"+body, 1)
	}
	put(t, fsys, "/d/defaults.hcl", "defaults {\n  debug = true\n}\n", &clock)
	put(t, fsys, "/d/a.hcl", app("a", "1", "  env = { TZ = env(\"TZ\") }\n"), &clock)
	put(t, fsys, "/d/b.hcl", app("b", "2", "  env = { KEY = file(\"/key\") }\n"), &clock)
	put(t, fsys, "/d/c.hcl", "app \"c\" {\n", &clock)
	put(t, fsys, "/d/d.hcl", app("d", "3", "  virtualenv = \"/venv\"\n"), &clock)
	put(t, fsys, "/key", "one", &clock)

	step := func(name, opened, faults string) *Set {
		t.Helper()
		fsys.opened = nil
		set := load(t, o, fsys, "/d")
		if got := strings.Join(fsys.opened, " "); got != opened {
			t.Errorf("%s: read %q, not %q", name, got, opened)
		}
		var at []string
		for _, f := range set.Faults {
			at = append(at, filepath.Base(f.File))
		}
		if got := strings.Join(at, " "); got != faults {
			t.Errorf("%s: faults in %q, not in %q", name, got, faults)
		}
		return set
	}
	set := step("first", "defaults.hcl a.hcl b.hcl key c.hcl d.hcl", "c.hcl d.hcl")
	first := set.Specs["a"]
	set = step("second", "", "c.hcl d.hcl")
	if set.Specs["a"] != first {
		t.Error("a file that stays as it is has another spec")
	}
	env["TZ"] = "CET"
	if set = step("environment", "a.hcl", "c.hcl d.hcl"); set.Specs["a"].Env["TZ"] != "CET" {
		t.Errorf("env is %v", set.Specs["a"].Env)
	}
	if first.Env["TZ"] != "UTC" {
		t.Error("a set changes the one before")
	}
	put(t, fsys, "/key", "two", &clock)
	if set = step("file()", "b.hcl key", "c.hcl d.hcl"); set.Specs["b"].Env["KEY"] != "two" {
		t.Errorf("env is %v", set.Specs["b"].Env)
	}
	check(t, fsys.Remove("/key"))
	step("file() gone", "b.hcl", "b.hcl c.hcl d.hcl")
	put(t, fsys, "/key", "two", &clock)
	step("file() back", "b.hcl key", "c.hcl d.hcl")
	put(t, fsys, "/venv/bin/python3", "", &clock)
	step("virtualenv made", "", "c.hcl")
	put(t, fsys, "/d/c.hcl", app("a", "4", ""), &clock)
	step("mended, twice the name", "c.hcl", "a.hcl c.hcl")
	check(t, fsys.Remove("/d/c.hcl"))
	step("removed", "", "")
	put(t, fsys, "/d/defaults.hcl", "defaults {\n  debug = false\n}\n", &clock)
	if set = step("defaults", "defaults.hcl a.hcl b.hcl key d.hcl", ""); set.Specs["a"].Debug {
		t.Error("the old defaults hold")
	}
	o.CPUs++
	step("another host", "defaults.hcl a.hcl b.hcl key d.hcl", "")
	check(t, afero.WriteFile(fsys, "/d/a.hcl", []byte(app("a", "1", "  debug = true\n")), 0o644))
	step("changed just now", "a.hcl", "")
	check(t, fsys.Chtimes("/d/a.hcl", time.Now(), time.Now()))
	step("and perhaps again", "a.hcl", "")
	ahead := time.Now().Add(time.Hour)
	check(t, fsys.Chtimes("/d/a.hcl", ahead, ahead))
	step("the clock was set back", "a.hcl", "")
	step("no change can look like one of the future", "", "")
}

// TestCacheProperties: with a cache a directory says what it says without one.
func TestCacheProperties(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		fsys := afero.NewMemMapFs()
		clock := time.Now().Add(-time.Hour)
		check(t, fsys.MkdirAll("/d", 0o755))
		o := testOptions()
		cached := o
		cached.Cache = new(Cache)
		texts := []string{
			minimal("a", "1"), minimal("a", "2"), minimal("b", "1"), "app \"a\" {\n", minimal("a", "3") + minimal("b", "4"),
			"defaults {\n  debug = true\n}\n", "defaults {\n  debug = 1\n}\n", "app \"c\" {\n  enabled = false\n  env = { K = file(\"/key\") }\n}\n", "",
		}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			name := rapid.SampledFrom([]string{"/d/x.hcl", "/d/y.hcl", "/d/defaults.hcl", "/key"}).Draw(r, "file")
			if text := rapid.SampledFrom(texts).Draw(r, "text"); text == "" {
				_ = fsys.Remove(name)
			} else {
				put(t, fsys, name, text, &clock)
			}
			if got, want := said(t, load(t, cached, fsys, "/d")), said(t, load(t, o, fsys, "/d")); got != want {
				r.Fatalf("with the cache:\n%s\nwithout:\n%s", got, want)
			}
		}
	})
}

// said is all that a set says.
func said(t testing.TB, s *Set) string {
	var b strings.Builder
	check(t, s.WriteDiagnostics(&b, false))
	for _, name := range names(s) {
		text, err := json.Marshal(s.Specs[name])
		check(t, err)
		fmt.Fprintf(&b, "%s\n%v\n", text, s.Specs[name].Ranges)
	}
	for _, f := range s.Faults {
		fmt.Fprintln(&b, f.File, f.App, f.Apps)
	}
	fmt.Fprintln(&b, s.DefaultsBroken, len(s.Sources))
	return b.String()
}

// BenchmarkReload1000 is one edit among 1,000 files.
func BenchmarkReload1000(b *testing.B) {
	fsys := many(b, 1000, false)
	clock := time.Now().Add(-time.Hour)
	entries, err := afero.ReadDir(fsys, "/etc/wsgid.d")
	check(b, err)
	for _, e := range entries {
		check(b, fsys.Chtimes("/etc/wsgid.d/"+e.Name(), clock, clock))
	}
	o := testOptions()
	o.Cache = new(Cache)
	text, err := afero.ReadFile(fsys, "/etc/wsgid.d/app7.hcl")
	check(b, err)
	b.ReportAllocs()
	for b.Loop() {
		put(b, fsys, "/etc/wsgid.d/app7.hcl", string(text), &clock)
		if set, err := o.Load(fsys, "/etc/wsgid.d"); err != nil || len(set.Specs) != 1000 {
			b.Fatal(err)
		}
	}
}
