package hclspec

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Whatever the pages show as a spec is one. An app that a page leaves to the reader, for a
// gate that would have none, is added.
func TestPagesShowGoodSpecs(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```hcl\n(.*?)```")
	for page, least := range map[string]int{"README.md": 1, "examples/gate/README.md": 1} {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		found := blocks.FindAllSubmatch(text, -1)
		if len(found) < least {
			t.Errorf("%s shows %d specs", page, len(found))
		}
		for _, b := range found {
			files := map[string]string{"page.hcl": string(b[1])}
			if page == "README.md" {
				files["gate.hcl"] = "gate {\n  http {\n    listen = \"0.0.0.0:80\"\n  }\n}\n"
			}
			o := testOptions()
			o.User = "" // root: any user may be named
			if set := good(t, load(t, o, memory(t, files), "/etc/wsgid.d")); len(set.Specs) == 0 {
				t.Errorf("%s: no app is in\n%s", page, b[1])
			}
		}
	}
}
