package hclspec

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/spectest"
)

func TestFormatSource(t *testing.T) {
	const messy = "# top\n\n\napp   \"blog\"   {\n// about the path\npath=\"/srv/blog\"   # behind\n  env={A=\"1\",B=\"2\"}\n\tsockets {\n http {\nlisten=\"127.0.0.1:8000\"\nmode   = \"0660\"\n}\n}\n/* long */\nworkers { count=2 }\n}\n\n\n"
	const want = `# top


app "blog" {
  // about the path
  path = "/srv/blog" # behind
  env  = { A = "1", B = "2" }
  sockets {
    http {
      listen = "127.0.0.1:8000"
      mode   = "0660"
    }
  }
  /* long */
  workers { count = 2 }
}
`
	got, err := FormatSource([]byte(messy))
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := FormatSource([]byte("\xef\xbb\xbf \n")); err != nil || len(got) != 0 {
		t.Errorf("nothing is %q, %v", got, err)
	}
	for src, want := range map[string]string{
		"app \"x\" {\n  a = 1 b = 2\n}\n": "2:9: the attribute b is on the line of another attribute: write each on its own line:\na = 1\nb = 2",
		"app \"x\" {\n":                   "1:9: the block app \"x\" is not closed: write } on a line of its own where it ends",
		"a = \"\xff\"\n":                  "1:6: the file holds the byte 0xff, which is not UTF-8: a spec is text in UTF-8",
		strings.Repeat("[", 5000):         "the file has brackets nested deeper than 200",
	} {
		_, err := FormatSource([]byte(src))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestColor: with colour the text is the same but for the colours.
func TestColor(t *testing.T) {
	set := load(t, testOptions(), memory(t, map[string]string{
		"a.hcl": strings.Replace(minimal("a", "1"), "{\n", "{\n  debgu = true\n", 1),
		"b.hcl": strings.Replace(minimal("b", "2"), "{\n", "{\n  limits {\n    cpu = 1\n  }\n", 1),
	}), "/etc/wsgid.d")
	var plain, color strings.Builder
	check(t, set.WriteDiagnostics(&plain, false))
	check(t, set.WriteDiagnostics(&color, true))
	if got := strings.NewReplacer("\x1b[31m", "", "\x1b[33m", "", "\x1b[1m", "", "\x1b[0m", "").Replace(color.String()); got != plain.String() {
		t.Errorf("got\n%s\nwant\n%s", got, plain.String())
	}
	for _, part := range []string{"\x1b[31merror\x1b[0m", "\x1b[31m^^^^^\x1b[0m", "\x1b[33mwarning\x1b[0m"} {
		if !strings.Contains(color.String(), part) {
			t.Errorf("no %q in\n%q", part, color.String())
		}
	}
}

// TestTextReadsBack: what Diff shows of a value is HCL that gives that value.
func TestTextReadsBack(t *testing.T) {
	o := testOptions()
	fsys := memory(t, nil)
	rapid.Check(t, func(r *rapid.T) {
		want := spectest.Object(2).Draw(r, "object")
		want["S"] = strings.ToValidUTF8(rapid.String().Draw(r, "string"), "?")
		f := &file{path: "x.hcl", src: []byte("overrides = " + appspec.ValueText(want) + "\n"), ctx: newContext(o, fsys, "x.hcl")}
		body := f.parse()
		if body == nil {
			r.Fatalf("%s\n%s", f.src, f.diags.Error())
		}
		attrs, _, _ := f.section(body, nil)
		d := &decoder{o: o, f: f, owner: "x"}
		d.attribute(appspec.Table().Attribute["django.overrides"], attrs[0], 0)
		if len(d.diags) > 0 {
			r.Fatalf("%s\n%s", f.src, d.diags.Error())
		}
		// HCL keeps strings in Unicode's composed form.
		if got := appspec.ValueText(d.layer.steps[0].setting.value); !strings.ContainsFunc(want["S"].(string), func(c rune) bool { return c > 0x2ff }) && got != appspec.ValueText(want) {
			r.Fatalf("got  %s\nwant %s", got, appspec.ValueText(want))
		}
	})
}
