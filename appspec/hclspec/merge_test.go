package hclspec

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// TestMerge has the rules by which defaults become part of an app: scalars and lists of the app win; env
// and overrides merge key by key; blocks merge attribute by attribute.
func TestMerge(t *testing.T) {
	set := good(t, load(t, testOptions(), memory(t, map[string]string{
		"defaults.hcl": `locals {
  zone = "UTC"
}

defaults {
  root       = "/srv/apps"
  middleware = ["a:b", "c:d"]
  debug      = true
  env        = { TZ = local.zone, KEY = sensitive("default"), GONE = "x", OTHER = sensitive("y") }
  workers {
    count           = 3
    request_timeout = "5s"
    threads         = 2
  }
  django {
    settings  = "all.settings"
    overrides = { DEBUG = false, DB = { default = { HOST = "db", PASSWORD = sensitive("p") } }, L = [1, 2] }
  }
  log {
    access = true
  }
}
`,
		"a.hcl": minimal("plain", "8000"),
		"b.hcl": `app "blog" {
  middleware = []
  debug      = false
  env        = { KEY = "own", GONE = null, NEW = "1" }
  sockets {
    http {
      listen = "127.0.0.1:8001"
    }
  }
  workers {
    request_timeout = "7s"
    min             = 1
  }
  django {
    overrides = { DB = { default = { NAME = "blog" } }, L = [3], DEBUG = null }
  }
}
`,
	}), "/etc/wsgid.d"))

	plain := appspec.Default("plain", "/srv/apps/plain")
	plain.Sockets.HTTP = []appspec.HTTPSocket{appspec.NewHTTPSocket("127.0.0.1:8000")}
	plain.Middleware = []string{"a:b", "c:d"}
	plain.Debug = true
	plain.Env = map[string]string{"TZ": "UTC", "KEY": "default", "GONE": "x", "OTHER": "y"}
	plain.Workers.Min, plain.Workers.Max, plain.Workers.RequestTimeout, plain.Workers.Threads = 3, 3, appspec.Duration(5*time.Second), 2
	plain.Django = &appspec.Django{Settings: "all.settings", Overrides: map[string]any{
		"DEBUG": false, "DB": map[string]any{"default": map[string]any{"HOST": "db", "PASSWORD": "p"}}, "L": []any{json.Number("1"), json.Number("2")},
	}}
	plain.Log.Access = true
	plain.Sensitive = map[string]bool{"env.KEY": true, "env.OTHER": true, "django.overrides.DB.default.PASSWORD": true}

	blog := appspec.Default("blog", "/srv/apps/blog")
	blog.Sockets.HTTP = []appspec.HTTPSocket{appspec.NewHTTPSocket("127.0.0.1:8001")}
	blog.Env = map[string]string{"TZ": "UTC", "KEY": "own", "OTHER": "y", "NEW": "1"}
	blog.Workers.Min, blog.Workers.Max, blog.Workers.RequestTimeout, blog.Workers.Threads = 1, 3, appspec.Duration(7*time.Second), 2
	blog.Django = &appspec.Django{Settings: "all.settings", Overrides: map[string]any{
		"DEBUG": nil, "DB": map[string]any{"default": map[string]any{"HOST": "db", "PASSWORD": "p", "NAME": "blog"}}, "L": []any{json.Number("3")},
	}}
	blog.Log.Access = true
	blog.Sensitive = map[string]bool{"env.OTHER": true, "django.overrides.DB.default.PASSWORD": true}

	for name, want := range map[string]*appspec.Spec{"plain": plain, "blog": blog} {
		if diff := cmp.Diff(want, set.Specs[name], withoutPlaces); diff != "" {
			t.Errorf("%s (- want, + got):\n%s", name, diff)
		}
	}
	// A place in defaults.hcl is told as such.
	if rng := set.Specs["blog"].Ranges["workers.threads"]; filepath.Base(rng.Filename) != "defaults.hcl" || rng.Start.Line != 13 {
		t.Errorf("threads come from %v", rng)
	}
}

// TestFunctions calls each function of the language.
func TestFunctions(t *testing.T) {
	o := testOptions()
	o.LookupEnv = func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": "/home/x", "EMPTY": ""}[name]
		return v, ok
	}
	for expr, want := range map[string]string{
		`env("HOME")`:                               "/home/x",
		`env("EMPTY", "x")`:                         "",
		`env("NONE", "x")`:                          "x",
		`file("/etc/key")`:                          "key\n",
		`trimspace(file("rel"))`:                    "relative",
		`trimspace("  x ")`:                         "x",
		`jsondecode("{\"a\":[1]}").a[0]`:            "1",
		`jsonencode({ b = [true, null], a = 1.5 })`: `{"a":1.5,"b":[true,null]}`,
		`format("%s-%03d", "x", 7)`:                 "x-007",
		`join(",", ["a", "b"], ["c"])`:              "a,b,c",
		`split("/", "a/b")[1]`:                      "b",
		`join("", concat(["a"], ["b"]))`:            "ab",
		`merge({ a = "1" }, { a = "2" }).a`:         "2",
		`lower("ÄB")`:                               "äb",
		`upper("äb")`:                               "ÄB",
		`coalesce(null, "x")`:                       "x",
		`num_cpus()`:                                "4",
		`sensitive("x")`:                            "x",
		`"${local.n + 1}"`:                          "3",
		`local.m["k"]`:                              "v",
		`[for x in ["a", "b"] : upper(x)][1]`:       "B",
		`local.n > 1 ? "many" : "one"`:              "many",
	} {
		text := "locals {\n  m = { k = \"v\" }\n  n = local.one + 1\n  one = 1\n}\napp \"blog\" {\n  enabled = false\n  env = { V = " + expr + " }\n}\n"
		set := load(t, o, memory(t, map[string]string{"blog.hcl": text, "/etc/key": "key\n", "rel": "relative\n"}), "/etc/wsgid.d")
		if len(set.Faults) > 0 {
			t.Errorf("%s:\n%s", expr, set.Faults[0].Text)
		} else if got := set.Specs["blog"].Env["V"]; got != want {
			t.Errorf("%s is %q, not %q", expr, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]appspec.Size{
		"0": 0, "1": 1, "512MiB": 512 << 20, "1GB": 1e9, "1.5KiB": 1536, "64 KiB": 64 << 10, "1kB": 1000, "1KB": 1000, "2PiB": 2 << 50, "7B": 7, "0MiB": 0,
	} {
		if got, err := appspec.ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "it is not a number with a unit, such as 512MiB", "MiB": "it is not a number with a unit, such as 512MiB",
		"-1": "it is not a number with a unit, such as 512MiB", "1e3": "it is not a number with a unit, such as 512MiB",
		"1.2.3": "it is not a number with a unit, such as 512MiB", "0.5": "it is not a whole number of bytes",
		"9999PiB": "it is too large", "1/2": "it is not a number with a unit, such as 512MiB", "5 M": "it is not a number with a unit, such as 512MiB",
	} {
		if _, err := appspec.ParseSize(text); err == nil || err.Error() != `cannot read size "`+text+`": `+want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for size, want := range map[appspec.Size]string{0: "0", 1: "1", 1000: "1kB", 1024: "1KiB", 1536: "1536", 1e9: "1GB", 64 << 20: "64MiB", 1000000: "1MB", 5 << 50: "5PiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d: %s", int64(size), got)
		}
		if back, err := appspec.ParseSize(size.String()); err != nil || back != size {
			t.Errorf("%d: back %d, %v", int64(size), back, err)
		}
	}
}
