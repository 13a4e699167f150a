package hclspec

import (
	"encoding/json"
	"testing"
)

// Both sides of ? : keep their types: the library makes text of a number whose other
// side is text.
func TestBranchesKeepTheirTypes(t *testing.T) {
	t.Parallel()
	set := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": `locals {
  live  = true
  count = local.live ? 4 : "none"
}
app "blog" {
  path  = "/srv/blog"
  debug = (local.live ? true : "no")
  env   = { A = sensitive(local.live) ? 1 : "a", B = join("", [for x in ["b"] : local.live ? x : 1]) }
  sockets {
    http {
      listen = "127.0.0.1:8001"
    }
  }
  workers {
    count   = local.count
    threads = local.live && true ? (local.live ? 2 : "x") : "y"
  }
  django {
    overrides = { A = local.live ? 1 : "x", B = [local.live ? 2 : "two", "x"], C = local.live ? { D = true } : { E = "no" } }
  }
}
`}), "/etc/wsgid.d"))
	s := set.Specs["blog"]
	if s.Workers.Min != 4 || s.Workers.Threads != 2 || !s.Debug || s.Env["A"] != "1" || s.Env["B"] != "b" {
		t.Errorf("got %d workers of %d threads, debug %t, env %v", s.Workers.Min, s.Workers.Threads, s.Debug, s.Env)
	}
	got, err := json.Marshal(s.Django.Overrides)
	if want := `{"A":1,"B":[2,"x"],"C":{"D":true}}`; err != nil || string(got) != want {
		t.Errorf("overrides are %s, %v, want %s", got, err, want)
	}
	if !s.IsSensitive("env.A") {
		t.Errorf("a value that a secret chooses is no secret: %v", s.Sensitive)
	}
}
