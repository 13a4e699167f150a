package appdir

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func parse(t *testing.T, text string) (*Config, *appspec.Spec) {
	t.Helper()
	c, err := ParseConfig("wsgid.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := appspec.Default("blog", "/var/wsgid/blog")
	if err := c.Apply(s); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// The file of wsgid's own documentation, all values strings.
func TestConfigOfWsgid(t *testing.T) {
	c, s := parse(t, `{
    "recv": "tcp://127.0.0.1:5000",
    "send": "tcp://127.0.0.1:5001",
    "debug": "True",
    "workers": "4",
    "keep_alive": "false",
    "chroot": "",
    "wsgi_app": "frontends.wsgi.entry_point",
    "loader_dir": "loaders",
    "mongrel2_chroot": "/var/mongrel2",
    "no_daemon": "true",
    "stdout": false,
    "envs": {"ENV1": "VALUE1", "N": 5, "B": true},
    "django": null
  }`)
	want := appspec.Default("blog", "/var/wsgid/blog")
	want.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://127.0.0.1:5000", Send: "tcp://127.0.0.1:5001", Chroot: "/var/mongrel2"}}
	want.Debug = true
	want.Workers.Min, want.Workers.Max, want.Workers.KeepAlive = 4, 4, false
	want.WSGIApp = "frontends.wsgi.entry_point"
	want.LoaderDirs = []string{"loaders"}
	want.Env = map[string]string{"ENV1": "VALUE1", "N": "5", "B": "true"}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !c.NoDaemon || c.Stdout || c.Managed() || len(c.Unknown()) > 0 {
		t.Errorf("%+v", c)
	}
	if _, s := parse(t, `{"django": "true", "loader_dir": ["a", "b"]}`); s.Loader != "django" || len(s.LoaderDirs) != 2 {
		t.Errorf("%+v", s)
	}
	for _, empty := range []string{"", " \n", "{}", "\xef\xbb\xbf{}"} {
		if _, s := parse(t, empty); !cmp.Equal(s, appspec.Default("blog", "/var/wsgid/blog")) {
			t.Errorf("%q changes the spec: %+v", empty, s)
		}
	}
}

func TestConfigWinsOverTheCommandLine(t *testing.T) {
	c, err := ParseConfig("wsgid.json", []byte(`{"recv": "tcp://1.1.1.1:1", "workers": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	s := appspec.Default("blog", "/var/wsgid/blog")
	s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://2.2.2.2:2", Send: "tcp://2.2.2.2:3"}}
	s.Workers.Min, s.Workers.Max, s.Debug = 2, 2, true
	if err := c.Apply(s); err != nil {
		t.Fatal(err)
	}
	if s.Workers.Max != 3 || !s.Debug || s.Sockets.Mongrel2[0] != (appspec.Mongrel2Socket{Recv: "tcp://1.1.1.1:1", Send: "tcp://2.2.2.2:3"}) {
		t.Errorf("%+v", s)
	}
}

func TestConfigMistakes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"workers": "four"}`, `cannot read FILE: workers is "four" at line 1, column 13, want a number from 1`},
		{`{"workers": 0}`, `cannot read FILE: workers is 0 at line 1, column 13, want a number from 1`},
		{`{"workers": 2.5}`, `cannot read FILE: workers is 2.5 at line 1, column 13, want a number from 1`},
		{`{"workers": [2]}`, `cannot read FILE: workers is [2] at line 1, column 13, want a number from 1`},
		{"{\n  \"debug\": \"yes\"\n}", `cannot read FILE: debug is "yes" at line 2, column 12, want true or false`},
		{`{"ünï": 1, "debug": 1}`, `cannot read FILE: debug is 1 at line 1, column 21, want true or false`},
		{`{"keep_alive": {}}`, `cannot read FILE: keep_alive is {} at line 1, column 16, want true or false`},
		{`{"chroot": "maybe"}`, `cannot read FILE: chroot is "maybe" at line 1, column 12, want true or false`},
		{`{"no_daemon": []}`, `cannot read FILE: no_daemon is [] at line 1, column 15, want true or false`},
		{`{"stdout": 1}`, `cannot read FILE: stdout is 1 at line 1, column 12, want true or false`},
		{`{"django": "django"}`, `cannot read FILE: django is "django" at line 1, column 12, want true or false`},
		{`{"wsgi_app": 1}`, `cannot read FILE: wsgi_app is 1 at line 1, column 14, want a string`},
		{`{"recv": 9997}`, `cannot read FILE: recv is 9997 at line 1, column 10, want a string`},
		{`{"mongrel2_chroot": true}`, `cannot read FILE: mongrel2_chroot is true at line 1, column 21, want a string`},
		{`{"recv": "127.0.0.1:9997"}`, `cannot read FILE: recv = "127.0.0.1:9997" is not a ZeroMQ endpoint, expected transport://address such as tcp://127.0.0.1:9997 (line 1, column 10)`},
		{`{"send": "http://x:1"}`, `cannot read FILE: send = "http://x:1" has unknown transport "http", expected one of inproc, ipc, tcp, pgm, epgm (line 1, column 10)`},
		{`{"loader_dir": [1]}`, `cannot read FILE: loader_dir is [1] at line 1, column 16, want a string or a list of strings`},
		{`{"envs": []}`, `cannot read FILE: envs is [] at line 1, column 10, want an object, such as {"NAME": "value"}`},
		{`{"envs": {"A": null}}`, `cannot read FILE: envs at line 1, column 10: the value of A is not a string`},
		{`{"envs": {"A=B": "x"}}`, `cannot read FILE: envs at line 1, column 10: "A=B" is not a valid name of an environment variable`},
		{`{"envs": {"A": "x\u0000y"}}`, `cannot read FILE: envs at line 1, column 10: the value of A contains a NUL byte`},
		{`{"fleet": 1}`, `cannot read FILE: fleet is 1 at line 1, column 11, want an object`},
		{`{"fleet": {"workers": {"threads": "2"}}}`, `cannot read FILE: fleet.workers.threads is "2" at line 1, column 35, want a whole number from 1 to 1024`},
		{`{"fleet": {"workers": {"threads": 1.5}}}`, `cannot read FILE: fleet.workers.threads is 1.5 at line 1, column 35, want a whole number from 1 to 1024`},
		{`{"fleet": {"workers": {"threads": -1}}}`, `cannot read FILE: fleet.workers.threads is -1 at line 1, column 35, want a whole number from 1 to 1024`},
		{"{\"fleet\": {\n \"wokers\": {}}}", `cannot read FILE: unknown option fleet.wokers at line 2, column 12; did you mean "workers"?`},
		{`{"fleet": {"x": 1}}`, `cannot read FILE: unknown option fleet.x at line 1, column 17`},
		{`{"fleet": {"path": "/x"}}`, `cannot read FILE: unknown option fleet.path at line 1, column 20; the app folder is the one that holds this file`},
		{`{"fleet": {"workers": {"count": 2}}}`, `cannot read FILE: unknown option fleet.workers.count at line 1, column 33; outside of fleet it is called workers`},
		{`{"fleet": {"django": {"overrides": {}}}}`, `cannot read FILE: unknown option fleet.django.overrides at line 1, column 36; these settings stand in django.json`},
		{`{"fleet": {"sockets": {"http": [{}]}}}`, `cannot read FILE: fleet.sockets.http[0] has no listen at line 1, column 33, want such as "127.0.0.1:8000"`},
		{`{"fleet": {"sockets": {"http": {}}}}`, `cannot read FILE: fleet.sockets.http is {} at line 1, column 32, want a list of objects`},
		{`{"fleet": {"sockets": {"http": [5]}}}`, `cannot read FILE: fleet.sockets.http[0] is 5 at line 1, column 33, want an object`},
		{`{"fleet": {"sockets": {"http": [{"listen": 80}]}}}`, `cannot read FILE: fleet.sockets.http[0].listen is 80 at line 1, column 44, want a string`},
		{`{"fleet": {"sockets": {"http": [{"listen": ":1", "mode": "0660"}]}}}`, `cannot read FILE: fleet.sockets.http[0].mode is "0660" at line 1, column 58, want permission bits as a number, such as 432, which is 0660`},
		{`{"fleet": {"sockets": {"http": [{"listen": ":1", "tls": {"cert": "/c", "kye": "/k"}}]}}}`, `cannot read FILE: unknown option fleet.sockets.http[0].tls.kye at line 1, column 79; did you mean "key"?`},
		{`{"fleet": {"workers": {"start_timeout": "soon"}}}`, `cannot read FILE: fleet.workers.start_timeout is "soon" at line 1, column 41, want a duration, such as "30s" from 1ms to 24h0m0s`},
		{`{"fleet": {"workers": {"start_timeout": 30}}}`, `cannot read FILE: fleet.workers.start_timeout is 30 at line 1, column 41, want a duration, such as "30s" from 1ms to 24h0m0s`},
		{`{"fleet": {"request": {"max_body": "1MB"}}}`, `cannot read FILE: fleet.request.max_body is "1MB" at line 1, column 36, want a number of bytes from 1 to 1PiB`},
		{`{"fleet": {"limits": {"cpu": "1"}}}`, `cannot read FILE: fleet.limits.cpu is "1" at line 1, column 30, want a number from 0.01 to 4096, or 0`},
		{`{"fleet": {"log": {"target": "syslog"}}}`, `cannot read FILE: fleet.log.target is "syslog" at line 1, column 30, want one of file, journal, stderr`},
		{`{"fleet": {"enabled": "true"}}`, `cannot read FILE: fleet.enabled is "true" at line 1, column 23, want true or false`},
		{`{"fleet": {"middleware": "a:b"}}`, `cannot read FILE: fleet.middleware is "a:b" at line 1, column 26, want a list of strings`},
		{`{"fleet": {"workers": {"min": 4, "max": 2}}}`, `cannot read FILE: fleet.workers.min is 4 at line 1, column 11, and max is 2`},
		{`[1]`, `cannot read FILE: it is not a JSON object, expected { "option": value, … }`},
		{`"x"`, `cannot read FILE: it is not a JSON object, expected { "option": value, … }`},
		{"{\"a\": 1,\n}", `cannot read FILE: not JSON at line 2, column 1: invalid character '}' looking for beginning of object key string`},
		{"{\n 'recv': 1}", `cannot read FILE: not JSON at line 2, column 2: invalid character '\'' looking for beginning of object key string`},
		{`{"a": 1} x`, `cannot read FILE: not JSON at line 1, column 10: invalid character 'x' after top-level value`},
		{"{\"a\": 1\n", `cannot read FILE: not JSON at line 1, column 8: unexpected end of JSON input`},
		{"{\"a\": \"\xff\"}", `cannot read FILE: byte 0xff at line 1, column 8 is not UTF-8`},
		{`{"a": ` + strings.Repeat("[", 100000), `cannot read FILE: not JSON at line 1, column 10006: invalid character '[' exceeded max depth`},
	} {
		c, err := ParseConfig("FILE", []byte(tt.text))
		if err == nil {
			err = c.Apply(appspec.Default("blog", "/var/wsgid/blog"))
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

func TestConfigRepeatedOptions(t *testing.T) {
	c, s := parse(t, "{\"workers\": 2,\n \"debug\": true, \"workers\": 3}")
	if diff := cmp.Diff([]string{"wsgid.json: workers is defined twice; the one at line 2, column 28 is used"}, c.Repeated()); diff != "" || s.Workers.Max != 3 {
		t.Errorf("%s\n%+v", diff, s.Workers)
	}
}

// A block that is written by hand has the defaults of a spec where it says
// nothing.
func TestConfigFleetDefaults(t *testing.T) {
	_, s := parse(t, `{"fleet": {"health": {"path": "/up"}, "workers": {"min": 3}, "sockets": {"http": [{"listen": "unix:/run/x.sock"}]}, "django": null}}`)
	if diff := cmp.Diff(appspec.NewHealth("/up"), s.Health); diff != "" {
		t.Error(diff)
	}
	if s.Workers.Min != 3 || s.Workers.Max != 3 || s.Sockets.HTTP[0].Mode != 0o660 || s.Workers.StartTimeout == 0 {
		t.Errorf("%+v", s)
	}
}

func TestConfigUnknownOptions(t *testing.T) {
	c, _ := parse(t, `{"worker": 1, "recv_": "", "mine": {"a": [1, 2]}, "keep-alive": true, "nodaemon": false}`)
	want := []string{
		`wsgid.json: unknown option "worker" at line 1, column 12; did you mean "workers"?`,
		`wsgid.json: unknown option "recv_" at line 1, column 24; did you mean "recv"?`,
		`wsgid.json: unknown option "mine" at line 1, column 36`,
		`wsgid.json: unknown option "keep-alive" at line 1, column 65; did you mean "keep_alive"?`,
	}
	if diff := cmp.Diff(want, c.Unknown()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigKeepsWhatItDoesNotKnow(t *testing.T) {
	c, err := ParseConfig("wsgid.json", []byte(`{"zeta": {"b": 1, "a": 1e400}, "workers": "4", "alpha": "<ü>"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set("workers", 2); err != nil {
		t.Fatal(err)
	}
	if err := c.Set("debug", true); err != nil {
		t.Fatal(err)
	}
	c.Delete("nothing")
	got, err := c.JSON()
	want := "{\n  \"zeta\": {\n    \"b\": 1,\n    \"a\": 1e400\n  },\n  \"workers\": 2,\n  \"alpha\": \"<ü>\",\n  \"debug\": true\n}\n"
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

// fullSpec says something in every corner.
func fullSpec() *appspec.Spec {
	s := appspec.Default("blog", "/var/wsgid/blog")
	s.WSGIApp, s.Loader, s.LoaderDirs = "blog.wsgi:application", "django", []string{"loaders"}
	s.Enabled = false
	s.Middleware, s.Python, s.Virtualenv, s.User, s.Group = []string{"a:B"}, "/usr/bin/python3", "venv", "blog", "web"
	s.Chroot, s.Debug = true, true
	s.Env = map[string]string{"KEY": "<secret>"}
	s.Sensitive = map[string]bool{"env.KEY": true}
	http := appspec.NewHTTPSocket("unix:/run/blog.sock")
	http.TLS = &appspec.TLS{Cert: "/c", Key: "/k"}
	s.Sockets.HTTP = []appspec.HTTPSocket{http, appspec.NewHTTPSocket("127.0.0.1:8000")}
	s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://1.1.1.1:1", Send: "tcp://1.1.1.1:2", Chroot: "/m"}, {Recv: "ipc:///a", Send: "ipc:///b"}}
	s.Workers.Min, s.Workers.Max, s.Workers.KeepAlive, s.Workers.Preload = 0, 8, false, true
	s.Workers.MaxMemory = 1<<50 - 1 // as a float it would be written 1.1e+15
	s.Workers.RequestTimeout = appspec.Duration(90 * time.Second)
	s.Django = &appspec.Django{Settings: "blog.settings"}
	s.Health = appspec.NewHealth("/healthz")
	s.Limits.CPU = 1.5
	s.Log.Format = "json"
	return s
}

// wsgid --app-path on a folder of the fleet's starts the same app.
func TestConfigRoundTrip(t *testing.T) {
	for name, s := range map[string]*appspec.Spec{"full": fullSpec(), "default": appspec.Default("blog", "/var/wsgid/blog")} {
		t.Run(name, func(t *testing.T) {
			data, err := configJSON(s, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, got := parse(t, string(data))
			if diff := cmp.Diff(s, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, data)
			}
			if !c.Managed() || len(c.Unknown()) > 0 {
				t.Errorf("managed %v, unknown %v", c.Managed(), c.Unknown())
			}
			again, err := configJSON(got, nil)
			if err != nil || string(again) != string(data) {
				t.Errorf("written again it differs: %v\n%s", err, cmp.Diff(string(data), string(again)))
			}
		})
	}
}

// The part that wsgid 0.7 reads has its names and plain values.
func TestConfigSpeaksWsgid(t *testing.T) {
	data, err := configJSON(fullSpec(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "fleet")
	want := map[string]any{
		"recv": "tcp://1.1.1.1:1", "send": "tcp://1.1.1.1:2", "mongrel2_chroot": "/m", "workers": 8.0, "keep_alive": false,
		"wsgi_app": "blog.wsgi:application", "debug": true, "chroot": true, "django": true, "loader_dir": []any{"loaders"},
		"envs": map[string]any{"KEY": "<secret>"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(string(data), `\u003c`) {
		t.Errorf("the file is escaped for HTML:\n%s", data)
	}
}

func TestParseDjango(t *testing.T) {
	got, err := parseDjango("FILE", []byte(`{"DATABASES": {"default": {"NAME": "x"}}}`))
	if err != nil || got["DATABASES"] == nil {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		`[]`:                       `cannot read FILE: it is not a JSON object, expected { "SETTING": value, … }`,
		"{\n \"A\": True\n}":       `cannot read FILE: not JSON at line 2, column 7: invalid character 'T' looking for beginning of value`,
		``:                         `cannot read FILE: not JSON at line 1, column 1: unexpected end of JSON input`,
		"{\"A\": 1}\n{\"B\": 2}\n": `cannot read FILE: not JSON at line 2, column 1: invalid character '{' after top-level value`,
	} {
		if _, err := parseDjango("FILE", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestCheckEndpoint(t *testing.T) {
	for _, good := range []string{"tcp://127.0.0.1:9997", "tcp://*:1", "tcp://[::1]:65535", "ipc:///run/x", "inproc://a", "pgm://eth0;239.0.0.1:1", "epgm://x"} {
		if err := CheckEndpoint("recv", good); err != nil {
			t.Error(err)
		}
	}
	for endpoint, want := range map[string]string{
		"":                  `recv = "" is not a ZeroMQ endpoint, expected transport://address such as tcp://127.0.0.1:9997`,
		"tcp:127.0.0.1:1":   `recv = "tcp:127.0.0.1:1" is not a ZeroMQ endpoint, expected transport://address such as tcp://127.0.0.1:9997`,
		"udp://127.0.0.1:1": `recv = "udp://127.0.0.1:1" has unknown transport "udp", expected one of inproc, ipc, tcp, pgm, epgm`,
		"TCP://127.0.0.1:1": `recv = "TCP://127.0.0.1:1" has unknown transport "TCP", expected one of inproc, ipc, tcp, pgm, epgm`,
		"ipc://":            `recv = "ipc://" has no address after ipc://`,
		"tcp://127.0.0.1":   `recv = "tcp://127.0.0.1" has no port, expected tcp://host:port`,
		"tcp://127.0.0.1:":  `recv = "tcp://127.0.0.1:" has no port, expected tcp://host:port`,
		"tcp://[::1]":       `recv = "tcp://[::1]" has no port, expected tcp://host:port`,
		"tcp://:99":         `recv = "tcp://:99" has no host, expected tcp://host:port`,
		"tcp://h:65536":     `recv = "tcp://h:65536" has port "65536", expected a number from 1 to 65535`,
		"tcp://h:0":         `recv = "tcp://h:0" has port "0", expected a number from 1 to 65535`,
		"tcp://h:http":      `recv = "tcp://h:http" has port "http", expected a number from 1 to 65535`,
	} {
		if err := CheckEndpoint("recv", endpoint); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{`{"workers": "4", "recv": "tcp://a:1"}`, `{"envs": {"A": 1}, "fleet": {"name": "x"}}`, `[`, "\xff", `{"a":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig("f", data)
		if err != nil {
			return
		}
		_ = c.Apply(appspec.Default("blog", "/var/wsgid/blog"))
		_ = c.Unknown()
		out, err := c.JSON()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := ParseConfig("f", out); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

// What a deploy has made is in the files that the app reads, and sensitive there as
// well; it stands nowhere else in them.
func TestConfigOfMade(t *testing.T) {
	s := fullSpec()
	s.Made = &appspec.Made{Env: map[string]string{"DATABASE_URL": "postgresql://u:s3cret@/n"}, Secrets: []string{"s3cret"},
		Django: map[string]any{"DATABASES": map[string]any{"default": map[string]any{"PASSWORD": "s3cret"}}}}
	django, err := djangoJSON(s)
	if err != nil || !strings.Contains(string(django), `"PASSWORD": "s3cret"`) {
		t.Fatalf("%s, %v", django, err)
	}
	config, err := configJSON(s, django)
	if err != nil || strings.Count(string(config), "s3cret") != 1 || !strings.Contains(string(config), `"DATABASE_URL": "postgresql://u:s3cret@/n"`) {
		t.Errorf("%s, %v", config, err)
	}
	conf, err := ParseConfig("FILE", config)
	if err != nil {
		t.Fatal(err)
	}
	again := appspec.Default("blog", "/var/wsgid/blog")
	if err := conf.Apply(again); err != nil || !again.IsSensitive("env.DATABASE_URL") || !again.IsSensitive("env.KEY") || again.Env["DATABASE_URL"] == "" {
		t.Errorf("%v: %v, %v", err, again.Env, again.Sensitive)
	}
	if s.IsSensitive("env.DATABASE_URL") || len(s.Env) != 1 {
		t.Error("the spec itself was changed")
	}
}
