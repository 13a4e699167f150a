package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

func TestApache(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"envvars":           "export APACHE_RUN_USER=daemon\nunset HOME\nexport APACHE_PID_FILE=/run/apache2$SUFFIX.pid\n",
		"sites/blog.conf":   apacheBlog,
		"srv/blog/wsgi.py":  "",
		"srv/forum/wsgi.py": "",
	})
	text, err := os.ReadFile(filepath.Join(dir, "sites/blog.conf"))
	if err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "sites/blog.conf")
	if err := os.WriteFile(site, []byte(strings.ReplaceAll(string(text), "/srv", dir+"/srv")), 0o644); err != nil {
		t.Fatal(err)
	}
	imp := importOne(t, facts.Options{}, site)
	spec := strings.ReplaceAll(string(imp.Text), dir, "")
	holds(t, spec, "# Written by wsgid-fleet import from /sites/blog.conf (Apache, mod_wsgi).", `app "blog" {`,
		`wsgi_app = "/srv/blog/wsgi.py:site" # blog.conf:13: WSGIScriptAlias / /srv/blog/wsgi.py`, `user = "www-data"`,
		`virtualenv = "/srv/venv"`, `PYTHONPATH = "/srv/blog:/srv/lib:/opt/lib"`, `LANG = "de_DE.UTF-8"`,
		`umask = "0027"`, `working_directory = "/srv/blog" # blog.conf:4: WSGIDaemonProcess blog home=/srv/blog`,
		`listen = "0.0.0.0:8080" # blog.conf:8: <VirtualHost *:8080>`, `listen = "0.0.0.0:8443" # blog.conf:33: <VirtualHost *:8443>`, `cert = "/etc/ssl/blog.pem"`,
		"count = 3", "threads = 15 # blog.conf:4: mod_wsgi's default", `request_timeout = "11m15s"`, "request-timeout=45; mod_wsgi takes the mean over all 15 threads", "max_requests = 500",
		`url = "/static/" # blog.conf:15: Alias /static /srv/static`, `max_body = "1MiB"`, "access = true",
		"# blog.conf:14: WSGIScriptAlias /forum /srv/forum/wsgi.py: not carried over: it did nothing: WSGIScriptAlias / /srv/blog/wsgi.py (blog.conf:13) stands before it",
		"# blog.conf:17: SetEnv API_TOKEN: not carried over: it reached the environ of a request only", "!hunter2",
		"# blog.conf:4: WSGIDaemonProcess blog inactivity-timeout=300: not carried over: a worker that has nothing to do",
		"# blog.conf:23: <Location /admin> Require valid-user: not carried over: who may ask is decided by the app",
		"# blog.conf:30: RewriteRule ^/old /new [R]: not carried over: requests are not rewritten",
		"# blog.conf:31: Unheard Of: not carried over: no counterpart of it is known here",
		"mod_wsgi withheld the header Authorization", "with 411", "!granted", "!ssl_only")
	if got := imp.Notes; len(got) == 0 || !imp.Incomplete {
		t.Errorf("%v %v", got, imp.Incomplete)
	}
}

const apacheBlog = `# The blog.
Define BASE /srv
<IfModule mod_wsgi.c>
WSGIDaemonProcess blog user=www-data processes=3 home=${BASE}/blog \
   python-path=${BASE}/lib:/opt/lib python-home=${BASE}/venv umask=0027 lang='de_DE.UTF-8' \
   request-timeout=45 maximum-requests=500 inactivity-timeout=300 display-name=%{GROUP}
</IfModule>
<VirtualHost *:8080>
  ServerName http://www.blog.example:8080
  ServerAlias blog.example
  WSGIProcessGroup blog
  WSGICallableObject site
  WSGIScriptAlias / /srv/blog/wsgi.py
  WSGIScriptAlias /forum /srv/forum/wsgi.py
  Alias /static /srv/static
  <Directory "/srv/blog">
    SetEnv API_TOKEN hunter2
    Require all granted
  </Directory>
  <Location /admin>
    AuthType Basic
    AuthName "the admins"
    Require valid-user
  </Location>
  <IfDefine NOT_DEFINED>
    SSLOptions ssl_only
    Unclosed here is fine
  </IfDefine>
  CustomLog /var/log/apache2/blog.log combined
  RewriteRule ^/old /new [R]
  Unheard Of
</VirtualHost>
<VirtualHost *:8443>
  SSLEngine on
  SSLCertificateFile /etc/ssl/blog.pem
  SSLCertificateKeyFile /etc/ssl/blog.key
  WSGIProcessGroup blog
  WSGICallableObject site
  WSGIScriptAlias / /srv/blog/wsgi.py
  LimitRequestBody 1048576
</VirtualHost>
`

// Apps that share an address are told apart by a gate.
func TestApacheHosts(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"apache2.conf": "ServerRoot " + "DIR" + "\nInclude ports.conf\nIncludeOptional missing.conf\nIncludeOptional sites-enabled/*.conf\n",
		"ports.conf":   "Listen 80\n<IfVersion < 2.4>\nListen 81\n</IfVersion>\n",
		"sites-enabled/a.conf": "<VirtualHost *:80>\nServerName a.example\nServerAlias www.a.example\nWSGIScriptAlias / /srv/a.wsgi process-group=%{GLOBAL}\n" +
			"</VirtualHost>\n",
		"sites-enabled/b.conf":  "<VirtualHost *:80>\nServerName b.example\nWSGIDaemonProcess b threads=2\nWSGIScriptAlias /b /srv/b.wsgi process-group=b\nDocumentRoot /var/www\n</VirtualHost>\n",
		"sites-enabled/c.other": "<VirtualHost",
	})
	main := filepath.Join(dir, "apache2.conf")
	text, _ := os.ReadFile(main)
	if err := os.WriteFile(main, []byte(strings.ReplaceAll(string(text), "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	imported, err := Import(facts.Options{}, dir)
	if err != nil || len(imported) != 2 {
		t.Fatalf("%d apps, %v", len(imported), err)
	}
	holds(t, string(imported[0].Text), `app "a-example" {`, `hosts = ["a.example", "www.a.example"]`, `# gate { # http { # listen = "*:80" # } # }`, "!sockets {",
		"it ran in Apache's own processes, as many as its MPM says")
	holds(t, string(imported[1].Text), `app "b" {`, `hosts = ["b.example"]`, `script_name = "/b"`, `threads = 2`, "DocumentRoot /var/www: not carried over: files outside of /b were Apache's")
}

// Of several certificates an app has the last one, with its own key; the others are named.
func TestApacheCertificates(t *testing.T) {
	host := func(name, lines string) string {
		return "<VirtualHost *:443>\nServerName " + name + "\nSSLEngine on\n" + lines + "WSGIScriptAlias / /srv/" + name + ".wsgi\n</VirtualHost>\n"
	}
	dir := peertest.WriteFiles(t, map[string]string{"apache2.conf": "SSLCertificateFile /s/server.pem\nSSLCertificateKeyFile /s/server.key\n" +
		host("a", "SSLCertificateFile /s/a-rsa.pem\nSSLCertificateKeyFile /s/a-rsa.key\nSSLCertificateFile /s/a-ec.pem\n") +
		host("b", "SSLCertificateFile /s/b-rsa.pem\nSSLCertificateFile /s/b-ec.pem\nSSLCertificateKeyFile /s/b-rsa.key\nSSLCertificateKeyFile /s/b-ec.key\n") +
		host("c", "")})
	imported, err := Import(facts.Options{}, filepath.Join(dir, "apache2.conf"))
	if err != nil || len(imported) != 3 {
		t.Fatalf("%d apps, %v", len(imported), err)
	}
	const lost = ": not carried over: an app has one certificate, here that of line "
	holds(t, string(imported[0].Text), `cert = "/s/a-ec.pem"`, `key = "/s/a-ec.pem"`, "# apache2.conf:6: SSLCertificateFile /s/a-rsa.pem"+lost+"8: ")
	holds(t, string(imported[1].Text), `cert = "/s/b-ec.pem"`, `key = "/s/b-ec.key"`, "# apache2.conf:14: SSLCertificateFile /s/b-rsa.pem"+lost+"15: ")
	holds(t, string(imported[2].Text), `cert = "/s/server.pem"`, `key = "/s/server.key"`, "!"+lost)
}

func TestApacheBadInput(t *testing.T) {
	dir := peertest.WriteFiles(t, map[string]string{
		"circle.conf":  "<VirtualHost *>\nInclude circle2.conf\n</VirtualHost>\n",
		"circle2.conf": "Include circle.conf\n",
		"open.conf":    "<VirtualHost *>\nWSGIScriptAlias / /a\n",
		"close.conf":   "WSGIScriptAlias / /a\n</VirtualHost>\n",
		"end.conf":     "<VirtualHost *\nWSGIScriptAlias / /a\n",
		"none.conf":    "<VirtualHost *>\nDocumentRoot /var/www\n</VirtualHost>\n",
		"missing.conf": "<VirtualHost *>\nInclude nothing.conf\n</VirtualHost>\n",
		"hidden.conf":  "Alias / /srv/files/\nWSGIScriptAlias /app /srv/app.wsgi\n",
		"match.conf":   "WSGIScriptAliasMatch ^/([^/]+) /srv/$1.wsgi\n",
		"express.conf": "LoadModule wsgi_module x.so\nWSGIHandlerScript wsgi-handler /tmp/x\n",
		"many.conf":    "WSGIScriptAlias / /a\n" + strings.Repeat("SetEnv A 1\n", facts.MaxOptions+2),
	})
	for name, want := range map[string]string{
		"circle.conf":  "circle.conf includes itself",
		"open.conf":    "open.conf: <VirtualHost *> is not closed: Apache does not start with it",
		"close.conf":   "close.conf:2: </VirtualHost> closes what is not open",
		"end.conf":     "end.conf:1: <VirtualHost * has no end",
		"none.conf":    "no WSGIScriptAlias stands in it",
		"missing.conf": "missing.conf:2: cannot read " + dir + "/nothing.conf: no such file",
		"hidden.conf":  "hidden.conf:2: WSGIScriptAlias /app /srv/app.wsgi: it did nothing: Alias / /srv/files/ (hidden.conf:1) takes its requests",
		"match.conf":   "match.conf:1: WSGIScriptAliasMatch ^/([^/]+) /srv/$1.wsgi: a pattern names many applications",
		"express.conf": "mod_wsgi-express wrote it: import its command instead",
		"many.conf":    "more than 20000 directives",
	} {
		if _, err := Import((facts.Options{}), filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	// Signs that no word has end nothing.
	for _, text := range []string{"WSGIScriptAlias", "WSGIScriptAlias /", "WSGIScriptAlias / ", "WSGIScriptAlias \"/", "<VirtualHost>\nWSGIScriptAlias / /a\n</VirtualHost>", "Listen\nWSGIScriptAlias / /a",
		"WSGIDaemonProcess\nWSGIScriptAlias / /a", "WSGIProcessGroup\nUser\nGroup\nAlias\nAlias /a\nRequire\nWSGIScriptAlias / /a", "LoadModule\nDefine\nUnDefine\nServerRoot\nWSGIScriptAlias / /a", "<>\n</>\nWSGIScriptAlias / /a", "\\\n\\",
		"<Location>\nWSGIProcessGroup x\n</Location>\nWSGIScriptAlias / /a", "<IfModule>\n</IfModule>\n<IfVersion>\n</IfVersion>\nWSGIScriptAlias / /a"} {
		dir := peertest.WriteFiles(t, map[string]string{"x.conf": text + "\n"})
		found, err := Import((facts.Options{Format: "apache"}), filepath.Join(dir, "x.conf"))
		if err == nil && len(found) == 0 {
			t.Errorf("%q: nothing is said", text)
		}
	}
}

const apacheAsk = `import json, os, sys
def application(environ, start_response):
    umask = os.umask(0); os.umask(umask)
    body = json.dumps({"who": WHO, "cwd": os.getcwd(), "path": sys.path, "uid": os.getuid(), "umask": umask, "script": environ["SCRIPT_NAME"],
        "info": environ["PATH_INFO"], "auth": environ.get("HTTP_AUTHORIZATION", ""), "set": environ.get("FROM_SETENV", ""),
        "os": os.environ.get("FROM_SETENV", ""), "lang": os.environ.get("LANG", ""), "threads": environ["wsgi.multithread"]}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`

// A site means what the real Apache does with it: what the app sees there is what the
// spec says.
func TestApacheMeansWhatApacheDoes(t *testing.T) {
	program := peertest.Need(t, "apache2")
	t.Parallel()
	rows := []struct {
		name, site string
		at         string   // where the application is asked
		who        string   // who answers there
		dead       string   // an alias that does nothing
		more       []string // "PATH=WHO", of other paths
	}{
		{name: "the first alias wins, not the longest", at: "/late/x", who: "a", dead: "/late",
			site: "WSGIScriptAlias / DIR/a/a.py\nWSGIScriptAlias /late DIR/b/b.py\nWSGIProcessGroup one\n", more: []string{"/=a", "/late=a"}},
		{name: "a longer one before it is reached", at: "/", who: "a",
			site: "WSGIScriptAlias /sub DIR/b/b.py\nWSGIScriptAlias / DIR/a/a.py\nWSGIProcessGroup two\n", more: []string{"/sub=b", "/sub/x=b", "/subx=a"}},
		{name: "a prefix", at: "/p/x", who: "a", site: "WSGIScriptAlias /p DIR/a/a.py\nWSGIProcessGroup three\nSetEnv FROM_SETENV yes\n"},
		{name: "an alias of files comes first wherever it stands", at: "/", who: "a",
			site: "WSGIScriptAlias / DIR/a/a.py\nAlias /files DIR/files\nWSGIProcessGroup four\nWSGIPassAuthorization On\nWSGIChunkedRequest On\n", more: []string{"/files/f.txt=file", "/filesx=a"}},
		{name: "an alias of files takes what a longer one before it names", at: "/", who: "a", dead: "/files/sub",
			site: "WSGIScriptAlias /files/sub DIR/b/b.py\nWSGIScriptAlias / DIR/a/a.py\nAlias /files DIR/files\nWSGIProcessGroup six\n", more: []string{"/files/sub/f.txt=file", "/files/f.txt=file"}},
		{name: "a group named by the alias beats that of the host", at: "/", who: "b", site: "WSGIProcessGroup one\nWSGIScriptAlias / DIR/b/b.py process-group=five application-group=%{GLOBAL}\n"},
		{name: "a user who is named works in his own folder", at: "/", who: "a", site: "WSGIScriptAlias / DIR/a/a.py\nWSGIProcessGroup seven\n"},
	}
	port := map[string]string{}
	var conf strings.Builder
	daemons := []string{"one home=DIR/home python-path=DIR/lib:/opt umask=0027 user=daemon group=daemon lang=C.UTF-8", "two python-path=DIR/lib", "three home=DIR/home threads=2", "four threads=1", "five home=DIR/b", "six threads=2", "seven user=daemon group=daemon threads=2"}
	conf.WriteString("ServerRoot DIR\nPidFile DIR/pid\nDefaultRuntimeDir DIR\nMutex file:DIR\nServerName localhost\nErrorLog DIR/error.log\nWSGISocketPrefix DIR/s\nUser www-data\nGroup www-data\n")
	for _, module := range []string{"mpm_event", "authz_core", "alias", "env", "wsgi"} {
		fmt.Fprintf(&conf, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", module, module)
	}
	for _, d := range daemons {
		conf.WriteString("WSGIDaemonProcess " + d + "\n")
	}
	conf.WriteString("<Directory DIR>\nRequire all granted\n</Directory>\n")
	for _, row := range rows {
		port[row.name] = freeport.Addr(t)
		fmt.Fprintf(&conf, "Listen %[1]s\n<VirtualHost %[1]s>\n%[2]s</VirtualHost>\n", port[row.name], row.site)
	}
	dir := peertest.WriteFiles(t, map[string]string{"httpd.conf": "", "a/a.py": strings.ReplaceAll(apacheAsk, "WHO", `"a"`), "b/b.py": strings.ReplaceAll(apacheAsk, "WHO", `"b"`),
		"home/x": "", "lib/x": "", "files/f.txt": `{"who": "file"}`, "files/sub/f.txt": `{"who": "file"}`})
	for up := dir; up != "/" && up != os.TempDir(); up = filepath.Dir(up) { // www-data reads it
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(main, []byte(strings.ReplaceAll(conf.String(), "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	imported, err := Import(facts.Options{}, main)
	if err != nil || len(imported) != len(rows) {
		t.Fatalf("%d apps, %v", len(imported), err)
	}

	cmd := exec.Command(program, "-d", dir, "-f", main, "-DFOREGROUND")
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/bin", "LANG=C.UTF-8"}
	old := syscall.Umask(0o022)
	err = cmd.Start()
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			imp := imported[i]
			spec, err := loadText(imp.Name, imp.Text, imp.Secrets)
			if err != nil {
				t.Fatalf("%v\n%s", err, imp.Text)
			}
			got := askApache(t, dir, port[row.name], row.at)
			for _, one := range row.more {
				path, who, _ := strings.Cut(one, "=")
				if got := askApache(t, dir, port[row.name], path); got.Who != who {
					t.Errorf("%s: Apache asks %s, want %s", path, got.Who, who)
				}
			}
			if got.Who != row.who || filepath.Base(spec.WSGIApp) != row.who+".py" {
				t.Errorf("Apache asks %s, the spec %s, want %s", got.Who, spec.WSGIApp, row.who)
			}
			if got.Cwd != spec.WorkingDirectory || got.Script != spec.ScriptName {
				t.Errorf("Apache %s %q, the spec %s %q", got.Cwd, got.Script, spec.WorkingDirectory, spec.ScriptName)
			}
			path := strings.FieldsFunc(spec.Env["PYTHONPATH"], func(r rune) bool { return r == ':' })
			if len(got.Path) <= len(path) || !slices.Equal(got.Path[:len(path)], path) || !strings.HasSuffix(got.Path[len(path)], ".zip") {
				t.Errorf("Apache's path %v, the spec's %v", got.Path, path)
			}
			if os.Getuid() == 0 {
				u, err := user.Lookup(spec.User)
				if err != nil || u.Uid != strconv.Itoa(got.UID) {
					t.Errorf("Apache's user %d, the spec's %s, %v", got.UID, spec.User, err)
				}
			}
			if int(spec.Umask) != got.Umask {
				t.Errorf("Apache's umask %o, the spec's %v", got.Umask, spec.Umask)
			}
			if got.OS != "" || spec.Env["FROM_SETENV"] != "" || (got.Set != "") != strings.Contains(string(imp.Text), "SetEnv FROM_SETENV: not carried over") {
				t.Errorf("SetEnv: environ %q, os.environ %q\n%s", got.Set, got.OS, imp.Text)
			}
			if (spec.Workers.Threads > 1) != got.Threads {
				t.Errorf("threads %d, Apache has many: %v", spec.Workers.Threads, got.Threads)
			}
			if row.dead != "" {
				holds(t, string(imp.Text), "WSGIScriptAlias "+row.dead+" "+dir+"/b/b.py: not carried over: it did nothing")
			}
			told := strings.Contains(string(imp.Text), "withheld the header Authorization")
			if (got.Auth == "") != told {
				t.Errorf("Authorization reaches the app as %q, told %v", got.Auth, told)
			}
			told = strings.Contains(string(imp.Text), "with 411")
			if code := postChunked(t, "http://"+port[row.name]+row.at); (code == http.StatusLengthRequired) != told {
				t.Errorf("a chunked body is answered %d, told %v", code, told)
			}
		})
	}
}

type apacheAnswer struct {
	Who, Cwd, Script, Info, Auth, Set, OS, Lang string
	Path                                        []string
	UID, Umask                                  int
	Threads                                     bool
}

// askApache asks until Apache has come up.
func askApache(t *testing.T, dir, address, path string) apacheAnswer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last := ""
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Basic x")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			var a apacheAnswer
			if json.Unmarshal(body, &a) == nil {
				return a
			}
			last = resp.Status + "\n" + string(body)
		} else {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("%s%s: %s\n%s", address, path, last, log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func postChunked(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, io.NopCloser(strings.NewReader("abc")))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
