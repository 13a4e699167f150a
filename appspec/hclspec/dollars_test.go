package hclspec

import (
	"strings"
	"testing"
)

// What is warned of is what HCL does; what may be meant as it is written is not.
func TestDoubledDollars(t *testing.T) {
	const value, hash = "$${ is the text ${ here, also behind another dollar: nothing is filled in", "two dollars stay two here: it is another hash"
	for text, c := range map[string]struct{ value, says string }{
		`"$$${PRICE}"`:                       {"$${PRICE}", value},
		`"a $$$${PRICE} b"`:                  {"a $$${PRICE} b", value},
		"<<E\n$$${PRICE}\nE":                 {"$${PRICE}\n", value},
		`"$$2y$$10$$abcdefghijk"`:            {"$$2y$$10$$abcdefghijk", hash},
		`"admin:$$apr1$$abc$$def"`:           {"admin:$$apr1$$abc$$def", hash},
		`"$2y$10$abc"`:                       {"$2y$10$abc", ""},
		`"$${PRICE}"`:                        {"${PRICE}", ""},
		`"pa$$word"`:                         {"pa$$word", ""},
		`"${"$"}${"5"}"`:                     {"$5", ""},
		`"$$5 and ${"$"}${"$"}${"5"}"`:       {"$$5 and $$5", ""},
		`"a $${b} and $${c}, $$d$$, 100%%d"`: {"a ${b} and ${c}, $$d$$, 100%%d", ""},
	} {
		t.Run(text, func(t *testing.T) {
			src := "app \"blog\" {\n  env = {\n    TEXT = " + text + "\n  }\n  sockets {\n    http { listen = \"127.0.0.1:8000\" }\n  }\n}\n"
			set := good(t, load(t, testOptions(), memory(t, map[string]string{"/etc/wsgid.d/blog.hcl": src}), "/etc/wsgid.d"))
			if got := set.Specs["blog"].Env["TEXT"]; got != c.value {
				t.Errorf("HCL reads %q, want %q", got, c.value)
			}
			var said []string
			for _, w := range set.Warnings {
				said = append(said, w.Summary)
			}
			if got := strings.Join(said, "\n"); got != c.says {
				t.Errorf("warned of %q, want %q", got, c.says)
			}
		})
	}
}
