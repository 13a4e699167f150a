package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// movedApp answers with what a move must not change.
const movedApp = `import os
def app(environ, start_response):
    umask = os.umask(0); os.umask(umask)
    body = "%s %s%s %s %s %s" % (NAME, environ["SCRIPT_NAME"] + ":" if environ["SCRIPT_NAME"] else "", environ["PATH_INFO"],
        os.environ.get("GREETING"), os.getcwd(), oct(umask))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]
`

// A folder of ten vassals, a supervisord with three programs and a gunicorn unit become
// a fleet by three commands, and a site of Apache by a fourth; it answers what they
// answered, and what could not be carried over is named.
func TestMovingIn(t *testing.T) {
	t.Parallel()
	b, home, put := emptyBed(t)
	if !b.who.root() {
		t.Skip("the peers change to a user")
	}
	uwsgi, supervisord, gunicorn, apache := componenttest.Program(t, "uwsgi"), componenttest.Program(t, "supervisord"), componenttest.Program(t, "gunicorn"), componenttest.Program(t, "apache2")
	addresses := map[string]string{}
	app := func(name string) string {
		addresses[name] = freeport.Addr(t)
		put(name+"/web.py", "NAME = \""+name+"\"\n"+movedApp)
		return addresses[name]
	}
	for _, name := range []string{"one", "two", "three"} {
		put("vassals/"+name+".ini", fmt.Sprintf(`[uwsgi]
plugin = python3
base = %s/%%n
chdir = %%(base)
module = web:app
http-socket = %s
env = GREETING=hello %%n
static-map = /static=%%(base)/static
uid = daemon
gid = daemon
umask = 027
`, home, app(name)))
		put(name+"/static/a.txt", "the file of "+name)
	}
	// As people write them: other formats, placeholders, loops, folders of modules,
	// files, mounts; and what the fleet has no counterpart for.
	common := func(name, address string) [][2]string {
		return [][2]string{{"plugin", "python3"}, {"chdir", home + "/" + name}, {"http-socket", address}, {"env", "GREETING=hello " + name}, {"uid", "daemon"},
			{"gid", "daemon"}, {"umask", "022"}, {"static-map", "/static=" + home + "/" + name + "/static"}}
	}
	ini := func(name string, more string) {
		text := "[uwsgi]\n"
		for _, kv := range common(name, app(name)) {
			text += kv[0] + " = " + kv[1] + "\n"
		}
		put("vassals/"+name+".ini", text+more)
		put(name+"/static/a.txt", "the file of "+name)
	}
	ini("ten", "wsgi-file = web.py\ncallable = app\nprocesses = 2\ncheaper = 1\nharakiri = 20\nmax-requests = 1000\nspooler = .\n")
	ini("eleven", "mount = /shop=web.py\ncallable = app\nmanage-script-name = true\noffload-threads = 1\n")
	ini("twelve", "for = src lib\npythonpath = "+home+"/twelve/%(_)\nendfor =\nmodule = site_of_%n:app\ntouch-reload = /tmp/%n\nstats = 127.0.0.1:0\n")
	put("twelve/lib/site_of_twelve.py", "NAME = \"lib\"\n"+movedApp)
	put("twelve/src/site_of_twelve.py", "NAME = \"src\"\n"+movedApp)
	ini("thirteen", "base = web\nset-placeholder = attr=app\nmodule = %(base):%(attr)\nif-env = NOT_THERE\nmodule = wrong\nendif =\nthreads = 2\n")
	for _, name := range []string{"seven", "eight", "nine"} {
		address := app(name)
		yaml, json, xml := "uwsgi:\n", []string{}, "<uwsgi>\n"
		for _, kv := range append(common(name, address), [2]string{"module", "web:app"}) {
			yaml += "  " + kv[0] + ": " + kv[1] + "\n"
			json = append(json, fmt.Sprintf("%q: %q", kv[0], kv[1]))
			xml += fmt.Sprintf("  <%[1]s>%[2]s</%[1]s>\n", kv[0], kv[1])
		}
		put(name+"/static/a.txt", "the file of "+name)
		switch name {
		case "seven":
			put("vassals/seven.yaml", yaml)
		case "eight":
			put("vassals/eight.json", "{\"uwsgi\": {"+strings.Join(json, ", ")+"}}")
		default:
			put("vassals/nine.xml", xml+"</uwsgi>\n")
		}
	}
	put("supervisord.conf", fmt.Sprintf(`[supervisord]
logfile=/dev/null
logfile_maxbytes=0
pidfile=%[1]s/s.pid
environment=GREETING="hello %%%%%%%%"
[program:four]
command=/usr/bin/gunicorn -b %[2]s -w 1 web:app
directory=%[1]s/four
user=daemon
stdout_logfile=NONE
stderr_logfile=NONE
[program:fourteen]
command=/usr/bin/uwsgi-core --plugin python3 --http-socket %[3]s --module web:app --master --die-on-term --processes 2
directory=%[1]s/fourteen
environment=GREETING="hello %%(program_name)s"
umask=027
user=daemon
priority=5
stdout_logfile=NONE
stderr_logfile=NONE
[program:rest]
command=/bin/sleep 1000
user=daemon
stdout_logfile=NONE
stderr_logfile=NONE
`, home, app("four"), app("fourteen")))
	put("five.service", fmt.Sprintf(`[Service]
User=daemon
WorkingDirectory=%[1]s/five
Environment="GREETING=hello five"
ExecStart=/usr/bin/gunicorn --bind %[2]s web:app
`, home, app("five")))
	put("six.conf", fmt.Sprintf(`<VirtualHost %[2]s>
  WSGIDaemonProcess six user=daemon group=daemon home=%[1]s/six umask=0027 processes=1 threads=2
  WSGIProcessGroup six
  WSGICallableObject app
  WSGIScriptAlias / %[1]s/six/web.py
  WSGIScriptAlias /x %[1]s/five/web.py
  Alias /static %[1]s/six/static
  SetEnv GREETING nobody
</VirtualHost>
`, home, app("six")))
	put("six/static/a.txt", "the file of six")
	modules := ""
	for _, name := range []string{"mpm_event", "authz_core", "alias", "env", "wsgi"} {
		modules += fmt.Sprintf("LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	put("httpd.conf", fmt.Sprintf(`%[3]sServerRoot %[1]s
ServerName localhost
PidFile %[1]s/httpd.pid
DefaultRuntimeDir %[1]s
WSGISocketPrefix %[1]s/wsgi
Mutex file:%[1]s
ErrorLog %[1]s/error.log
User daemon
Group daemon
Listen %[2]s
<Directory %[1]s>
  Require all granted
</Directory>
Include six.conf
`, home, addresses["six"], modules))

	ask := func() map[string]string {
		answers := map[string]string{}
		for name, address := range addresses {
			paths := []string{"/", "/x/y", "/static/a.txt"}
			switch name {
			case "four", "five", "fourteen":
				paths = paths[:2]
			case "eleven":
				paths = []string{"/shop", "/shop/x/y", "/static/a.txt"}
			}
			for _, path := range paths {
				eventually(t, patience, name+path, func() error {
					code, body, err := get(address, path)
					if err == nil && code != http.StatusOK {
						err = fmt.Errorf("%d %s", code, body)
					}
					answers[name+path] = body
					return err
				})
			}
		}
		return answers
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var peers []*exec.Cmd
	peer := func(env []string, dir, name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
		b.must(cmd.Start())
		peers = append(peers, cmd)
	}
	peer(nil, home, uwsgi, "--emperor", home+"/vassals", "--die-on-term")
	peer(nil, home, supervisord, "-n", "-c", home+"/supervisord.conf")
	// What the unit says, without a systemd.
	peer([]string{"GREETING=hello five"}, home+"/five", gunicorn, "--bind", addresses["five"], "-u", "daemon", "web:app")
	peer(nil, "/", apache, "-d", home, "-f", home+"/httpd.conf", "-DFOREGROUND")
	before := ask()
	for _, cmd := range peers {
		b.must(syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM))
		_ = cmd.Wait()
	}
	for name, address := range addresses { // whoever outlived its parent a little
		eventually(t, patience, name+" is free", func() error {
			c, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				return nil //nolint:nilerr // nobody listens any more
			}
			c.Close()
			return fmt.Errorf("somebody listens on %s", address)
		})
	}

	if len(before) != 39 {
		t.Errorf("%d answers before", len(before))
	}
	for path, named := range map[string][]string{
		"vassals": {"ten.ini:16: spooler = .: not carried over: ", "eleven.ini:13: offload-threads = 1: not carried over: ",
			"twelve.ini:14: touch-reload = /tmp/twelve: not carried over: ", "twelve.ini:15: stats = 127.0.0.1:0: not carried over: "},
		"supervisord.conf": {"rest"},
		"five.service":     nil,
		"six.conf":         {"WSGIScriptAlias /x "},
	} {
		out := b.fleet("import", "--write", filepath.Join(home, path))
		if !strings.Contains(out.stdout, ".hcl") {
			t.Fatalf("%s: %v", path, out)
		}
		for _, what := range named {
			if !strings.Contains(out.stderr, what) {
				t.Errorf("%s: %q is not named", path, what)
			}
		}
		t.Logf("%s: %v", path, out)
	}
	if out := b.fleet("apply"); out.code != 0 {
		t.Fatalf("%v%s", out, b.logs())
	}
	after := ask()
	for what, was := range before {
		if after[what] != was {
			t.Errorf("%s: before %q, after %q", what, was, after[what])
		}
	}
	if out := b.fleet("stop", "--all"); out.code != 0 {
		t.Error(out)
	}
}
