package specdir

import (
	"strings"
	"testing"

	"github.com/spf13/afero"
)

// What only the hosts can tell is no fault of texts that are pushed to them; what is wrong
// whatever they have, is.
func TestLoadForHosts(t *testing.T) {
	t.Setenv("WSGID_TEST_LIMITS", `{"open": 100}`)
	for name, tt := range map[string]struct{ spec, fault string }{
		"a port": {spec: `sockets { 
    http { listen = "127.0.0.1:${env("WSGID_TEST_NOT_SET")}" }
  }`},
		"a number":            {spec: `workers { count = jsondecode(env("WSGID_TEST_NOT_SET")) }`},
		"a path":              {spec: `path = "${env("WSGID_TEST_NOT_SET")}/blog"`},
		"what is set here":    {spec: `limits { open_files = jsondecode(env("WSGID_TEST_LIMITS")).open }`},
		"what is wrong there": {spec: `workers { coutn = env("WSGID_TEST_NOT_SET") }`, fault: `unknown attribute "coutn"`},
		"beside what is not": {spec: `workers { count = jsondecode(env("WSGID_TEST_NOT_SET")) }
  nonsense = 1`, fault: `unknown attribute "nonsense"`},
	} {
		t.Run(name, func(t *testing.T) {
			fs := afero.NewMemMapFs()
			text := "app \"blog\" {\n  " + tt.spec + "\n"
			if !strings.Contains(tt.spec, "sockets") {
				text += "  sockets {\n    http { listen = \"127.0.0.1:8000\" }\n  }\n"
			}
			if err := afero.WriteFile(fs, "/specs/blog.hcl", []byte(text+"}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			set, err := LoadForHosts(fs, "/specs")
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			if err := set.WriteDiagnostics(&said, false); err != nil {
				t.Fatal(err)
			}
			if tt.fault == "" {
				if len(set.Faults) > 0 || set.Specs["blog"] == nil {
					t.Errorf("%d specs, and it says\n%s", len(set.Specs), said.String())
				}
				return
			}
			if len(set.Faults) != 1 || !strings.Contains(said.String(), tt.fault) || strings.Count(said.String(), "error:") != 1 {
				t.Errorf("it says\n%s", said.String())
			}
		})
	}
}
