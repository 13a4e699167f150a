package hclspec

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// withoutPlaces compares specs but for where they were written.
var withoutPlaces = cmpopts.IgnoreFields(appspec.Spec{}, "Ranges", "File")

// full is the app of testdata/full.
func full() *appspec.Spec {
	const s = appspec.Duration(time.Second)
	return &appspec.Spec{
		Name: "full", Path: "/srv/full", Enabled: false, Loader: "BlogLoader", WSGIApp: "blog.wsgi:make_app()",
		Hosts: []string{"blog.example.org", "*.blog.example.org", "xn--bcher-kva.example"},
		TLS:   &appspec.TLS{Cert: "/etc/ssl/hosts.pem", Key: "/etc/ssl/hosts.key"},
		Code:  "src", OwnCode: new(bool), LoaderDirs: []string{"loaders", "/srv/loaders"}, Middleware: []string{"blog.mw:Timing", "blog.mw.Auth"},
		Python: "/usr/bin/python3.11", Virtualenv: "venv", User: "blog", Group: "www-data", Chroot: true, Debug: true,
		Env: map[string]string{"TZ": "UTC", "PORT": "8000", "RATIO": "0.5", "odd-name": "x"}, Umask: 0o27, NoNewPrivileges: true, ScriptName: "/blog", WorkingDirectory: "app/var", EnvFile: []string{"-/etc/blog/env"},
		Sockets: appspec.Sockets{
			HTTP: []appspec.HTTPSocket{
				{Listen: "127.0.0.1:8443", Mode: 0o660, TLS: &appspec.TLS{Cert: "/etc/ssl/blog.pem", Key: "/etc/ssl/blog.key"}},
				{Listen: "unix:/run/blog.sock", Mode: 0o600, Owner: "www-data", Group: "www"},
				{Listen: "systemd:blog", Mode: 0o660},
			},
			Mongrel2: []appspec.Mongrel2Socket{{Recv: "tcp://127.0.0.1:9997", Send: "tcp://127.0.0.1:9996", Chroot: "/var/mongrel2"}},
		},
		Workers: appspec.Workers{
			Min: 0, Max: 8, Threads: 4, Reserve: 2, RequestTimeout: 90 * s, StartTimeout: 10 * s, StartNice: 5, StopTimeout: 20 * s, IdleTimeout: 3600 * s,
			MaxRequests: 1000, MaxMemory: 512 << 20, MaxAge: 24 * 3600 * s, Preload: true, KeepAlive: false, Queue: 10, QueueTimeout: 3 * s / 2,
		},
		Django: &appspec.Django{Settings: "blog.settings", Overrides: map[string]any{
			"DEBUG": false, "ADMINS": []any{[]any{"me", "me@example.org"}}, "SITE_ID": json.Number("3"),
			"BIG": json.Number("12345678901234567890123"), "RATIO": json.Number("0.25"), "NOTHING": nil,
			"DATABASES": map[string]any{"default": map[string]any{"NAME": "x", "PORT": json.Number("5432")}}, "DOTTED.X": "y",
		}},
		Request: appspec.Request{MaxBody: 1e9, MaxLine: 8 << 10, MaxHead: 64 << 10, MaxHeaders: 100, HeaderTimeout: 5 * s, BodyTimeout: 30 * s, Buffering: false, KeepAliveTimeout: 15 * s, ResponseBuffer: 32 << 20, Spool: 2 << 30, MinRate: 500, TrustedProxies: []string{"10.0.0.0/8", "::1/128", "unix"},
			TrustedHeaders: []string{"x-forwarded-for", "x-forwarded-host"}},
		Processes: []appspec.Process{
			{Name: "celery", Command: []string{"celery", "-A", "blog", "worker"}, Count: 2, StopSignal: "INT", StopTimeout: 600 * s},
			{Name: "bot", Command: []string{"python", "-m", "blog.bot"}, Count: 1, StopSignal: "TERM", StopTimeout: 30 * s},
		},
		Schedules: []appspec.Schedule{
			{Name: "nightly", Cron: "30 3 * * 1-5", Command: []string{"python", "manage.py", "clearsessions"}, Timeout: 600 * s, Overlap: true, Timezone: "UTC"},
			{Name: "hourly", Cron: "@hourly", Command: []string{"./hourly"}, Timeout: 3600 * s},
		},
		Static:   []appspec.Static{{URL: "/static/", Dir: "app/static", MaxAge: 600 * s}, {URL: "/media/", Dir: "shared/media", MaxAge: 3600 * s}},
		Backends: []appspec.Backend{{Region: "eu1", Count: 2}, {Region: "us1", Count: 1}},
		Health:   &appspec.Health{Path: "/healthz", Host: "blog.example.org:8000", Interval: 30 * s, Timeout: 5 * s, Failures: 2},
		Restart:  appspec.Restart{MinDelay: 2 * s, MaxDelay: 30 * s, ResetAfter: 300 * s},
		Limits:   appspec.Limits{OpenFiles: 4096, Processes: 512, AddressSpace: 2 << 30, Memory: 1 << 30, CPU: 1.5, Tasks: 100},
		Log:      appspec.Log{Target: "journal", Access: true, Format: "json", MaxSize: 1 << 20, Keep: 0},
		Deploy: &appspec.Deploy{
			Repository: "git@git.example.org:crito/blog.git", Branch: "main", Commit: "v1.2", Directory: "src", Wheels: "/srv/wheels",
			SSHKey: "/etc/blog/deploy_key", KnownHosts: "/etc/blog/known_hosts", Shared: []string{"media", "var/db"}, Submodules: true, LFS: true, Keep: 3,
			Env: map[string]string{"STATIC_ROOT": "static"}, Timeout: 300 * s, Nice: 15,
			Stages: []appspec.Stage{
				{Name: "migrate", Command: []string{"python", "manage.py", "migrate", "--noinput"}, When: "before", Timeout: 60 * s},
				{Name: "warm", Command: []string{"./warm"}, When: "after", Timeout: 600 * s},
				{Name: "assets", Command: []string{"make", "assets"}, When: "before", Timeout: 600 * s, EachHost: true},
			},
		},
		Database:  &appspec.Database{Engine: "postgresql", Name: "blog", Owner: "crito", Server: "db.example.org:5432", Admin: "postgres:x"},
		Sensitive: map[string]bool{"database.admin": true}, // however it is written
	}
}

// TestFull reads every attribute, in both syntaxes.
func TestFull(t *testing.T) {
	for file, name := range map[string]string{"full.hcl": "full.hcl", "full.json": "full.hcl.json"} {
		text, err := os.ReadFile("testdata/full/" + file)
		check(t, err)
		o := testOptions()
		o.Root, o.Systemd = true, true
		fsys := memory(t, map[string]string{name: strings.Replace(string(text), `"/srv/loaders"`, `"/srv/full/l"`, 1)})
		set := good(t, load(t, o, fsys, "/etc/wsgid.d"))
		want := full()
		want.LoaderDirs[1] = "/srv/full/l" // as chroot is true
		got := set.Specs["full"]
		if diff := cmp.Diff(want, got, withoutPlaces); diff != "" {
			t.Errorf("%s (- want, + got):\n%s", file, diff)
		}
		// The table has no attribute that the file does not set.
		for _, a := range appspec.Attributes() {
			switch a.Path {
			case "root", "apply", "workers.count":
				continue
			}
			found := false
			for i := range 3 {
				_, ok := got.Ranges[appspec.IndexPath(a.Path, i)]
				found = found || ok
			}
			if !found {
				t.Errorf("%s is not in %s", a.Path, file)
			}
		}
	}
}

// TestJSON: what goes to the state directory comes back the same, with numbers
// that stay what they are.
func TestJSON(t *testing.T) {
	s := full()
	s.Sensitive = map[string]bool{"env.TZ": true, `django.overrides["DOTTED.X"]`: true}
	b, err := json.Marshal(s)
	check(t, err)
	var back appspec.Spec
	check(t, json.Unmarshal(b, &back))
	if diff := cmp.Diff(s, &back); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(b), `"BIG":12345678901234567890123,`) || !strings.Contains(string(b), `"SITE_ID":3`) {
		t.Errorf("numbers changed: %s", b)
	}
	if changes := appspec.Diff(s, &back); len(changes) != 0 {
		t.Errorf("changes: %v", changes)
	}
	d := appspec.Default("blog", "/srv/blog")
	b, err = json.Marshal(d)
	check(t, err)
	var again appspec.Spec
	check(t, json.Unmarshal(b, &again))
	if diff := cmp.Diff(d, &again); diff != "" {
		t.Error(diff)
	}
}

func TestDefault(t *testing.T) {
	const s = appspec.Duration(time.Second)
	want := &appspec.Spec{
		Name: "blog", Path: "/srv/blog", Enabled: true, Loader: "auto", Umask: 0o22, ServerHeader: true,
		Workers: appspec.Workers{
			Min: 1, Max: 1, Threads: 1, Reserve: 1, RequestTimeout: 60 * s, StartTimeout: 30 * s, StartNice: 10, StopTimeout: 30 * s, IdleTimeout: 300 * s,
			KeepAlive: true, Queue: 1024, QueueTimeout: 30 * s,
		},
		Request: appspec.Request{MaxBody: 100 << 20, MaxLine: 32 << 10, MaxHead: 80 << 10, MaxHeaders: 256, HeaderTimeout: 10 * s, BodyTimeout: 60 * s, Buffering: true, KeepAliveTimeout: 75 * s, ResponseBuffer: 64 << 20, Spool: 1 << 30, MinRate: 1 << 10,
			TrustedHeaders: []string{"x-forwarded-for", "x-forwarded-proto", "forwarded"}},
		Restart: appspec.Restart{MinDelay: s, MaxDelay: 60 * s, ResetAfter: 60 * s},
		Log:     appspec.Log{Target: "file", Format: "text", MaxSize: 64 << 20, Keep: 5},
	}
	if diff := cmp.Diff(want, appspec.Default("blog", "/srv/blog")); diff != "" {
		t.Error(diff)
	}
	// A spec that says nothing more is the default.
	set := good(t, load(t, testOptions(), memory(t, map[string]string{"blog.hcl": minimal("blog", "8000")}), "/etc/wsgid.d"))
	want.Path = "/var/wsgid/blog"
	want.Sockets.HTTP = []appspec.HTTPSocket{appspec.NewHTTPSocket("127.0.0.1:8000")}
	if diff := cmp.Diff(want, set.Specs["blog"], withoutPlaces); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&appspec.Health{Path: "/up", Interval: 10 * s, Timeout: 2 * s, Failures: 3}, appspec.NewHealth("/up")); diff != "" {
		t.Error(diff)
	}
}

// TestTable holds the table together: each default can be read and is in the
// allowed range, each row has what the reference page shows.
func TestTable(t *testing.T) {
	seen := make(map[string]bool)
	for i := range appspec.Attributes() {
		a := &appspec.Attributes()[i]
		if seen[a.Path] || a.Doc == "" || (a.Disruption == appspec.Nothing) != (strings.HasPrefix(a.Path, "deploy.") || strings.HasPrefix(a.Path, "backends.") || strings.HasPrefix(a.Path, "database.")) {
			t.Errorf("%s: twice, or without doc or disruption", a.Path)
		}
		seen[a.Path] = true
		if b := a.Block(); b != "" && appspec.Table().Block[b] == nil {
			t.Errorf("%s: no block %s", a.Path, b)
		}
		if a.Min > a.Max {
			t.Errorf("%s: min over max", a.Path)
		}
		for _, text := range []string{a.Default, a.Example} {
			if text == "" {
				continue
			}
			body := a.Path[strings.LastIndexByte(a.Path, '.')+1:] + " = " + text + "\n"
			if hint := readsAs(t, a, body); hint != "" {
				t.Errorf("%s: %s cannot be read: %s", a.Path, text, hint)
			}
		}
	}
	for _, b := range appspec.Blocks() {
		if b.Doc == "" || seen[b.Path] {
			t.Errorf("block %s: without doc, or an attribute as well", b.Path)
		}
	}
}

// readsAs decodes one line as the attribute and returns what is wrong with it.
func readsAs(t *testing.T, a *appspec.Attribute, line string) string {
	o := testOptions()
	o.Root = true
	f := &file{path: "x.hcl", src: []byte(line)}
	body := f.parse()
	if body == nil {
		return f.diags.Error()
	}
	f.ctx = newContext(o, memory(t, nil), "x.hcl")
	attrs, _, _ := f.section(body, nil)
	d := &decoder{o: o, f: f, owner: "x", defaults: a.RootOnly}
	d.attribute(a, attrs[0], 0)
	if len(d.diags) > 0 {
		return d.diags[0].Summary
	}
	return ""
}

// TestNoSecretInText prints a spec in every way that a careless line could.
func TestNoSecretInText(t *testing.T) {
	text := strings.Replace(minimal("blog", "8000"), "{\n", `{
  env        = { KEY = sensitive("hunter2"), TZ = "UTC" }
  middleware = [sensitive("hunter2.a:b")]
  django {
    settings  = file("settings")
    overrides = { SECRET = sensitive("hunter2"), DB = { default = { PASSWORD = trimspace(file("/etc/pw")), NAME = "x" } }, L = ["a", sensitive("hunter2")] }
  }
  log {
    access = sensitive(true)
  }
`, 1)
	fsys := memory(t, map[string]string{"blog.hcl": text, "settings": "hunter2.settings", "/etc/pw": "hunter2\n"})
	s := good(t, load(t, testOptions(), fsys, "/etc/wsgid.d")).Specs["blog"]
	want := map[string]bool{
		"env.KEY": true, "middleware": true, "django.settings": true, "django.overrides.SECRET": true,
		"django.overrides.DB.default.PASSWORD": true, "django.overrides.L": true, "log.access": true,
	}
	if diff := cmp.Diff(want, s.Sensitive); diff != "" {
		t.Error(diff)
	}
	if s.Env["KEY"] != "hunter2" || s.Django.Settings != "hunter2.settings" {
		t.Errorf("the values are not there: %q, %q", s.Env["KEY"], s.Django.Settings)
	}
	other := appspec.Default("blog", "/srv/blog")
	other.Env = map[string]string{"KEY": "hunter2"}
	var all strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&all, verb+" "+verb+" "+verb+"\n", s, *s, s.Django)
	}
	for _, changes := range [][]appspec.Change{appspec.Diff(nil, s), appspec.Diff(s, nil), appspec.Diff(s, other), appspec.Diff(other, s)} {
		b, err := json.Marshal(changes)
		check(t, err)
		all.Write(b)
	}
	all.WriteString(s.LogValue().String() + s.Django.LogValue().String())
	if strings.Contains(all.String(), "hunter2") || strings.Contains(all.String(), "68756e746572") {
		t.Errorf("a secret is printed:\n%s", all.String())
	}
	if !strings.Contains(s.String(), `env.KEY = (sensitive); env.TZ = "UTC";`) || !strings.Contains(s.String(), `django.overrides.DB = { default = { NAME = "x", PASSWORD = (sensitive) } };`) {
		t.Errorf("got %s", s)
	}
}

// What an earlier version wrote, which does not know the newest attributes, is
// read with their defaults.
func TestJSONOfAnEarlierVersion(t *testing.T) {
	b, err := json.Marshal(appspec.Default("blog", "/srv/blog"))
	check(t, err)
	var fields map[string]any
	check(t, json.Unmarshal(b, &fields))
	delete(fields, "umask")
	b, err = json.Marshal(fields)
	check(t, err)
	var back appspec.Spec
	check(t, json.Unmarshal(b, &back))
	if diff := cmp.Diff(appspec.Default("blog", "/srv/blog"), &back); diff != "" {
		t.Error(diff)
	}
}

// Of a proxy that is to be believed nothing, nothing is believed after a way
// through JSON either.
func TestNoTrustedHeaderInJSON(t *testing.T) {
	s := appspec.Default("blog", "/srv/blog")
	s.Request.TrustedHeaders = nil
	b, err := json.Marshal(s)
	check(t, err)
	var again appspec.Spec
	check(t, json.Unmarshal(b, &again))
	if len(again.Request.TrustedHeaders) > 0 {
		t.Errorf("%q are believed", again.Request.TrustedHeaders)
	}
}
