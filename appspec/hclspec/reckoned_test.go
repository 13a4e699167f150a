package hclspec

import (
	"strings"
	"testing"
)

// TestNumbersThatAreReckoned: HCL's numbers (v2.25.0) are binary, and a sum of decimals is
// off by the last of 512 bits. Nobody has written that.
func TestNumbersThatAreReckoned(t *testing.T) {
	t.Parallel()
	spec := func(count, body, env string) *Set {
		return load(t, Options{}, memory(t, map[string]string{"a.hcl": `app "a" {
  path = "/srv/a"
  wsgi_app = "m:app"
  env = { N = ` + env + ` }
  sockets {
    http { listen = "127.0.0.1:8000" }
  }
  workers {
    count = ` + count + `
  }
  request {
    max_body = ` + body + `
  }
}
`}), "/etc/wsgid.d")
	}
	for _, c := range [][3]string{
		{"0.99 + 0.98 + 0.03", "0.507 * 1000", "0.99 + 0.98"},
		{"1 / 998 * 998 + 1", "507.0", "1.97"},
		{"2", "1014 * 0.5", "197 / 100"},
	} {
		s := good(t, spec(c[0], c[1], c[2])).Specs["a"]
		if s.Workers.Max != 2 || s.Request.MaxBody != 507 || s.Env["N"] != "1.97" {
			t.Errorf("%v: count %d, max_body %d, N=%s", c, s.Workers.Max, s.Request.MaxBody, s.Env["N"])
		}
	}
	for _, count := range []string{"2.5", "2 + 1 / 1e50", "10 / 3"} {
		set := spec(count, "1", "1")
		if len(set.Faults) != 1 || !strings.Contains(set.Faults[0].Text, "count is a whole number, not ") {
			t.Errorf("count = %s: %v", count, set.Faults)
		}
	}
}
