package main

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// debianProbe stands in for the application of a package: it tells as what it runs.
// What a server adds to the environment for itself is left out.
const debianProbe = `import json, os, sys
own = set("LANG PATH HOME LOGNAME USER SHELL INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH LC_CTYPE NOTIFY_SOCKET RUNTIME_DIRECTORY CACHE_DIRECTORY SERVER_SOFTWARE PYTHONPATH PWD OLDPWD SHLVL _".split())
path = [os.path.abspath(p) for p in sys.path if p]
def application(environ, start_response):
    umask = os.umask(0)
    os.umask(umask)
    body = json.dumps({"UID": os.getuid(), "GID": os.getgid(), "Umask": umask, "Dir": os.getcwd(),
        "Env": {k: v for k, v in os.environ.items() if k not in own and not k.startswith(("UWSGI_", "WSGID_", "APACHE_"))},
        "Path": list(dict.fromkeys(p for p in path if p and not p.startswith(("/usr/lib/python3", "/usr/local/lib/python3", "/var/wsgid/", "/run/wsgid/")) and os.path.isdir(p))),
        "Script": environ["SCRIPT_NAME"], "Info": environ["PATH_INFO"], "Threads": environ["wsgi.multithread"], "Processes": environ["wsgi.multiprocess"]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
app = application
`

// debianAsk asks at an address until the body is a probe's: by HTTP, or in uWSGI's
// protocol.
const debianAsk = `import http.client, json, socket, struct, sys, time
address, protocol, path, end = sys.argv[1], sys.argv[2], sys.argv[3], time.monotonic() + 60
def connect():
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[5:])
        return s
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 10)
while True:
    try:
        s = connect()
        s.settimeout(10)
        if protocol == "uwsgi":
            vars = b"".join(struct.pack("<H", len(x)) + x for k, v in [("REQUEST_METHOD", "GET"), ("PATH_INFO", path), ("SCRIPT_NAME", ""), ("QUERY_STRING", ""),
                ("SERVER_NAME", "x"), ("SERVER_PORT", "80"), ("SERVER_PROTOCOL", "HTTP/1.1")] for x in (k.encode(), v.encode()))
            s.sendall(struct.pack("<BHB", 0, len(vars), 0) + vars)
        else:
            s.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while more := s.recv(65536):
            answer += more
        body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        print(json.dumps(body))
        break
    except (OSError, ValueError, IndexError) as e:
        if time.monotonic() > end:
            sys.exit("%s: %r" % (address, e))
        time.sleep(0.05)
`

// debianMachine puts the packages of the folder $3 into the machine with the users that
// they name, the program $2 and the services of the folder $4.
const debianMachine = `install -m 755 "$2" "$1/usr/local/bin/wsgid-fleet"
for package in "$3"/*/; do
  for part in etc usr var lib; do
    [ ! -d "$package$part" ] || cp -a "$package$part/." "$1/$part/"
  done
done
mkdir -p "$1/etc/wsgid.d"
# Where a package has a link to a file of another one, it is the file.
cp -a --remove-destination "$4/." "$1/"
for user in $5; do
  chroot "$1" useradd --system --user-group --home-dir "/var/lib/$user" "$user" 2>/dev/null || true
  mkdir -p "$1/var/lib/$user" "$1/var/log/$user" "$1/run/$user"
  chroot "$1" chown "$user:$user" "/var/lib/$user" "/var/log/$user"
done
`

// debianCase is an application of a package that is started as the package does it, and
// then as import says.
type debianCase struct {
	path  string   // what is imported
	site  string   // what it includes, of Apache
	app   string   // where the probe lies; empty: as the init script says
	start string   // how the package starts it; empty: systemctl start
	at    string   // protocol and address; empty: as the init script says
	url   string   // what is asked for; empty: /
	dir   bool     // no file says in which folder: the app folder is it here
	own   bool     // it runs in Apache's own processes, however many
	names []string // what import names of it
}

const uwsgiStart = "/etc/init.d/uwsgi start "

// debianApache is the frame in which a site stands that a package ships.
const debianApache = `ServerRoot /etc/apache2
ServerName localhost
PidFile /run/apache2.pid
ErrorLog /var/log/apache2/error.log
Listen 127.0.0.1:80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module /usr/lib/apache2/modules/mod_authz_host.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
WSGISocketPrefix /run/wsgi
LogFormat "%h" combined
User www-data
Group www-data
<Directory /usr/share/graphite-web>
  Require all granted
</Directory>
Include `

var debianCases = func() map[string]debianCase {
	m := map[string]debianCase{}
	for name, c := range map[string]debianCase{
		"graphite": {path: "/usr/share/graphite-web/apache2-graphite.conf", app: "/usr/share/graphite-web/graphite.wsgi", names: []string{"WSGIImportScript"}},
		"pywps":    {path: "/etc/apache2/conf-available/pywps-wsgi.conf", app: "/usr/share/pywps/wps.py", url: "/pywps/wps.py/x", own: true, names: []string{"it ran in Apache's own processes"}},
	} {
		c.site, c.path = c.path, "/etc/apache2/"+name+".conf"
		c.at, c.start = "http 127.0.0.1:80", ". /etc/apache2/envvars; cd /; env -i PATH=$PATH APACHE_LOG_DIR=$APACHE_LOG_DIR apache2 -f "+c.path
		m[name] = c
	}
	maps.Copy(m, map[string]debianCase{
		"mailman3-web": {path: "/lib/systemd/system/mailman3-web.service", app: "/usr/share/mailman3-web/wsgi.py", at: "uwsgi unix:/run/mailman3-web/uwsgi.sock",
			names: []string{"process = 2: not carried over: uWSGI has no such option"}},
		"bepasty-freedombox": {path: "/etc/uwsgi/apps-enabled/bepasty-freedombox.ini", app: "/usr/lib/python3/dist-packages/bepasty/wsgi.py", at: "uwsgi unix:/run/uwsgi/app/bepasty-freedombox/socket", dir: true,
			start: uwsgiStart + "bepasty-freedombox"},
	})
	for name, more := range map[string][]string{"aodh-api": nil, "cinder-api": nil, "cloudkitty-api": nil, "designate-api": nil, "freezer-api": nil, "gnocchi-api": nil, "keystone": nil} {
		m[name] = debianCase{path: "/lib/systemd/system/" + name + ".service", names: append(more, "paste-logger = true: not carried over", "RuntimeDirectory=")}
	}
	return m
}()

// The services that Debian's packages ship are started as they ship them, by the real
// systemd, uWSGI, gunicorn and Apache, and again as import says; the app sees the same.
func TestImportOfDebiansConfigurations(t *testing.T) {
	packages, err := filepath.Abs("../../.cache/configurations")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(packages, "ready")); err != nil {
		t.Skip("needs the configurations of Debian's packages: make configurations")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cases := maps.Clone(debianCases)
	users := "bepasty _graphite mailman3-web"
	for name, c := range cases {
		if c.at == "" {
			script, err := filepath.Glob(filepath.Join(packages, "*/etc/init.d", name))
			if err != nil || len(script) != 1 {
				t.Logf("%s: not among the packages that could be had", name)
				delete(cases, name)
				continue
			}
			text, err := os.ReadFile(script[0])
			if err != nil {
				t.Fatal(err)
			}
			values := map[string]string{}
			for line := range strings.SplitSeq(string(text), "\n") {
				if key, value, ok := strings.Cut(line, "="); ok && values[key] == "" {
					values[key] = value
				}
			}
			c.app, c.at = facts.Either(c.app, values["UWSGI_INI_APP"]), "http 127.0.0.1:"+values["UWSGI_PORT"]
			users += " " + values["PROJECT_NAME"]
			cases[name] = c
		}
		put(c.app, debianProbe)
		if strings.Contains(c.app, "/dist-packages/") {
			put(filepath.Join(filepath.Dir(c.app), "__init__.py"), "")
		}
		if c.site != "" {
			put(c.path, debianApache+c.site+"\n")
		}
	}
	put("probe/ask.py", debianAsk)
	m := bootWith(t, debianMachine, self, packages, files, users)
	m.run("sh", "-euc", `
mkdir -p /var/log/mailman3/web /run/mailman3-web /var/log/apache2 /run/uwsgi/app
ln -s ../apps-available/bepasty-freedombox.ini /etc/uwsgi/apps-enabled/
printf 'import time\ntime.sleep(1000)\n' > /usr/share/mailman3-web/manage.py
chown www-data:www-data /var/log/mailman3/web
echo 'export APACHE_LOG_DIR=/var/log/apache2' > /etc/apache2/envvars
systemctl daemon-reload`)
	ask := func(m *machine, at, path string) (answer map[string]any) {
		m.t.Helper()
		protocol, address, _ := strings.Cut(at, " ")
		out, err := m.try("python3", "-IS", "/probe/ask.py", address, protocol, path)
		if err == nil {
			err = json.Unmarshal([]byte(out), &answer)
		}
		if err != nil {
			m.t.Fatalf("%s: %v\n%s", at, err, out)
		}
		return answer
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			m := m.with(t)
			t.Cleanup(func() {
				if t.Failed() {
					out, _ := m.try("sh", "-c", "journalctl -u "+name+" --no-pager -n 40; tail -n 20 /var/log/"+strings.Split(name, "-")[0]+"*/*.log /var/log/uwsgi/app/"+name+".log /var/wsgid/"+name+"/logs/* 2>/dev/null")
					t.Log(out)
				}
			})
			path := facts.Either(c.url, "/")
			if c.start == "" {
				c.start = "systemctl start " + name
			}
			m.run("sh", "-c", c.start)
			want := ask(m, c.at, path)
			gone := func() {
				m.until("the peer is gone", time.Minute, func() error {
					_, _ = m.try("systemctl", "kill", "-s", "KILL", name)
					_, _ = m.try("systemctl", "stop", name)
					if _, err := m.try("pkill", "-KILL", "^(uwsgi|gunicorn|apache2)"); err == nil {
						return errors.New("it runs")
					}
					return nil
				})
			}
			gone()

			said, _ := m.try("wsgid-fleet", "import", "--write", c.path)
			list := strings.Fields(m.run("sh", "-c", "ls /etc/wsgid.d | grep hcl"))
			if len(list) != 1 {
				t.Fatalf("%v\n%s", list, said)
			}
			app := strings.TrimSuffix(list[0], ".hcl")
			text := m.run("cat", "/etc/wsgid.d/"+list[0])
			defer func() {
				m.try("wsgid-fleet", "stop", app)
				m.run("sh", "-c", "rm -rf /etc/wsgid.d/*")
				if t.Failed() {
					t.Logf("%s\n%s", text, said)
				}
			}()
			for _, what := range c.names {
				if !strings.Contains(said, what) {
					t.Errorf("%q is not named", what)
				}
			}
			if out, err := m.try("wsgid-fleet", "apply", app); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, address, _ := strings.Cut(c.at, " ")
			got := ask(m, "http "+address, path)
			if c.dir {
				want["Dir"] = got["Dir"]
			}
			if c.own {
				want["Processes"], want["Threads"] = got["Processes"], got["Threads"]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-peer +fleet):\n%s", diff)
			}
		})
	}
}
