package hclspec

import (
	"strings"
	"testing"
)

// What does not hold for one way into an app is said where it is written.
func TestBufferingBesideMongrel2(t *testing.T) {
	spec := func(sockets string) string {
		return "app \"blog\" {\n  request {\n    buffering = false\n  }\n  sockets {\n    http { listen = \"127.0.0.1:8000\" }\n" + sockets + "  }\n}\n"
	}
	for sockets, want := range map[string]int{
		"": 0,
		"    mongrel2 {\n      recv = \"tcp://127.0.0.1:9997\"\n      send = \"tcp://127.0.0.1:9996\"\n    }\n": 1,
	} {
		fsys := memory(t, map[string]string{"/etc/wsgid.d/blog.hcl": spec(sockets)})
		set := good(t, load(t, testOptions(), fsys, "/etc/wsgid.d"))
		if len(set.Warnings) != want {
			t.Errorf("%q: %v", sockets, set.Warnings)
		}
		for _, w := range set.Warnings {
			if w.Subject.Start.Line != 3 || !strings.Contains(w.Summary, "buffering = false has no effect") {
				t.Errorf("line %d: %s", w.Subject.Start.Line, w.Summary)
			}
		}
	}
}
