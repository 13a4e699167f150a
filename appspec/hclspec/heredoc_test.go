package hclspec

import (
	"strings"
	"testing"
)

// What is warned of is what HCL does: where its line begins with blanks in the value, and
// there alone.
func TestIndentationBehindTrimMark(t *testing.T) {
	for name, c := range map[string]struct {
		text, value string
		line        int // of the warning; 0: none
	}{
		"a list":         {"<<-E\n      a:\n      %{ for x in [1, 2] ~}\n      - ${x}\n      %{ endfor ~}\n      E", "a:\n      - 1\n      - 2\n", 6},
		"behind a value": {"<<-E\n      ${1 ~}\n      b\n      E", "1      b\n", 5},
		"at the margin":  {"<<-E\n%{ for x in [1, 2] ~}\n- ${x}\n%{ endfor ~}\nE", "- 1\n- 2\n", 0},
		"no mark":        {"<<-E\n      %{ if true }\n      b\n      %{ endif }\n      E", "\nb\n\n", 0},
		"within a line":  {"<<-E\n      a ${1 ~}  b\n      c\n      E", "a 1b\nc\n", 0},
		"plain":          {"<<E\n%{ if true ~}\n  b\n%{ endif ~}\nE", "  b\n", 0},
		"in quotes":      {"<<-E\n      ${\"a ${1 ~} b\"}\n      c\n      E", "a 1b\nc\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			src := "app \"blog\" {\n  env = {\n    TEXT = " + c.text + "\n  }\n  sockets {\n    http { listen = \"127.0.0.1:8000\" }\n  }\n}\n"
			set := good(t, load(t, testOptions(), memory(t, map[string]string{"/etc/wsgid.d/blog.hcl": src}), "/etc/wsgid.d"))
			if got := set.Specs["blog"].Env["TEXT"]; got != c.value {
				t.Errorf("HCL reads %q, want %q", got, c.value)
			}
			line := 0
			if len(set.Warnings) > 1 {
				t.Errorf("%v", set.Warnings)
			}
			for _, w := range set.Warnings {
				line = w.Subject.Start.Line
				if !strings.Contains(w.Summary, "the indentation of this line stays in the text: <<- takes none off behind ~}") {
					t.Errorf("%s", w.Summary)
				}
			}
			if line != c.line {
				t.Errorf("warned of line %d, want %d", line, c.line)
			}
		})
	}
}
