package hclspec

import (
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestNotBuilt: what the product does not do yet is refused at its place, with
// the value where only some values are meant, and accepted with AllBuilt.
func TestNotBuilt(t *testing.T) {
	unbuilt := func(path, value string) {
		a := appspec.Table().Attribute[path]
		before := *a
		a.Built, a.Unbuilt = false, value
		t.Cleanup(func() { *a = before })
	}
	unbuilt("debug", "true")
	unbuilt("log.format", `"json"`)
	unbuilt("sockets.http.listen", `"systemd:`)
	unbuilt("workers.queue", "")
	block := appspec.Table().Block["restart"]
	before := *block
	block.Built = false
	t.Cleanup(func() { *block = before })

	o := testOptions()
	o.Systemd = true
	text := func(body, listen string) string {
		return "app \"blog\" {\n" + body + "\n  sockets {\n    http {\n      listen = \"" + listen + "\"\n    }\n  }\n}\n"
	}
	for _, c := range []struct{ body, listen, want string }{
		{"  debug = true", "127.0.0.1:1", "debug = true is not supported in this version\n  2 |   debug = true\n    |           ^^^^\n  leave it out until then\n"},
		{"  debug = false", "127.0.0.1:1", ""},
		{"  log {\n    format = \"json\"\n  }", "127.0.0.1:1", "log.format = \"json\" is not supported in this version\n  3 |     format = \"json\"\n    |              ^^^^^^\n  leave it out until then\n"},
		{"  log {\n    format = \"text\"\n  }", "127.0.0.1:1", ""},
		{"", "systemd:blog", "sockets.http.listen = \"systemd:…\" is not supported in this version\n  5 |       listen = \"systemd:blog\"\n    |                ^^^^^^^^^^^^^^\n  leave it out until then\n"},
		{"  workers {\n    queue = 5\n  }", "127.0.0.1:1", "workers.queue is not supported in this version\n  3 |     queue = 5\n    |             ^\n  leave it out until then\n"},
		{"  restart {\n  }", "127.0.0.1:1", "the block restart is not supported in this version\n  2 |   restart {\n    |   ^^^^^^^\n  leave it out until then\n"},
	} {
		fsys := memory(t, map[string]string{"blog.hcl": text(c.body, c.listen)})
		set := load(t, o, fsys, "/etc/wsgid.d")
		got := ""
		if len(set.Faults) > 0 {
			_, got, _ = strings.Cut(set.Faults[0].Text, ": error: ")
		}
		if got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
		all := o
		all.AllBuilt = true
		good(t, load(t, all, fsys, "/etc/wsgid.d"))
	}
}
