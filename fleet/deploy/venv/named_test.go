package venv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsThatNameFiles(t *testing.T) {
	const config = "[global]\nfind-links =\n    /a\n    # no\n    /b\nindex-url = https://h/\n  /no\n; constraint = /no\n[install]\nconstraint: /c\n"
	got := settings([]string{"PIP_CONSTRAINT=c.txt /d.txt", "PIP_no_index=1", "A=1", "PIP_find_links=w"}, []byte(config))
	want := []setting{{"constraint", "c.txt", "PIP_CONSTRAINT"}, {"constraint", "/d.txt", "PIP_CONSTRAINT"}, {"find-links", "w", "PIP_find_links"},
		{"find-links", "/a", "PIP_CONFIG_FILE"}, {"find-links", "/b", "PIP_CONFIG_FILE"}, {"constraint", "/c", "PIP_CONFIG_FILE"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(setting{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A virtualenv is made anew where a file changes that pip reads by a variable or by its
// configuration, and is taken again where none does.
func TestFilesThatVariablesName(t *testing.T) {
	s := newSite(t)
	outside := filepath.Join(filepath.Dir(s.tree), "outside")
	write(t, outside, map[string]string{"c.txt": "a==1\n", "pip.conf": "[global]\nconstraint = " + outside + "/c.txt\n", "links/a-1.whl": ""})
	write(t, s.tree, map[string]string{"requirements.txt": "a\n", "constraints.txt": "a==1\n", "more.txt": "-c constraints.txt\n"})
	for _, c := range []struct{ variable, file, text string }{
		{"PIP_CONSTRAINT=constraints.txt", s.tree + "/constraints.txt", "a==2\n"},
		{"PIP_REQUIREMENT=more.txt", s.tree + "/constraints.txt", "a==3\n"},
		{"PIP_CONSTRAINT=" + outside + "/c.txt", outside + "/c.txt", "a==2\n"},
		{"PIP_BUILD_CONSTRAINT=" + outside + "/c.txt", outside + "/c.txt", "a==3\n"},
		{"PIP_CONFIG_FILE=" + outside + "/pip.conf", outside + "/c.txt", "a==4\n"},
		{"PIP_FIND_LINKS=" + outside + "/links", outside + "/links/b-1.whl", ""},
		{"PIP_FIND_LINKS=file://" + outside + "/links", outside + "/links/c-1.whl", ""},
	} {
		in := s.inputs()
		in.Env = []string{c.variable}
		was, again := s.find(in), s.find(in)
		if was.Name != again.Name || was.Own != "" {
			t.Errorf("%s: the names differ, or it is the release's own: %q", c.variable, was.Own)
		}
		if err := os.WriteFile(c.file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if s.find(in).Name == was.Name {
			t.Errorf("%s: %s has changed, and the virtualenv is the same", c.variable, c.file)
		}
	}
	for variable, says := range map[string]string{
		"PIP_CONSTRAINT=none.txt":  "requirements file none.txt, which PIP_CONSTRAINT names, is not there",
		"PIP_TARGET=/srv/lib":      "PIP_TARGET of the deploy block (target = /srv/lib) has pip install nothing into the virtualenv; remove it",
		"PIP_PREFIX=/srv":          "PIP_PREFIX of the deploy block",
		"PIP_ROOT=/srv":            "PIP_ROOT of the deploy block",
		"PIP_DRY_RUN=yes":          "PIP_DRY_RUN of the deploy block",
		"PIP_CONSTRAINT=/none.txt": "cannot read what PIP_CONSTRAINT of the deploy block names: open /none.txt: no such file or directory",
	} {
		in := s.inputs()
		in.Env = []string{variable}
		if _, err := s.store.Find(s.ctx(), in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", variable, err)
		}
	}
	in := s.inputs()
	in.Env = []string{"PIP_TARGET=", "PIP_DRY_RUN=0"}
	s.find(in)
	in.Env = []string{"PIP_CONSTRAINT=https://h/c.txt"}
	if v := s.find(in); v.Own != "PIP_CONSTRAINT names https://h/c.txt" {
		t.Errorf("a constraint of elsewhere: %q", v.Own)
	}
}
