package hclspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// blogWith is an app with two environments, and lines of the app block and of the
// first environment.
func blogWith(app, dev string) string {
	indent := func(lines string) string {
		if lines == "" {
			return ""
		}
		return "  " + strings.ReplaceAll(lines, "\n", "\n  ") + "\n"
	}
	return "app \"blog\" {\n" + indent(app) +
		"  environment \"dev\" {\n    sockets {\n      http {\n        listen = \"127.0.0.1:8001\"\n      }\n    }\n" + indent(indent(dev)) + "  }\n" +
		"  environment \"production\" {\n    sockets {\n      http {\n        listen = \"127.0.0.1:8002\"\n      }\n    }\n  }\n}\n"
}

// TestEnvironmentMerge: defaults, then the app, then the environment, by the rules
// that hold between defaults and app.
func TestEnvironmentMerge(t *testing.T) {
	files := map[string]string{
		"defaults.hcl": `defaults {
  root       = "/srv/apps"
  middleware = ["d:d"]
  env        = { TZ = "UTC", A = "defaults", B = "defaults", C = "defaults", GONE = "x" }
  workers {
    threads = 2
  }
}
`,
		"blog.hcl": `app "blog" {
  wsgi_app   = "blog.main:application"
  umask      = "0027"
  middleware = ["a:a", "b:b"]
  env        = { A = "app", B = "app", KEY = sensitive("app") }
  sockets {
    http {
      listen = sensitive("unix:/run/blog.sock")
      mode   = "0600"
    }
    mongrel2 {
      recv = "tcp://127.0.0.1:9997"
      send = "tcp://127.0.0.1:9996"
    }
  }
  workers {
    count           = 3
    request_timeout = "5s"
  }
  django {
    settings  = "blog.settings"
    overrides = { DB = { HOST = "db", PORT = "1" }, L = [1] }
  }
  environment "dev" {
    debug      = true
    umask      = "0007"
    middleware = ["c:c"]
    env        = { A = "dev", KEY = "dev", GONE = null }
    sockets {
      http {
        listen = "127.0.0.1:8001"
      }
      http {
        listen = "127.0.0.1:8002"
      }
    }
    workers {
      min = 0
      max = 2
    }
    django {
      overrides = { DB = { PORT = "2" }, L = [] }
    }
    health {
      path = "/healthz"
    }
  }
  environment "production" {
    path    = "/srv/blog"
    enabled = false
  }
  environment dev-2 {
    enabled = false
    sockets {
      mongrel2 {
        recv = "tcp://127.0.0.1:9987"
        send = "tcp://127.0.0.1:9986"
      }
    }
  }
}
`}
	set := good(t, load(t, testOptions(), memory(t, files), "/etc/wsgid.d"))
	if got := names(set); !slices.Equal(got, []string{"blog-dev", "blog-dev-2", "blog-production"}) {
		t.Fatalf("apps %v", got)
	}
	base := func(env, path string) *appspec.Spec {
		s := appspec.Default("blog-"+env, path)
		s.Environment = env
		s.WSGIApp, s.Umask, s.Middleware = "blog.main:application", 0o27, []string{"a:a", "b:b"}
		s.Env = map[string]string{"TZ": "UTC", "A": "app", "B": "app", "C": "defaults", "GONE": "x", "KEY": "app"}
		s.Workers.Min, s.Workers.Max, s.Workers.Threads, s.Workers.RequestTimeout = 3, 3, 2, appspec.Duration(5*time.Second)
		s.Sockets.HTTP = []appspec.HTTPSocket{appspec.NewHTTPSocket("unix:/run/blog.sock")}
		s.Sockets.HTTP[0].Mode = 0o600
		s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://127.0.0.1:9997", Send: "tcp://127.0.0.1:9996"}}
		s.Django = &appspec.Django{Settings: "blog.settings", Overrides: map[string]any{"DB": map[string]any{"HOST": "db", "PORT": "1"}, "L": []any{"1"}}}
		s.Sensitive = map[string]bool{"env.KEY": true, "sockets.http[0].listen": true}
		return s
	}
	production := base("production", "/srv/blog")
	production.Enabled = false
	second := base("dev-2", "/srv/apps/blog-dev-2")
	second.Enabled = false
	second.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://127.0.0.1:9987", Send: "tcp://127.0.0.1:9986"}}
	dev := base("dev", "/srv/apps/blog-dev")
	dev.Debug, dev.Umask, dev.Middleware = true, 0o7, []string{"c:c"}
	dev.Env = map[string]string{"TZ": "UTC", "A": "dev", "B": "app", "C": "defaults", "KEY": "dev"}
	dev.Workers.Min, dev.Workers.Max = 0, 2
	dev.Sockets.HTTP = []appspec.HTTPSocket{appspec.NewHTTPSocket("127.0.0.1:8001"), appspec.NewHTTPSocket("127.0.0.1:8002")}
	dev.Django.Overrides = map[string]any{"DB": map[string]any{"HOST": "db", "PORT": "2"}, "L": []any{}}
	dev.Health = appspec.NewHealth("/healthz")
	dev.Sensitive = nil

	numbers := cmpopts.AcyclicTransformer("text", func(v map[string]any) string { return strings.ReplaceAll(appspec.ValueText(v), `"`, "") })
	for _, want := range []*appspec.Spec{dev, production, second} {
		got := set.Specs[want.Name]
		if diff := cmp.Diff(want, got, withoutPlaces, numbers, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (- want, + got):\n%s", want.Name, diff)
		}
		if got.App() != "blog" || got.File != "/etc/wsgid.d/blog.hcl" {
			t.Errorf("%s is of app %s and file %s", got.Name, got.App(), got.File)
		}
	}
	// Each value knows the line that it comes from.
	got := set.Specs["blog-dev"].Ranges
	for path, want := range map[string]string{
		"workers.threads": "defaults.hcl:6", "env.B": "blog.hcl:5", "env.A": "blog.hcl:28", "wsgi_app": "blog.hcl:2", "debug": "blog.hcl:25",
		"workers.request_timeout": "blog.hcl:18", "workers.max": "blog.hcl:39", "sockets.http[0].listen": "blog.hcl:31", "sockets.http[1].listen": "blog.hcl:34",
		"sockets.mongrel2[0].recv": "blog.hcl:12", "health.path": "blog.hcl:45",
	} {
		if at := fmt.Sprintf("%s:%d", got[path].Filename, got[path].Start.Line); at != "/etc/wsgid.d/"+want {
			t.Errorf("%s stands at %s, want %s", path, at, want)
		}
	}
	if _, there := got["sockets.http[0].mode"]; there {
		t.Error("the place of a socket of the app block is kept, though the environment has its own")
	}
}

// The environments of one app are the same in HCL's JSON syntax.
func TestEnvironmentsInJSON(t *testing.T) {
	native := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": blogWith("debug = true\nenv   = { A = \"app\" }", "env = { B = \"dev\" }")}), "/etc/wsgid.d"))
	text := `{"app": {"blog": {
  "debug": true, "env": {"A": "app"},
  "environment": {
    "dev": {"env": {"B": "dev"}, "sockets": {"http": {"listen": "127.0.0.1:8001"}}},
    "production": {"sockets": {"http": {"listen": "127.0.0.1:8002"}}}
  }}}}
`
	json := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl.json": text}), "/etc/wsgid.d"))
	if diff := cmp.Diff(native.Specs, json.Specs, withoutPlaces); diff != "" {
		t.Errorf("(- HCL, + JSON):\n%s", diff)
	}
	if rng := json.Specs["blog-production"].Ranges["sockets.http[0].listen"]; rng.Start.Line != 5 {
		t.Errorf("its socket stands on line %d", rng.Start.Line)
	}
}

// TestEnvironmentsThatGoOn: a mistake in one environment keeps the others from
// nothing; one in the app block is of all of them. What is at fault keeps its last
// good spec: its name is told, or the file is at fault as a whole.
func TestEnvironmentsThatGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		good  string
		at    string // the apps of the faults; those of several separated by a comma
	}{
		"in one":                 {map[string]string{"a.hcl": blogWith("", "colour = 1")}, "blog-production", "blog-dev"},
		"in the app block":       {map[string]string{"a.hcl": blogWith("colour = 1", "")}, "", "blog-dev,blog-production"},
		"in both":                {map[string]string{"a.hcl": blogWith("colour = 1", "color = 2")}, "", "blog-dev,blog-production blog-dev"},
		"a value of the app":     {map[string]string{"a.hcl": blogWith("loader = \"wsgi\"", "")}, "", "blog-dev,blog-production"},
		"overridden in one":      {map[string]string{"a.hcl": blogWith("loader = \"wsgi\"", "loader = \"auto\"")}, "blog-dev", "blog-production"},
		"path":                   {map[string]string{"a.hcl": blogWith("path = \"/srv/blog\"", "")}, "", "blog-dev,blog-production"},
		"a bad name":             {map[string]string{"a.hcl": strings.Replace(blogWith("", ""), `"dev"`, `"De v"`, 1)}, "blog-production", ""},
		"no name":                {map[string]string{"a.hcl": strings.Replace(blogWith("", ""), `"dev"`, ``, 1)}, "", "blog-production"},
		"app and environment":    {map[string]string{"a.hcl": blogWith("", ""), "b.hcl": minimal("blog-dev", "8009")}, "blog-production", "blog-dev blog-dev"},
		"app twice":              {map[string]string{"a.hcl": blogWith("", ""), "b.hcl": minimal("blog", "8009")}, "", "blog-dev,blog-production blog"},
		"two ways to one name":   {map[string]string{"a.hcl": "app \"a\" {\n  environment \"b-c\" {\n    enabled = false\n  }\n}\n", "b.hcl": "app \"a-b\" {\n  environment \"c\" {\n    enabled = false\n  }\n}\n"}, "", "a-b-c a-b-c"},
		"one socket of the app":  {map[string]string{"a.hcl": "app \"blog\" {\n  sockets {\n    http {\n      listen = \"127.0.0.1:8000\"\n    }\n  }\n  environment \"dev\" {\n  }\n  environment \"test\" {\n  }\n  environment \"off\" {\n    enabled = false\n  }\n}\n"}, "blog-off", "blog-dev,blog-test"},
		"cannot be parsed":       {map[string]string{"a.hcl": blogWith("x = [", "")}, "", "blog-dev,blog-production"},
		"cannot be parsed, JSON": {map[string]string{"a.hcl.json": `{"app": {"blog": {"environment": {"dev": {"env": {"environment": "x"}}, "production": {}}}, "shop": {"x": [}}}`}, "", "blog-dev,blog-production,shop"},
		"bad locals":             {map[string]string{"a.hcl": "locals {\n  x = local.y\n}\n" + blogWith("", "") + minimal("shop", "8008")}, "", "blog-dev,blog-production,shop"},
		"bad locals, JSON":       {map[string]string{"a.hcl.json": `{"locals": {"x": "${local.y}"}, "app": {"blog": {"environment": {"dev": {}, "production": {}}}, "shop": {}}}`}, "", "blog-dev,blog-production,shop"},
		"a warning is told once": {map[string]string{"a.hcl": blogWith("limits {\n  tasks = 9\n}", "")}, "blog-dev blog-production", ""},
		"other apps of the file": {map[string]string{"a.hcl": blogWith("colour = 1", "") + minimal("shop", "8008")}, "shop", "blog-dev,blog-production"},
		"an environment in JSON": {map[string]string{"a.hcl.json": `{"app": {"blog": {"environment": {"dev": {"enabled": false}, "test": {"enabled": 3}}}}}`}, "blog-dev", "blog-test"},
		"names of all": {map[string]string{"a.hcl": "app \"blog\" {\n  environment \"dev\" {\n    enabled = false\n    path = \"/srv/a\"\n  }\n}\n",
			"b.hcl": "app \"shop\" {\n  path = \"/srv/a\"\n  enabled = false\n}\n"}, "", "blog-dev shop"},
	} {
		t.Run(name, func(t *testing.T) {
			set := load(t, testOptions(), memory(t, c.files), "/etc/wsgid.d")
			var at []string
			for _, f := range set.Faults {
				if f.App == "" {
					at = append(at, strings.Join(f.Apps, ","))
				} else {
					at = append(at, f.App)
				}
			}
			if got := strings.Join(names(set), " "); got != c.good {
				t.Errorf("apps with a spec: %s, want %s", got, c.good)
			}
			if got := strings.Join(at, " "); got != c.at {
				t.Errorf("at fault: %s, want %s", got, c.at)
			}
			if strings.Contains(name, "warning") && len(set.Warnings) != 1 {
				t.Errorf("%d warnings, want one: %v", len(set.Warnings), set.Warnings)
			}
		})
	}
}

// A load from the cache says the same as the first, and so does one of many files,
// which are read side by side.
func TestEnvironmentsInCache(t *testing.T) {
	files := map[string]string{
		"defaults.hcl": "defaults {\n  loader = \"wsgi\"\n}\n",
		"blog.hcl":     blogWith("", "wsgi_app = \"m:app\""),
		"bad.hcl":      "app \"bad\" {\n  environment \"a\" {\n    enabled = 3\n  }\n  environment \"b\" {\n  }\n}\n",
		"twice.hcl":    "app \"twice\" {\n  environment \"a\" {\n  }\n  environment \"a\" {\n  }\n}\n",
	}
	for i := range 20 {
		name := fmt.Sprintf("a%d", i)
		files[name+".hcl"] = "app \"" + name + "\" {\n  wsgi_app = \"m:app\"\n  enabled = false\n  environment \"dev\" {\n    debug = true\n  }\n}\n"
	}
	fsys := memory(t, files)
	for _, name := range slices.Sorted(maps.Keys(files)) { // older than what a cache doubts
		old := time.Now().Add(-time.Hour)
		check(t, fsys.Chtimes("/etc/wsgid.d/"+name, old, old))
	}
	o := testOptions()
	text := func(set *Set) string {
		var b strings.Builder
		check(t, set.WriteDiagnostics(&b, false))
		for _, f := range set.Faults {
			b.WriteString(f.App + " " + strings.Join(f.Apps, ",") + "\n")
		}
		return b.String() + strings.Join(names(set), " ")
	}
	first := text(load(t, o, fsys, "/etc/wsgid.d"))
	if !strings.Contains(first, `loader "wsgi" needs wsgi_app, in environment "production"`) || !strings.Contains(first, "a19-dev") {
		t.Fatalf("the set is\n%s", first)
	}
	o.Cache = &Cache{}
	for i := range 3 {
		if again := text(load(t, o, fsys, "/etc/wsgid.d")); again != first {
			t.Errorf("load %d with a cache:\n%s\nwithout:\n%s", i, again, first)
		}
	}
}
