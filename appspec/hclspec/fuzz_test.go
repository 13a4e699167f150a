package hclspec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/afero"
	"golang.org/x/tools/txtar"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// addMistakes gives a fuzz target the files of the mistakes and the full ones.
func addMistakes(f *testing.F, add func(name string, data []byte)) {
	cases, err := filepath.Glob("testdata/mistakes/*.txt")
	check(f, err)
	for _, c := range cases {
		text, err := os.ReadFile(c)
		check(f, err)
		for _, file := range txtar.Parse(text).Files {
			if strings.Contains(file.Name, ".hcl") {
				add(file.Name, file.Data)
			}
		}
	}
	for _, name := range []string{"full.hcl", "full.json"} {
		text, err := os.ReadFile("testdata/full/" + name)
		check(f, err)
		add(name, text)
	}
}

// FuzzLoad loads any bytes: no panic, no hang, and what comes out holds
// together: a fault has a text that a terminal can show, a good spec survives
// its JSON form and a change of format.
func FuzzLoad(f *testing.F) {
	addMistakes(f, func(name string, data []byte) { f.Add(data, strings.HasSuffix(name, ".json"), len(name)%2 == 0) })
	f.Fuzz(func(t *testing.T, data []byte, isJSON, asDefaults bool) {
		name := "x.hcl"
		switch {
		case isJSON:
			name = "x.hcl.json"
		case asDefaults:
			name = "defaults.hcl"
		}
		fsys := memory(t, map[string]string{name: string(data), "y.hcl": minimal("y", "9999"), "/etc/key": "k"})
		o := testOptions()
		o.Root = true
		set := load(t, o, fsys, "/etc/wsgid.d")
		for _, fault := range set.Faults {
			if fault.Text == "" || fault.Summary == "" || strings.ContainsRune(fault.Summary, '\n') || !utf8.ValidString(fault.Text) ||
				strings.ContainsFunc(strings.ReplaceAll(fault.Text, "\n", ""), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("a fault that cannot be shown: %q", fault.Text)
			}
		}
		if _, ok := set.Specs["y"]; !ok && len(set.Faults) == 0 {
			t.Fatal("the good app is lost, and nobody says why")
		}
		for app, s := range set.Specs {
			if s.Name != app || !appspec.ValidName(app) && (app != appspec.GateName || s.Gate == nil) {
				t.Fatalf("%q has the name %q", app, s.Name)
			}
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var back appspec.Spec
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if changes := appspec.Diff(s, &back); len(changes) > 0 {
				t.Fatalf("after JSON: %s", changesText(changes))
			}
			again, err := json.Marshal(&back)
			if err != nil || !bytes.Equal(text, again) {
				t.Fatalf("JSON twice: %s\n%s", text, again)
			}
			_ = s.String()
		}
		if isJSON {
			return
		}
		formatted, err := FormatSource(data)
		if err != nil {
			return
		}
		twice, err := FormatSource(formatted)
		if err != nil || !bytes.Equal(formatted, twice) {
			t.Fatalf("formatting twice: %v\n%s\n---\n%s", err, formatted, twice)
		}
		if err := afero.WriteFile(fsys, "/etc/wsgid.d/"+name, formatted, 0o644); err != nil {
			t.Fatal(err)
		}
		after := load(t, o, fsys, "/etc/wsgid.d")
		if len(after.Specs) != len(set.Specs) {
			t.Fatalf("%d specs before formatting, %d after:\n%s", len(set.Specs), len(after.Specs), formatted)
		}
		for app, s := range set.Specs {
			if changes := appspec.Diff(s, after.Specs[app]); len(changes) > 0 {
				t.Fatalf("after formatting: %s", changesText(changes))
			}
		}
	})
}

// FuzzSecrets puts a secret into a file between any two pieces of text: no
// diagnostic may show it.
func FuzzSecrets(f *testing.F) {
	f.Add("app \"x\" {\n  env = { A = ", ", B = true }\n}\n", false)
	f.Add("locals {\n  a = ", " \"x\"\n}\n", false)
	f.Add("app \"x\" {\n  env = { A = \"${", "\n", false)
	f.Add(`{"app": {"x": {"env": {"A": "${`, `}", "B": true}}}}`, true)
	f.Fuzz(func(t *testing.T, before, after string, isJSON bool) {
		name, secret := "x.hcl", `sensitive("hunter2")`
		if isJSON {
			name, secret = "x.hcl.json", `sensitive(\"hunter2\")`
		}
		if strings.Contains(before+after, "hunter2") {
			return
		}
		fsys := memory(t, map[string]string{name: before + secret + after})
		o := testOptions()
		set := load(t, o, fsys, "/etc/wsgid.d")
		var b strings.Builder
		check(t, set.WriteDiagnostics(&b, true))
		for _, fault := range set.Faults {
			b.WriteString(fault.Text + fault.Summary + fault.Diagnostics.Error())
		}
		for _, s := range set.Specs {
			b.WriteString(changesText(appspec.Diff(nil, s)))
		}
		if strings.Contains(b.String(), "hunter2") && isSecret(before) {
			t.Fatalf("the secret shows:\n%s\nin\n%s", b.String(), before+secret+after)
		}
	})
}

// isSecret tells whether the function stands as a call where the text before it
// ends: not in a word, where it is another name.
func isSecret(before string) bool {
	return before == "" || !explain.IsWord(before[len(before)-1])
}
