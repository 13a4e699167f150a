package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// importFiles makes an app folder of these files, and imports it. The path is
// PATH in what comes back.
func importFiles(t *testing.T, files map[string]string) (string, *Imported, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "My Blog")
	if err := os.MkdirAll(filepath.Join(path, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root's own folder has a note of its own
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	imp, err := importFolder(path)
	if imp != nil {
		imp.Text = []byte(strings.ReplaceAll(string(imp.Text), path, "PATH"))
		for i := range imp.Notes {
			imp.Notes[i] = strings.ReplaceAll(imp.Notes[i], path, "PATH")
		}
	}
	return path, imp, err
}

func TestImport(t *testing.T) {
	_, imp, err := importFiles(t, map[string]string{
		"wsgid.json": `{
  "recv": "tcp://127.0.0.1:5000", "send": "tcp://127.0.0.1:5001", "mongrel2_chroot": "/var/mongrel2",
  "workers": "4", "keep_alive": "false", "debug": "True", "wsgi_app": "frontends.wsgi.entry_point", "loader_dir": "loaders",
  "no_daemon": "true", "mine": 1,
  "envs": {"TZ": "UTC", "PATH_TEMPLATE": "${HOME}/%{x}", "API_KEY": "k\"ey"}
}`,
		"django.json": `{"DEBUG": false, "DATABASES": {"default": {"NAME": "mydb", "PASSWORD": "pass wd", "PORT": "3598", "OPTIONS": {}}},
  "INSTALLED_APPS": ["a", "b"], "BIG": 12345678901234567890123, "RATE": 0.25, "NO": null, "odd name": [[1], {"x": null}]}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `# Written by wsgid-fleet import from PATH.
app "my-blog" {
  path        = "PATH"
  wsgi_app    = "frontends.wsgi.entry_point"
  loader_dirs = ["loaders"]
  debug       = true
  env = {
    API_KEY       = file("secrets/my-blog/API_KEY")
    PATH_TEMPLATE = "$${HOME}/%%{x}"
    TZ            = "UTC"
  }

  sockets {
    mongrel2 {
      recv   = "tcp://127.0.0.1:5000"
      send   = "tcp://127.0.0.1:5001"
      chroot = "/var/mongrel2"
    }
  }

  workers {
    count      = 4
    keep_alive = false
  }

  django {
    overrides = {
      BIG = 12345678901234567890123
      DATABASES = {
        default = {
          NAME     = "mydb"
          OPTIONS  = {}
          PASSWORD = file("secrets/my-blog/django.overrides.DATABASES.default.PASSWORD")
          PORT     = "3598"
        }
      }
      DEBUG          = false
      INSTALLED_APPS = ["a", "b"]
      RATE           = 0.25
      "odd name" = [[1], {
        x = null
      }]
    }
  }
}
`
	if diff := cmp.Diff(want, string(imp.Text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	notes := []string{
		`PATH/wsgid.json: unknown option "mine" at line 4, column 32: not carried over`,
		`no_daemon and stdout are not carried over: under the fleet an app logs to logs/wsgid.log, see log.target`,
		`django.json: NO is null, which a spec cannot say; set it in the project's settings`,
	}
	if diff := cmp.Diff(notes, imp.Notes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if imp.Name != "my-blog" || imp.Incomplete {
		t.Errorf("%+v", imp)
	}
}

// What the fleet wrote comes back as the same spec, in every corner.
func TestImportRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blog")
	s := appspec.Default("shop", path)
	s.Loader, s.WSGIApp, s.LoaderDirs = "django", "shop.wsgi:application", []string{"loaders", "/srv/loaders"}
	s.Enabled, s.Debug = false, true
	s.Middleware, s.Python, s.Virtualenv = []string{"a:B"}, "/usr/bin/python3", "venv"
	if os.Geteuid() == 0 {
		s.User, s.Group = "daemon", "daemon"
	}
	s.Env = map[string]string{"PLAIN": "x", "HIDDEN": "y"}
	s.Sensitive = map[string]bool{"env.HIDDEN": true}
	unix := appspec.NewHTTPSocket("unix:/run/shop.sock")
	unix.Mode, unix.Owner = 0o600, "daemon"
	tls := appspec.NewHTTPSocket("127.0.0.1:8443")
	tls.TLS = &appspec.TLS{Cert: "/etc/ssl/c.pem", Key: "/etc/ssl/k.pem"}
	s.Sockets.HTTP = []appspec.HTTPSocket{unix, tls}
	s.Sockets.Mongrel2 = []appspec.Mongrel2Socket{{Recv: "tcp://1.1.1.1:1", Send: "tcp://1.1.1.1:2", Chroot: "/m"}, {Recv: "ipc:///a", Send: "ipc:///b"}}
	s.Workers.Min, s.Workers.Max, s.Workers.MaxMemory, s.Workers.KeepAlive = 0, 8, 512<<20, false
	s.Django = &appspec.Django{Settings: "shop.settings", Overrides: map[string]any{"A": map[string]any{"B": []any{"c"}}}}
	s.Request.TrustedProxies = []string{"10.0.0.0/8"}
	s.Health = appspec.NewHealth("/healthz")
	s.Limits.CPU, s.Limits.Memory = 1.5, 1<<30
	s.Log.Format, s.Log.Keep = "json", 9
	s.Static = []appspec.Static{{URL: "/static/", Dir: "app/static", MaxAge: appspec.NewStatic().MaxAge}, {URL: "/media/", Dir: "/srv/media"}}

	fsys, err := appdir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	owner, err := appdir.ResolveOwner(s, os.Geteuid() == 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := appdir.Repair(fsys, s, owner, nil); err != nil {
		t.Fatal(err)
	}
	imp, err := importFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(imp.Notes) > 0 || imp.Incomplete || imp.Name != "shop" {
		t.Errorf("%+v", imp)
	}
	if !strings.Contains(string(imp.Text), `HIDDEN = file("secrets/shop/HIDDEN")`) {
		t.Errorf("a secret lost its wrapping:\n%s", imp.Text)
	}
	mem := afero.NewMemMapFs()
	if err := afero.WriteFile(mem, "/d/shop.hcl", imp.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range imp.Secrets {
		if err := afero.WriteFile(mem, "/d/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := hclspec.Options{Root: true}.LoadFiles(mem, "/d/shop.hcl")
	if len(set.Faults) > 0 {
		t.Fatalf("%s\n%s", set.Faults[0].Text, imp.Text)
	}
	if changes := appspec.Diff(s, set.Specs["shop"]); len(changes) > 0 {
		t.Errorf("%+v\n%s", changes, imp.Text)
	}
}

// wsgid was given its sockets on the command line: the text says what is to be
// filled in.
func TestImportWithoutSockets(t *testing.T) {
	_, imp, err := importFiles(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `# Written by wsgid-fleet import from PATH.
app "my-blog" {
  path = "PATH"

  sockets {
    # mongrel2 {
    #   recv = "tcp://127.0.0.1:9997" # wsgid's --recv: the handler's send_spec
    #   send = "tcp://127.0.0.1:9996" # wsgid's --send: the handler's recv_spec
    # }
  }
}
`
	if diff := cmp.Diff(want, string(imp.Text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	notes := []string{
		"the loaders find the application, as under wsgid; if wsgid was started with --wsgi-app, write wsgi_app into the spec",
		"wsgid.json names no recv and no send, so they came by the command line: write them into the block sockets",
	}
	if diff := cmp.Diff(notes, imp.Notes); diff != "" || !imp.Incomplete {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestImportSaysWhy(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"cannot import PATH: cannot read PATH/wsgid.json: workers is \"many\" at line 1, column 13, want a number from 1":                      {"wsgid.json": `{"workers": "many"}`},
		"cannot import PATH: cannot read PATH/wsgid.json: not JSON at line 1, column 2: unexpected end of JSON input":                          {"wsgid.json": `{`},
		"cannot import PATH: cannot read PATH/django.json: not JSON at line 1, column 7: invalid character 'T' looking for beginning of value": {"django.json": `{"A": True}`},
		"cannot import PATH: cannot read PATH/django.json: it is not a JSON object, expected { \"SETTING\": value, … }":                        {"django.json": `[]`},
		"cannot import PATH: what it says is not a good spec:":                                                                                 {"wsgid.json": `{"recv": "tcp://127.0.0.1:1", "send": "tcp://127.0.0.1:1"}`},
	} {
		path, _, err := importFiles(t, files)
		if err == nil {
			t.Errorf("no error, want %s", want)
			continue
		}
		got, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), path, "PATH"), "\n")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir + "/none": "cannot import PATH: there is no such folder",
		dir:           "cannot import PATH: it is not an app folder of wsgid: it holds neither app/ nor wsgid.json; name the folder that wsgid was given as --app-path",
	} {
		if _, err := importFolder(path); err == nil || strings.Replace(err.Error(), path, "PATH", 1) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// Where Django's files are becomes a static block, for an app that has an HTTP socket.
func TestImportStatic(t *testing.T) {
	const wsgid = `{"recv": "tcp://127.0.0.1:5000", "send": "tcp://127.0.0.1:5001"}`
	const files = `{"STATIC_ROOT": "/srv/blog/static/", "STATIC_URL": "assets/", "MEDIA_ROOT": "/srv/blog/media", "MEDIA_URL": "https://media.example.org/"}`
	_, imp, err := importFiles(t, map[string]string{"wsgid.json": strings.Replace(wsgid, "{", `{"fleet": {"sockets": {"http": [{"listen": "127.0.0.1:8000"}]}}, `, 1), "django.json": files})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(imp.Text); !strings.Contains(text, "  static {\n    url = \"/assets/\"\n    dir = \"/srv/blog/static\"\n  }\n") {
		t.Errorf("got:\n%s", text)
	}
	if notes := strings.Join(imp.Notes, "\n"); !strings.Contains(notes, "MEDIA_ROOT is not served") {
		t.Errorf("notes: %s", notes)
	}
	_, imp, err = importFiles(t, map[string]string{"wsgid.json": wsgid, "django.json": files})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(imp.Notes, "\n"); strings.Contains(string(imp.Text), "static {") || !strings.Contains(notes, "STATIC_ROOT: mongrel2 goes on to serve it") {
		t.Errorf("behind mongrel2 alone:\n%s\n%s", imp.Text, notes)
	}
}

func TestImportRootsFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root owns root's folders; the note is all there is to it")
	}
	path := filepath.Join(t.TempDir(), "blog")
	if err := os.MkdirAll(filepath.Join(path, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	imp, err := importFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	want := path + " belongs to root, and wsgid ran the app as root; the fleet runs it as the user wsgid or www-data: give the folder to a user of its own, or write user into the spec"
	if len(imp.Notes) == 0 || imp.Notes[0] != want {
		t.Errorf("got %q", imp.Notes)
	}
}

func TestAppNameOf(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/blog": "blog", "/srv/My Blog.com": "my-blog-com", "/srv/ü": "app", "/srv/-x_": "x", "/srv/" + strings.Repeat("a", 70): strings.Repeat("a", 63),
	} {
		if got := facts.AppNameOf(path); got != want || !appspec.ValidName(got) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
