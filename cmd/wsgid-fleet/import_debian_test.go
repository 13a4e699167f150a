package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
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
path = [os.path.abspath(p) for p in sys.path if p and p != os.path.dirname(sys.argv[0])]  # where gunicorn's own script lies
def workers():
    """How many processes do the work: those of my user and command beside me."""
    try:
        import mod_wsgi
        return mod_wsgi.maximum_processes
    except ImportError:
        pass
    def stat(pid):
        try:
            with open("/proc/%s/stat" % pid) as f, open("/proc/%s/cmdline" % pid) as g:
                return f.read().rsplit(")", 1)[1].split()[1], g.read(), os.stat("/proc/%s" % pid).st_uid
        except (OSError, IndexError):
            return None
    me = stat("self")
    return sum(1 for pid in os.listdir("/proc") if pid.isdigit() and stat(pid) == me)
def application(environ, start_response):
    umask = os.umask(0)
    os.umask(umask)
    body = json.dumps({"UID": os.getuid(), "GID": os.getgid(), "Umask": umask, "Dir": os.getcwd(),
        "Env": {k: v for k, v in os.environ.items() if k not in own and not k.startswith(("UWSGI_", "WSGID_", "APACHE_"))},
        "Path": list(dict.fromkeys(p for p in path if p and not p.startswith(("/usr/lib/python3", "/usr/local/lib/python3", "/var/wsgid/", "/run/wsgid/")) and os.path.isdir(p))),
        "Args": [] if "gunicorn" in sys.argv[0] else sys.argv[1:], "Workers": workers(),
        "Script": environ["SCRIPT_NAME"], "Info": environ["PATH_INFO"], "Threads": environ["wsgi.multithread"], "Processes": environ["wsgi.multiprocess"]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
app = application
`

// debianAsk asks at an address until the body is a probe's, and as many workers are there
// as there should be: by HTTP, or in uWSGI's protocol. Of a file that is no probe's it
// tells status, type and text.
const debianAsk = `import http.client, json, socket, struct, sys, time
address, protocol, path, workers = sys.argv[1:5]
end = time.monotonic() + 50
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
        head, body = answer.split(b"\r\n\r\n", 1)
        if workers == "file":
            fields = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
            print(json.dumps({"Status": int(head.split()[1]), "Type": fields.get("content-type", "").split(";")[0], "Text": body.decode("latin-1")}))
            break
        body = json.loads(body)
        if str(body["Workers"]) != workers and time.monotonic() < end - 20:
            time.sleep(0.05)
            continue
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
	users := "bepasty _graphite mailman3-web radicale tryton lavaserver x2gobroker supysonic"
	for name, c := range cases {
		if _, err := os.Stat(filepath.Join(packages, c.from)); err != nil {
			t.Logf("%s: not among the packages that could be had", name)
			delete(cases, name)
			continue
		}
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
		for _, file := range c.static {
			put(file, "body { color: green }\n")
		}
		if c.site != "" {
			put(c.path, debianApache+c.site+"\n")
		}
	}
	put("probe/ask.py", debianAsk)
	put("etc/default/lava-server-gunicorn", "WORKER_CLASS=sync\n") // as shipped it needs eventlet
	m := bootWith(t, debianMachine, self, packages, files, users)
	m.run("sh", "-euc", `
mkdir -p /usr/share/mailman3-web /var/log/mailman3/web /run/mailman3-web /var/log/apache2 /var/log/lava-server /var/log/openstack-dashboard /run/uwsgi/app
ln -s ../apps-available/bepasty-freedombox.ini ../apps-available/radicale.ini /etc/uwsgi/apps-enabled/
# What the packages' scripts do when they are installed.
[ ! -e /usr/share/doc/searx/examples/uwsgi ] || cp /usr/share/doc/searx/examples/uwsgi/apps-available/searx.ini /etc/uwsgi/apps-enabled/
mkdir -p /etc/tryton
touch /etc/tryton/trytond.conf
[ ! -e /usr/share/tryton-server/default/uwsgi.ini ] || cp /usr/share/tryton-server/default/uwsgi.ini /etc/tryton/
printf 'import time\ntime.sleep(1000)\n' > /usr/share/mailman3-web/manage.py
chown www-data:www-data /var/log/mailman3/web
echo 'export APACHE_LOG_DIR=/var/log/apache2' > /etc/apache2/envvars
systemctl daemon-reload`)
	ask := func(m *machine, at, path, workers string) (answer map[string]any) {
		m.t.Helper()
		protocol, address, _ := strings.Cut(at, " ")
		out, err := m.try("python3", "-IS", "/probe/ask.py", address, protocol, path, workers)
		if err == nil {
			err = json.Unmarshal([]byte(out), &answer)
		}
		if err != nil {
			m.t.Fatalf("%s: %v\n%s", at, err, out)
		}
		return answer
	}
	askAll := func(m *machine, c debianCase, at, workers string) map[string]any {
		m.t.Helper()
		answer := ask(m, at, facts.Either(c.url, "/"), workers)
		for url := range c.static {
			answer[url] = ask(m, at, url, "file")
		}
		return answer
	}
	count := regexp.MustCompile(`(?m)^ +(?:count|min) += (\d+)`)
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			m := m.with(t)
			t.Cleanup(func() {
				if t.Failed() {
					out, _ := m.try("sh", "-c", "journalctl -u "+facts.Either(c.unit, name)+" --no-pager -n 40; tail -n 20 /var/log/"+strings.Split(name, "-")[0]+"*/*.log /var/log/uwsgi/app/"+name+".log /var/wsgid/"+name+"/logs/* 2>/dev/null")
					t.Log(out)
				}
			})
			said, _ := m.try("wsgid-fleet", "import", "--write", c.path)
			list := strings.Fields(m.run("sh", "-c", "ls /etc/wsgid.d | grep hcl"))
			if len(list) != 1 {
				t.Fatalf("%v\n%s", list, said)
			}
			app := strings.TrimSuffix(list[0], ".hcl")
			text := m.run("cat", "/etc/wsgid.d/"+list[0])
			workers := "1"
			if found := count.FindStringSubmatch(text); found != nil {
				workers = found[1]
			}
			defer func() {
				m.try("wsgid-fleet", "stop", app)
				m.run("sh", "-c", "rm -rf /etc/wsgid.d/*")
				if t.Failed() {
					t.Logf("%s\n%s", text, said)
				}
			}()

			unit := facts.Either(c.unit, name)
			m.run("sh", "-c", facts.Either(c.start, "systemctl restart "+unit))
			want := askAll(m, c, c.at, workers)
			m.until("the peer is gone", time.Minute, func() error {
				_, _ = m.try("systemctl", "kill", "-s", "KILL", unit)
				_, _ = m.try("systemctl", "stop", unit)
				if _, err := m.try("pkill", "-KILL", "^(uwsgi|gunicorn|apache2)"); err == nil {
					return errors.New("it runs")
				}
				return nil
			})
			for _, what := range c.names {
				if !strings.Contains(said, what) {
					t.Errorf("%q is not named", what)
				}
			}
			_, address, _ := strings.Cut(c.at, " ")
			if path, ok := strings.CutPrefix(address, "unix:"); ok {
				m.run("mkdir", "-p", filepath.Dir(path)) // which went with the peer
			}
			if out, err := m.try("wsgid-fleet", "apply", app); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := askAll(m, c, "http "+address, workers)
			if c.dir {
				want["Dir"] = got["Dir"]
			}
			if c.own {
				want["Processes"], want["Threads"], want["Workers"] = got["Processes"], got["Threads"], got["Workers"]
			}
			if len(c.args) > 0 {
				if diff := cmp.Diff(fmt.Sprint(c.args), fmt.Sprint(want["Args"])); diff != "" {
					t.Errorf("arguments (-here +peer):\n%s", diff)
				}
				want["Args"] = got["Args"]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-peer +fleet):\n%s", diff)
			}
		})
	}
}
