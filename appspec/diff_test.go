package appspec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/spectest"
)

// TestDiff has a change of every attribute, what plan shows of it, and what it
// costs.
func TestDiff(t *testing.T) {
	base := func() *Spec {
		s := Default("blog", "/srv/blog")
		s.Sockets.HTTP = []HTTPSocket{NewHTTPSocket("127.0.0.1:8000"), NewHTTPSocket("unix:/run/blog.sock")}
		s.Sockets.Mongrel2 = []Mongrel2Socket{{Recv: "tcp://127.0.0.1:9997", Send: "tcp://127.0.0.1:9996"}}
		s.Django = &Django{Overrides: map[string]any{"DEBUG": false, "DB": map[string]any{"default": map[string]any{"NAME": "x", "PORT": json.Number("1")}}}}
		s.Health = NewHealth("/up")
		s.Env = map[string]string{"TZ": "UTC"}
		return s
	}
	for _, c := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) {}, ""},
		{func(s *Spec) { s.Name, s.File = "other", "x" }, ""}, // no attributes
		{func(s *Spec) { s.Path = "/srv/b" }, `path: "/srv/blog" → "/srv/b" (replace)`},
		{func(s *Spec) { s.Enabled = false }, `enabled: true → false (replace)`},
		{func(s *Spec) { s.Loader = "django" }, `loader: "auto" → "django" (rolling)`},
		{func(s *Spec) { s.WSGIApp = "a:b" }, `wsgi_app:  → "a:b" (rolling)`},
		{func(s *Spec) { s.LoaderDirs = []string{"a", "b"} }, `loader_dirs: [] → ["a", "b"] (rolling)`},
		{func(s *Spec) { s.Middleware = []string{"a:b"} }, `middleware: [] → ["a:b"] (rolling)`},
		{func(s *Spec) { s.Middleware = []string{} }, ""},
		{func(s *Spec) { s.Python = "/usr/bin/python3.11" }, `python:  → "/usr/bin/python3.11" (rolling)`},
		{func(s *Spec) { s.Virtualenv = "venv" }, `virtualenv:  → "venv" (rolling)`},
		{func(s *Spec) { s.User = "blog" }, `user:  → "blog" (replace)`},
		{func(s *Spec) { s.Group = "blog" }, `group:  → "blog" (replace)`},
		{func(s *Spec) { s.Chroot = true }, `chroot: false → true (replace)`},
		{func(s *Spec) { s.Debug = true }, `debug: false → true (rolling)`},
		{func(s *Spec) { s.Env = map[string]string{"TZ": "CET", "A B": "${x}\n"} }, `env["A B"]:  → "$${x}\n" (rolling); env.TZ: "UTC" → "CET" (rolling)`},
		{func(s *Spec) { s.Env = nil }, `env.TZ: "UTC" →  (rolling)`},
		{func(s *Spec) { s.Sockets.HTTP[0].Listen = "127.0.0.1:8001" }, `sockets.http.listen: "127.0.0.1:8000" → "127.0.0.1:8001" (replace)`},
		{func(s *Spec) { s.Sockets.HTTP[0], s.Sockets.HTTP[1] = s.Sockets.HTTP[1], s.Sockets.HTTP[0] }, ""},
		{func(s *Spec) { s.Sockets.HTTP[1].Mode, s.Sockets.HTTP[1].Owner = 0o600, "www" }, `sockets.http["unix:/run/blog.sock"].mode: "0660" → "0600" (replace); sockets.http["unix:/run/blog.sock"].owner:  → "www" (replace)`},
		{func(s *Spec) { s.Sockets.HTTP = s.Sockets.HTTP[:1] }, `sockets.http: { listen = "unix:/run/blog.sock" } →  (replace)`},
		{func(s *Spec) {
			s.Sockets.HTTP = append(s.Sockets.HTTP, HTTPSocket{Listen: "[::1]:8000", Mode: 0o660, TLS: &TLS{Cert: "/c", Key: "/k"}})
		}, `sockets.http:  → { listen = "[::1]:8000", tls.cert = "/c", tls.key = "/k" } (replace)`},
		{func(s *Spec) { s.Sockets.HTTP[0].TLS = &TLS{Cert: "/c", Key: "/k"} }, `sockets.http["127.0.0.1:8000"].tls.cert:  → "/c" (replace); sockets.http["127.0.0.1:8000"].tls.key:  → "/k" (replace)`},
		{func(s *Spec) { s.Sockets.Mongrel2[0].Send = "tcp://127.0.0.1:1" }, `sockets.mongrel2["tcp://127.0.0.1:9997"].send: "tcp://127.0.0.1:9996" → "tcp://127.0.0.1:1" (replace)`},
		{func(s *Spec) { s.Sockets.Mongrel2 = nil }, `sockets.mongrel2: { recv = "tcp://127.0.0.1:9997", send = "tcp://127.0.0.1:9996" } →  (replace)`},
		{func(s *Spec) { s.Workers.Min, s.Workers.Max = 4, 4 }, `workers.count: 1 → 4 (live)`},
		{func(s *Spec) { s.Workers.Min, s.Workers.Max = 0, 4 }, `workers.min: 1 → 0 (live); workers.max: 1 → 4 (live)`},
		{func(s *Spec) { s.Workers.Threads = 2 }, `workers.threads: 1 → 2 (rolling)`},
		{func(s *Spec) { s.Workers.RequestTimeout *= 2 }, `workers.request_timeout: "60s" → "2m" (live)`},
		{func(s *Spec) { s.Workers.StartTimeout *= 3 }, `workers.start_timeout: "30s" → "90s" (live)`},
		{func(s *Spec) { s.Workers.Reserve = 0 }, `workers.reserve: 1 → 0 (live)`},
		{func(s *Spec) { s.Workers.StartNice = 0 }, `workers.start_nice: 10 → 0 (live)`},
		{func(s *Spec) { s.Workers.StopTimeout = 1500 * 1e6 }, `workers.stop_timeout: "30s" → "1.5s" (live)`},
		{func(s *Spec) { s.Workers.IdleTimeout *= 12 }, `workers.idle_timeout: "5m" → "1h" (live)`},
		{func(s *Spec) { s.Workers.MaxRequests = 10 }, `workers.max_requests: 0 → 10 (live)`},
		{func(s *Spec) { s.Workers.MaxAge = 3600 * 1e9 }, `workers.max_age: "0s" → "1h" (live)`},
		{func(s *Spec) { s.Workers.MaxMemory = 512 << 20 }, `workers.max_memory: "0" → "512MiB" (live)`},
		{func(s *Spec) { s.Workers.Preload = true }, `workers.preload: false → true (rolling)`},
		{func(s *Spec) { s.Workers.KeepAlive = false }, `workers.keep_alive: true → false (live)`},
		{func(s *Spec) { s.Workers.Queue = 1 }, `workers.queue: 1024 → 1 (live)`},
		{func(s *Spec) { s.Workers.QueueTimeout *= 2 }, `workers.queue_timeout: "30s" → "60s" (live)`},
		{func(s *Spec) { s.Django.Settings = "a.b" }, `django.settings:  → "a.b" (rolling)`},
		{func(s *Spec) { s.Django.Overrides = map[string]any{"DEBUG": true, "DB": s.Django.Overrides["DB"]} }, `django.overrides.DEBUG: false → true (rolling)`},
		{func(s *Spec) {
			s.Django.Overrides["DB"] = map[string]any{"default": map[string]any{"NAME": "y", "PORT": 1}}
		}, `django.overrides.DB.default.NAME: "x" → "y" (rolling)`},
		{func(s *Spec) { s.Django.Overrides["DB"] = "x" }, `django.overrides.DB: { default = { NAME = "x", PORT = 1 } } → "x" (rolling)`},
		{func(s *Spec) { s.Django.Overrides["L"] = []any{nil, true, json.Number("1.5"), "s"} }, `django.overrides.L:  → [null, true, 1.5, "s"] (rolling)`},
		{func(s *Spec) { s.Django = nil }, `django.overrides.DB: { default = { NAME = "x", PORT = 1 } } →  (rolling); django.overrides.DEBUG: false →  (rolling)`},
		{func(s *Spec) { s.Request.MaxBody = 1e9 }, `request.max_body: "100MiB" → "1GB" (live)`},
		{func(s *Spec) { s.Request.HeaderTimeout *= 2 }, `request.header_timeout: "10s" → "20s" (live)`},
		{func(s *Spec) { s.Request.BodyTimeout *= 2 }, `request.body_timeout: "60s" → "2m" (live)`},
		{func(s *Spec) { s.Request.KeepAliveTimeout *= 2 }, `request.keep_alive_timeout: "75s" → "2m30s" (live)`},
		{func(s *Spec) { s.Request.ResponseBuffer *= 2 }, `request.response_buffer: "64MiB" → "128MiB" (live)`},
		{func(s *Spec) { s.Request.Spool = 0 }, `request.spool: "1GiB" → "0" (live)`},
		{func(s *Spec) { s.Request.Buffering = false }, `request.buffering: true → false (live)`},
		{func(s *Spec) { s.Request.MinRate = 500 }, `request.min_rate: "1KiB" → "500" (live)`},
		{func(s *Spec) { s.Request.TrustedProxies = []string{"::1/128"} }, `request.trusted_proxies: [] → ["::1/128"] (live)`},
		{func(s *Spec) { s.Request.TrustedHeaders = []string{"forwarded"} }, `request.trusted_headers: ["x-forwarded-for", "x-forwarded-proto", "forwarded"] → ["forwarded"] (live)`},
		{func(s *Spec) { s.ServerHeader = false }, `server_header: true → false (live)`},
		{func(s *Spec) { s.Health.Path = "/x" }, `health.path: "/up" → "/x" (live)`},
		{func(s *Spec) { s.Health.Host = "h" }, `health.host:  → "h" (live)`},
		{func(s *Spec) { s.Health = nil }, `health.path: "/up" →  (live); health.interval: "10s" →  (live); health.timeout: "2s" →  (live); health.failures: 3 →  (live)`},
		{func(s *Spec) { s.Restart.MinDelay *= 2 }, `restart.min_delay: "1s" → "2s" (live)`},
		{func(s *Spec) { s.Limits.OpenFiles = 1 }, `limits.open_files: 0 → 1 (rolling)`},
		{func(s *Spec) { s.Limits.Memory = 1 << 30 }, `limits.memory: "0" → "1GiB" (live)`},
		{func(s *Spec) { s.Limits.CPU = 1.5 }, `limits.cpu: 0 → 1.5 (live)`},
		{func(s *Spec) { s.Log.Target, s.Log.Keep = "stderr", 1 }, `log.target: "file" → "stderr" (live); log.keep: 5 → 1 (live)`},
	} {
		after := base()
		c.change(after)
		if got := changesText(Diff(base(), after)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func changesText(changes []Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("%s: %s → %s (%s)", c.Path, c.Old, c.New, c.Disruption))
	}
	return strings.Join(parts, "; ")
}

func TestKind(t *testing.T) {
	for want, changes := range map[Disruption][]Change{
		Nothing: nil,
		Live:    {{Disruption: Live}},
		Rolling: {{Disruption: Live}, {Disruption: Rolling}, {Disruption: Live}},
		Replace: {{Disruption: Replace}, {Disruption: Rolling}},
	} {
		if got := Kind(changes); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestDiffOfNew(t *testing.T) {
	s := Default("blog", "/srv/blog")
	s.Django = &Django{}
	want := `path:  → "/srv/blog" (replace); django:  → { } (rolling)`
	if got := changesText(Diff(nil, s)); got != want {
		t.Errorf("got %s", got)
	}
	if got := changesText(Diff(s, nil)); got != `path: "/srv/blog" →  (replace); django: { } →  (rolling)` {
		t.Errorf("got %s", got)
	}
}

func TestIsSensitive(t *testing.T) {
	s := &Spec{Sensitive: map[string]bool{"env": true, "django.overrides.DB": true, `django.overrides["A.B"]`: true, "sockets.http[1].listen": true}}
	for path, want := range map[string]bool{
		"env": true, "env.A": true, `env["x y"]`: true, "environment": false, "django.overrides": false, "django.overrides.DB.default.NAME": true,
		"django.overrides.DBX": false, `django.overrides["A.B"]`: true, "sockets.http[1].listen": true, "sockets.http[10].listen": false, "": false,
	} {
		if s.IsSensitive(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
	if (*Spec)(nil).IsSensitive("env") {
		t.Error("nil")
	}
}

// drawSpec draws a spec with something in its maps and scalars.
func drawSpec(t *rapid.T, label string) *Spec {
	s := Default("blog", "/srv/blog")
	s.Debug = rapid.Bool().Draw(t, label+"debug")
	s.Workers.Min = rapid.IntRange(0, 2).Draw(t, label+"min")
	s.Workers.Max = s.Workers.Min + rapid.IntRange(0, 2).Draw(t, label+"max")
	s.Env = rapid.MapOfN(rapid.SampledFrom([]string{"A", "B", "x y"}), rapid.SampledFrom([]string{"", "1", "${"}), 0, 3).Draw(t, label+"env")
	if rapid.Bool().Draw(t, label+"django") {
		s.Django = &Django{Overrides: spectest.Object(2).Draw(t, label+"overrides")}
	}
	for _, l := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"127.0.0.1:1", "127.0.0.1:2", "unix:/s"}), 0, 3, rapid.ID).Draw(t, label+"http") {
		s.Sockets.HTTP = append(s.Sockets.HTTP, NewHTTPSocket(l))
	}
	return s
}

// TestDiffProperties: nothing differs from itself, nor after a trip through
// JSON; what changes one way changes back the other; equal specs are those
// without changes.
func TestDiffProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSpec(t, "a "), drawSpec(t, "b ")
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back Spec
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if changes := Diff(a, &back); len(changes) > 0 {
			t.Fatalf("after JSON: %s", changesText(changes))
		}
		there, backAgain := Diff(a, b), Diff(b, a)
		if len(there) != len(backAgain) || Kind(there) != Kind(backAgain) {
			t.Fatalf("there %s\nback %s", changesText(there), changesText(backAgain))
		}
		for _, c := range there {
			if c.Old == c.New || c.Disruption == Nothing {
				t.Fatalf("%+v is no change", c)
			}
		}
		other, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Sockets.HTTP) < 2 && len(there) == 0 && string(text) != string(other) {
			if !cmp.Equal(emptied(a), emptied(b)) {
				t.Fatalf("no change between\n%s\n%s", text, other)
			}
		}
	})
}

// emptied forgets the difference of empty and absent maps.
func emptied(s *Spec) *Spec {
	c := *s
	if len(c.Env) == 0 {
		c.Env = nil
	}
	if c.Django != nil && len(c.Django.Overrides) == 0 {
		c.Django = &Django{Settings: c.Django.Settings}
	}
	return &c
}

// A deploy changes nothing that a spec file says, and yet what runs.
func TestDiffOfReleases(t *testing.T) {
	before, after := Default("blog", ""), Default("blog", "")
	after.Release = &Release{ID: "20261128-2", Commit: "9ab01234567", Dir: "releases/20261128-2"}
	want := []Change{{Path: "release", New: "20261128-2 (commit 9ab0123456)", Disruption: Rolling}}
	if got := Diff(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("first deploy: %v, want %v", got, want)
	}
	before.Release = &Release{ID: "20261128-1", Dir: "releases/20261128-1"}
	want[0].Old = "20261128-1"
	if got := Diff(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("second deploy: %v, want %v", got, want)
	}
	if got := Diff(after, after); got != nil {
		t.Errorf("no deploy: %v", got)
	}
}
