package hclspec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/afero"
)

// An environment file means what it means to systemd, and each line that means
// something else to python-dotenv is told.
func TestReadEnvFile(t *testing.T) {
	for _, c := range []struct {
		text   string
		want   []EnvVariable
		doubts []string // what each says, in part
	}{
		{"A=1\nB = 2 \n\n  C=3\n", []EnvVariable{{"A", "1"}, {"B", "2"}, {"C", "3"}}, nil},
		{"A=a b  \nB=\n", []EnvVariable{{"A", "a b"}, {"B", ""}}, nil},
		{"A=x # note\n", []EnvVariable{{"A", "x # note"}}, []string{envNote}},
		{"A=\"x\" # note\n", []EnvVariable{{"A", "x# note"}}, []string{envNote}},
		{"A=x#y\n", []EnvVariable{{"A", "x#y"}}, nil},
		{"export A=1\nB=2\n", []EnvVariable{{"B", "2"}}, []string{"write A=… without export"}},
		{"A='${HOME}'\nB=\"${HOME}\"\nC=${HOME}\n", []EnvVariable{{"A", "${HOME}"}, {"B", "${HOME}"}, {"C", "${HOME}"}}, []string{envExpand, envExpand, envExpand}},
		{"A=$HOME\n", []EnvVariable{{"A", "$HOME"}}, nil},
		{"A='a b'\nB=\"a b \"\nC=' '\n", []EnvVariable{{"A", "a b"}, {"B", "a b "}, {"C", " "}}, nil},
		{`A=x"y z"` + "\n", []EnvVariable{{"A", `x"y z"`}}, nil},
		{`A="x"y` + "\n", []EnvVariable{{"A", "xy"}}, []string{envBehind}},
		{`A=a\b\ ` + "\n", []EnvVariable{{"A", "ab "}}, []string{envBackslash}},
		{"A=a\\\nb\n", []EnvVariable{{"A", "ab"}}, []string{envGoesOn}},
		{`A="a\"b\$c\nd"` + "\n", []EnvVariable{{"A", `a"b$c\nd`}}, []string{`\n and the like`}},
		{"A='a\nb'\nB=1\n", []EnvVariable{{"A", "a\nb"}, {"B", "1"}}, nil},
		{"# note \\\nA=1\nB=2\n", []EnvVariable{{"B", "2"}}, []string{"continues on the next line"}},
		{"# note\n; note\nA=1", []EnvVariable{{"A", "1"}}, []string{"begins with ;"}},
		{"A\nB=1\n", []EnvVariable{{"B", "1"}}, []string{"without ="}},
		{"1A=x\nA-B=x\nC=1\n", []EnvVariable{{"C", "1"}}, []string{`"1A" is not a name`, `"A-B" is not a name`}},
		{"A='x\nB=1\n", []EnvVariable{{"A", "x\nB=1\n"}}, []string{envOpen}},
		{"A=\"x\\\r\ny\"\n", []EnvVariable{{"A", "x\\\r\ny"}}, nil},
		{"A=1\r\nB=2\r\n", []EnvVariable{{"A", "1"}, {"B", "2"}}, nil},
		{"A=1\nA=2\n", []EnvVariable{{"A", "1"}, {"A", "2"}}, nil},
		{"# \\", nil, nil}, {"A=\\", []EnvVariable{{"A", ""}}, []string{envGoesOn}}, {"A=\"\\", []EnvVariable{{"A", ""}}, []string{envOpen}}, {"", nil, nil}, {"=x", nil, []string{"not a name"}},
		// As systemd 252 has them.
		{"='\nA=1\n", []EnvVariable{{"A", "1"}}, []string{"not a name"}}, {"=\\\nA=1\n", []EnvVariable{{"A", "1"}}, []string{"not a name"}}, {"=A='\nB=1\n", nil, []string{"not a name"}},
		{"# x\\\\\nA=1\n", []EnvVariable{{"A", "1"}}, nil},
	} {
		got, doubts := readEnvFile(c.text)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(EnvVariable{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
		if len(doubts) != len(c.doubts) {
			t.Errorf("%q: %v, want %q", c.text, doubts, c.doubts)
			continue
		}
		for i, d := range doubts {
			if !strings.Contains(d.text, c.doubts[i]) {
				t.Errorf("%q: %q, want %q", c.text, d.text, c.doubts[i])
			}
		}
	}
}

// Variables of files are of the app's environment, secret, and read again when a
// file changes; a file that is missing is a fault unless it may be.
func TestEnvFile(t *testing.T) {
	const spec = "app \"blog\" {\n  env = { A = \"spec\", B = \"spec\" }\n  env_file = [\"/etc/one\", \"two\", \"-/etc/three\"]\n  sockets {\n    http {\n      listen = \"127.0.0.1:8000\"\n    }\n  }\n}\n"
	fsys := memory(t, map[string]string{"/etc/wsgid.d/blog.hcl": spec, "/etc/one": "A=one-secret\nC=one-secret\n", "/etc/wsgid.d/two": "C=two-secret # note\n"})
	o := testOptions()
	o.Cache = &Cache{}
	set := good(t, load(t, o, fsys, "/etc/wsgid.d"))
	s := set.Specs["blog"]
	if diff := cmp.Diff(map[string]string{"A": "one-secret", "B": "spec", "C": "two-secret # note"}, s.Env); diff != "" {
		t.Error(diff)
	}
	if !s.IsSensitive("env.A") || !s.IsSensitive("env.C") || s.IsSensitive("env.B") || strings.Contains(s.String(), "-secret") {
		t.Errorf("secrets %v: %s", s.Sensitive, s)
	}
	all := ""
	for _, w := range set.Warnings {
		all += w.Summary + "\n" + w.Detail + "\n"
	}
	if !strings.Contains(all, "A is in /etc/one too, and the file counts") || !strings.Contains(all, "/etc/wsgid.d/two:1: C: systemd reads") || strings.Contains(all, "-secret") {
		t.Errorf("warnings: %s", all)
	}
	check(t, afero.WriteFile(fsys, "/etc/one", []byte("A=changed-and-longer\n"), 0o644))
	check(t, afero.WriteFile(fsys, "/etc/three", []byte("B=three\n"), 0o644))
	s = good(t, load(t, o, fsys, "/etc/wsgid.d")).Specs["blog"]
	if s.Env["A"] != "changed-and-longer" || s.Env["B"] != "three" {
		t.Errorf("after a change: %v", s.Env)
	}
	check(t, fsys.Remove("/etc/one"))
	set = load(t, o, fsys, "/etc/wsgid.d")
	if len(set.Faults) != 1 || !strings.Contains(set.Faults[0].Text, "cannot read /etc/one: ") || !strings.Contains(set.Faults[0].Text, `"-/etc/one"`) {
		t.Errorf("faults %v", set.Faults)
	}
}
