package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Whatever the program knows is in its help.
func TestHelpIsComplete(t *testing.T) {
	s := newSite(t)
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"stop", "--help"}} {
		code, out, errs := s.run(args...)
		if code != 0 || errs != "" || out != helpText {
			t.Errorf("wsgid %v: exit %d\n%s", args, code, errs)
		}
	}
	var o options
	if _, err := o.parse(nil); err != nil {
		t.Fatal(err)
	}
	o.flags.VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(helpText, "--"+f.Name) {
			t.Errorf("--%s is not in the help", f.Name)
		}
	})
	for _, name := range commands {
		if !strings.Contains(helpText, "\n    "+name) {
			t.Errorf("%s is not in the help", name)
		}
	}
	for line := range strings.Lines(helpText) {
		if len([]rune(line)) > 80 { // with its newline
			t.Errorf("too wide for a terminal: %s", line)
		}
	}
	if code, out, _ := s.run("--version"); code != 0 || !strings.HasPrefix(out, "wsgid ") {
		t.Errorf("--version: exit %d, %s", code, out)
	}
}

// What the help shows as wsgid.json is one.
func TestHelpShowsGoodJSON(t *testing.T) {
	blocks := 0
	for block := range strings.SplitSeq(helpText, "\n\n") {
		if !strings.HasPrefix(strings.TrimSpace(block), "{") {
			continue
		}
		blocks++
		conf, err := appdir.ParseConfig("help", []byte(block))
		if err == nil {
			err = conf.Apply(appspec.Default("blog", "/var/wsgid/blog"))
		}
		if err != nil || len(conf.Unknown()) > 0 {
			t.Errorf("%s\n%v %v", block, err, conf.Unknown())
		}
	}
	if blocks != 2 {
		t.Errorf("%d blocks", blocks)
	}
}

func TestInherit(t *testing.T) {
	s := appspec.Default("blog", "/var/wsgid/blog")
	inherit(s, []string{"PYTHONPATH=/x", "A_SETTINGS_MODULE=a.b=c", "SECRET=x", "PYTHONHOME=/y"})
	if len(s.Env) != 2 || s.Env["PYTHONPATH"] != "/x" || s.Env["A_SETTINGS_MODULE"] != "a.b=c" {
		t.Errorf("%v", s.Env)
	}
	inherit(s, []string{"PYTHONPATH=/other"})
	if s.Env["PYTHONPATH"] != "/x" {
		t.Errorf("what was said is overruled: %v", s.Env)
	}
}

func TestUsageErrors(t *testing.T) {
	s := newSite(t)
	for want, args := range map[string][]string{
		`cannot run "stert": no such command; did you mean "start"?`:                                                               {"stert"},
		`cannot run "foo": no such command`:                                                                                        {"foo"},
		`cannot run stop: unexpected argument "now"`:                                                                               {"stop", "now"},
		`cannot read the command line: no such option: --worker; did you mean "--workers"?`:                                        {"--worker=2"},
		`cannot read the command line: no such option: --frobnicate`:                                                               {"--frobnicate"},
		`cannot read the command line: no such option: -x`:                                                                         {"-x"},
		`cannot read the command line: --workers=two, want a number from 1`:                                                        {"--workers=two"},
		`cannot start: --workers=0, want a number from 1`:                                                                          {"--workers=0"},
		`cannot config: --workers=-1, want a number from 1`:                                                                        {"config", "--workers=-1"},
		`cannot read the command line: --debug=maybe, want true or false`:                                                          {"--debug=maybe"},
		`cannot start: --debug and --no-debug exclude each other`:                                                                  {"--debug", "--no-debug"},
		`cannot config: --keep-alive and --no-keep-alive exclude each other`:                                                       {"config", "--keep-alive", "--no-keep-alive"},
		`cannot status: --send-signal is only for stop and restart`:                                                                {"status", "--send-signal=HUP"},
		`cannot read the command line: no such signal: FOO`:                                                                        {"stop", "--send-signal=FOO"},
		`cannot read the command line: no such signal: 99`:                                                                         {"stop", "--send-signal=99"},
		`cannot start: --recv = "127.0.0.1:9" is not a ZeroMQ endpoint, expected transport://address such as tcp://127.0.0.1:9997`: {"--recv=127.0.0.1:9"},
		`cannot start: --send = "tcp://127.0.0.1" has no port, expected tcp://host:port`:                                           {"--send=tcp://127.0.0.1"},
		`cannot config: --recv = "http://a:1" has unknown transport "http", expected one of inproc, ipc, tcp, pgm, epgm`:           {"config", "--recv=http://a:1"},
	} {
		s.fails(64, "wsgid: "+want+"\nTry \"wsgid --help\".\n", args...)
	}
	var errs strings.Builder
	c := &cli{out: &errs, err: &errs}
	if code := c.execute(t.Context(), []string{"--app-path"}); code != 64 || errs.String() != "wsgid: cannot read the command line: --app-path needs a value\nTry \"wsgid --help\".\n" {
		t.Errorf("exit %d, %s", code, errs.String())
	}
}

func TestNoFolder(t *testing.T) {
	ordinary(t)
	s := newSite(t)
	const next = " DIR: there is no such folder; create it: wsgid init --app-path=DIR\n"
	for command, verb := range map[string]string{"start": "start", "config": "configure", "stop": "stop", "restart": "restart", "status": "show the status of"} {
		s.fails(1, "wsgid: cannot "+verb+next, command)
	}
	if err := os.WriteFile(s.dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, command := range append(commands, "init") {
		s.fails(1, "wsgid: cannot use DIR as app folder: blog is a file, not a folder; move it away or correct path\n", command)
	}
}

func TestInit(t *testing.T) {
	ordinary(t)
	s := newSite(t)
	out := s.ok("init")
	want := "App folder DIR is ready: put the code into DIR/app.\n"
	if os.Geteuid() == 0 {
		want += "It belongs to root, and the app runs as its owner: give it to a user of its own, chown -R USER DIR\n"
	}
	if out != want {
		t.Errorf("got %s", out)
	}
	for _, name := range []string{"app", "logs", "pid/master", "pid/worker", "plugins"} {
		if fi, err := os.Stat(filepath.Join(s.dir, name)); err != nil || !fi.IsDir() {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	if got := s.ok("init"); got != "DIR is an app folder already, nothing is missing.\n" {
		t.Errorf("got %s", got)
	}
	// What exists is left alone, what is missing is made.
	s.write("app/x.py", "x")
	if err := os.Chmod(filepath.Join(s.dir, "app"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "pid")); err != nil {
		t.Fatal(err)
	}
	s.own()
	s.ok("init")
	fi, err := os.Stat(filepath.Join(s.dir, "app"))
	if err != nil || fi.Mode().Perm() != 0o700 || s.read("app/x.py") != "x" {
		t.Errorf("app: %v, %v", fi, err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "pid/worker")); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(s.dir, "plugins")); err != nil {
		t.Fatal(err)
	}
	s.write("plugins", "a file")
	s.fails(1, "wsgid: cannot create folder DIR/plugins: a file of that name exists; move it away (mv DIR/plugins DIR/plugins.old)\n", "init")
}

func TestConfig(t *testing.T) {
	ordinary(t)
	s := newSite(t)
	s.ok("init")
	s.own()
	s.ok("config", "--recv=tcp://127.0.0.1:5000", "--send=tcp://127.0.0.1:5001", "--workers=4", "--debug", "--wsgi-app=a.b")
	want := `{
  "wsgi_app": "a.b",
  "recv": "tcp://127.0.0.1:5000",
  "send": "tcp://127.0.0.1:5001",
  "workers": 4,
  "debug": true
}
`
	if got := s.read("wsgid.json"); got != want {
		t.Errorf("got %s", got)
	}
	fi, err := os.Stat(filepath.Join(s.dir, "wsgid.json"))
	if err != nil || fi.Mode() != 0o640 {
		t.Errorf("%v, %v", fi, err)
	}
	s.write("wsgid.json", `{"mine": [1], "debug": "True", "workers": "4", "envs": {"A": "b"}, "wsgi_app": "a.b"}`)
	code, _, errs := s.run("config", "--no-debug", "--no-keep-alive", "--no-chroot", "--mongrel2-chroot=/m", "--django", "--no-daemon", "--stdout", "--wsgi-app=")
	if code != 0 || errs != "wsgid: warning: DIR/wsgid.json: unknown option \"mine\" at line 1, column 10\n" {
		t.Errorf("exit %d, %s", code, errs)
	}
	want = `{
  "mine": [
    1
  ],
  "debug": false,
  "workers": "4",
  "envs": {
    "A": "b"
  },
  "mongrel2_chroot": "/m",
  "django": true,
  "no_daemon": true,
  "stdout": true,
  "keep_alive": false,
  "chroot": false
}
`
	if got := s.read("wsgid.json"); got != want {
		t.Errorf("got %s", got)
	}
	s.write("wsgid.json", `{"workers": "many"}`)
	s.fails(1, "wsgid: cannot read DIR/wsgid.json: workers is \"many\" at line 1, column 13, want a number from 1\n", "config", "--debug")
	s.write("wsgid.json", "{\n\"workers\": 2,\n}")
	s.fails(1, "wsgid: cannot read DIR/wsgid.json: not JSON at line 3, column 1: invalid character '}' looking for beginning of object key string\n", "config")
	if got := s.read("wsgid.json"); got != "{\n\"workers\": 2,\n}" {
		t.Errorf("a file that could not be read was changed: %s", got)
	}
	s.write("wsgid.json", `{"fleet": {"managed": true}}`)
	code, _, errs = s.run("config", "--debug")
	if code != 0 || errs != "wsgid: warning: the fleet writes DIR/wsgid.json from the app's spec; change the spec, or this will be undone\n" {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestLoaderDirs(t *testing.T) {
	s := newSite(t)
	s.ok("init")
	for _, dir := range []string{filepath.Join(s.dir, "loaders"), filepath.Dir(s.dir) + "/shared"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Dir(s.dir))
	s.ok("config", "--loader-dir=blog/loaders", "--loader-dir=shared")
	if got := s.plain(s.read("wsgid.json")); !strings.Contains(got, "\"loaders\",\n    \""+filepath.Dir(s.dir)+"/shared\"") {
		t.Errorf("got %s", got)
	}
	s.fails(1, "wsgid: cannot use --loader-dir=nowhere: there is no such folder\n", "config", "--loader-dir=nowhere")
	s.ok("config", "--chroot", "--loader-dir=anywhere")
	if got := s.read("wsgid.json"); !strings.Contains(got, "\"anywhere\"") {
		t.Errorf("got %s", got)
	}
}

func TestDefaultFolder(t *testing.T) {
	s := newSite(t)
	s.ok("init")
	t.Chdir(s.dir)
	var out strings.Builder
	c := &cli{out: &out, err: &out}
	if code := c.execute(t.Context(), []string{"status", "--state-dir=" + s.state}); code != exitStopped || c.path != s.dir {
		t.Errorf("exit %d, folder %s, %s", code, c.path, out.String())
	}
}

func TestInstancePrefix(t *testing.T) {
	for path, want := range map[string]string{
		"/var/wsgid/blog":                    "blog@",
		"/srv/My Blog.com":                   "my_blog_com@",
		"/srv/ü":                             "_@",
		"/srv/" + strings.Repeat("long", 20): strings.Repeat("long", 6) + "@",
	} {
		got := instancePrefix(path)
		if !strings.HasPrefix(got, want) || len(got) != len(want)+9 {
			t.Errorf("%s: %s", path, got)
		}
	}
	if instancePrefix("/a/blog") == instancePrefix("/b/blog") {
		t.Error("two folders share a name")
	}
}
