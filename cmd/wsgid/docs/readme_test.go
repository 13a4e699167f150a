package docs

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// hello is the application of the 30loops guide, with the bytes of Python 3.
const hello = `
def application(environ, start_response):
    status = '200 OK'
    response_headers = [('Content-type', 'text/plain')]
    start_response(status, response_headers)
    return [b'Hello world!\n']
`

var started = regexp.MustCompile(`^Started: master \d+, \d+ worker\(s\), log /var/wsgid/\w+/logs/wsgid\.log\.\n$`)

// The README: init, start with everything typed, config, start with nothing
// typed, --wsgi-app.
func TestReadme(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.mongrel2(mongrel2test.Options{})
		p.sh("wsgid init --app-path=/var/wsgid/blog")
		for _, folder := range []string{"pid", "pid/master", "pid/worker", "app", "logs"} {
			if fi, err := os.Stat(p.path("/var/wsgid/blog/" + folder)); err != nil || !fi.IsDir() {
				t.Errorf("init made no folder %s: %v", folder, err)
			}
		}
		p.write("/var/wsgid/blog/app/my/__init__.py", "")
		p.write("/var/wsgid/blog/app/my/package.py", hello)
		p.give("/var/wsgid/blog")

		// It is no Django and no pyroutes: wsgid cannot detect it.
		p.fails(1, `wsgid: cannot start /var/wsgid/blog: no loader fits: app/ holds my/
looked for a Django project (a folder of app/ with settings.py or settings/), for pyroutes (app/pyroutes_settings.py); for any other application say wsgi_app = "module:attr"
`, "wsgid --app-path=/var/wsgid/blog --recv=RECV --send=SEND")
		out := p.sh("wsgid --app-path=/var/wsgid/blog --recv=RECV --send=SEND --wsgi-app=my.package.application")
		if !started.MatchString(out) {
			t.Errorf("it prints %q", out)
		}
		p.wants("/", "Hello world!\n")
		p.sh("wsgid stop --app-path=/var/wsgid/blog")

		p.sh("wsgid config --app-path=/var/wsgid/blog --recv=RECV --send=SEND")
		p.sh("wsgid config --app-path=/var/wsgid/blog --wsgi-app=my.package.application")
		want := p.here("{\n  \"recv\": \"RECV\",\n  \"send\": \"SEND\",\n  \"wsgi_app\": \"my.package.application\"\n}\n")
		if got := p.read("/var/wsgid/blog/wsgid.json"); got != want {
			t.Errorf("wsgid.json is %s", got)
		}
		p.sh("wsgid --app-path=/var/wsgid/blog")
		p.wants("/", "Hello world!\n")
		resp, _ := p.get("/")
		if got := resp.Header.Get("X-Wsgid"); got == "" {
			t.Errorf("the response has no X-Wsgid: %v", resp.Header)
		}
		p.sh("wsgid stop --app-path=/var/wsgid/blog")

		// The working directory is the app folder where none is named (0.6).
		p.sh("cd /var/wsgid/blog && wsgid && wsgid status && wsgid stop")
	})
}

// The application structure page: what stands in pid/, for one instance and for
// two.
func TestApplicationStructure(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.init("/var/wsgid/myapp")
		p.write("/var/wsgid/myapp/app/helloapp/__init__.py", "")
		p.write("/var/wsgid/myapp/app/helloapp/main.py", hello)
		p.give("/var/wsgid/myapp")
		const start = "wsgid --app-path=/var/wsgid/myapp --recv=tcp://127.0.0.1:1 --send=tcp://127.0.0.1:2 --wsgi-app=helloapp.main.application --workers="
		p.sh(start + "3")
		count := func(masters, workers int) func() bool {
			return func() bool {
				return len(p.pids("/var/wsgid/myapp", "master")) == masters && len(p.pids("/var/wsgid/myapp", "worker")) == workers
			}
		}
		eventually(t, "a master and three workers", count(1, 3))
		first := p.pids("/var/wsgid/myapp", "master")
		p.sh(start + "2")
		eventually(t, "two masters and five workers", count(2, 5))

		status := p.sh("wsgid status --app-path=/var/wsgid/myapp")
		lines := strings.Split(status, "\n")
		if len(lines) != 4 || lines[0] != "Status: Running" || !regexp.MustCompile(`^Master pid\(s\): \d+, \d+$`).MatchString(lines[1]) ||
			!regexp.MustCompile(`^Worker pid\(s\): \d+(, \d+){4}$`).MatchString(lines[2]) {
			t.Errorf("status prints\n%s", status)
		}
		for _, kind := range []string{"master", "worker"} {
			for _, pid := range p.pids("/var/wsgid/myapp", kind) {
				if !alive(pid) {
					t.Errorf("pid/%s names %d, which is not there", kind, pid)
				}
			}
		}

		// TERM to a master ends its workers, and removes the pid files: of that
		// instance alone.
		workers := p.pids("/var/wsgid/myapp", "worker")
		kill(t, first[0], "TERM")
		eventually(t, "one master and its workers", count(1, 2))
		eventually(t, "the master's end", func() bool { return !alive(first[0]) })
		if slices.Contains(p.pids("/var/wsgid/myapp", "master"), first[0]) {
			t.Errorf("master %d has left its pid file", first[0])
		}
		left := p.pids("/var/wsgid/myapp", "worker")
		for _, pid := range workers {
			if alive(pid) != slices.Contains(left, pid) {
				t.Errorf("worker %d: alive %v, has a pid file %v", pid, alive(pid), slices.Contains(left, pid))
			}
		}

		// A worker that is killed leaves its place to another one.
		kill(t, left[0], "KILL")
		eventually(t, "another worker", func() bool {
			now := p.pids("/var/wsgid/myapp", "worker")
			return len(now) == 2 && !slices.Contains(now, left[0])
		})
		p.sh("wsgid stop --app-path=/var/wsgid/myapp")
		if !count(0, 0)() {
			t.Errorf("pid files are left: %v %v", p.pids("/var/wsgid/myapp", "master"), p.pids("/var/wsgid/myapp", "worker"))
		}
		r := p.try("wsgid status --app-path=/var/wsgid/myapp")
		if r.code != 3 || r.stdout != "Status: Stopped\nMaster pid(s): \nWorker pid(s): \n" {
			t.Errorf("status: %+v", r)
		}
	})
}

// An application that is installed for the whole system needs nothing in app/.
func TestSystemWideApplication(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.init("/var/wsgid/demo")
		p.listen("/var/wsgid/demo", "")
		p.sh("wsgid --app-path=/var/wsgid/demo --wsgi-app=wsgiref.simple_server.demo_app")
		if resp, body := p.get("/"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, "Hello world!\n") {
			t.Errorf("%s %s", resp.Status, body)
		}
	})
}

// The 30loops guide: module:callable, in a package of the repository.
func TestFlavorGuide(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.init("/var/wsgid/wsgiapp")
		p.write("/var/wsgid/wsgiapp/app/wsgiapp/__init__.py", "")
		p.write("/var/wsgid/wsgiapp/app/wsgiapp/main.py", hello)
		p.listen("/var/wsgid/wsgiapp", "")
		p.sh("wsgid --app-path=/var/wsgid/wsgiapp --wsgi-app=wsgiapp.main:application")
		p.wants("/", "Hello world!\n")
		p.sh("wsgid stop --app-path=/var/wsgid/wsgiapp")

		// As the guide prints it, which was Python 2: the answer says what to mend.
		p.write("/var/wsgid/wsgiapp/app/wsgiapp/main.py", strings.Replace(hello, "b'Hello", "'Hello", 1))
		p.sh("wsgid --app-path=/var/wsgid/wsgiapp --wsgi-app=wsgiapp.main:application")
		if resp, _ := p.get("/x"); resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("got %s", resp.Status)
		}
		p.awaitLog("/var/wsgid/wsgiapp", `: GET /x: the application returned a list with str 'Hello world!\n', not bytes: encode it`)
	})
}

// The signals of stop and restart, and of the master itself.
func TestStopAndRestart(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.write(app+"/app/web.py", "import os\ndef application(environ, start_response):\n"+
			"    start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n")
		p.listen(app, `, "wsgi_app": "web.application"`)
		p.sh("wsgid --app-path=" + app)
		_, before := p.get("/")
		next := func(what string) {
			t.Helper()
			eventually(t, "another worker after "+what, func() bool {
				_, now, err := p.ask(http.MethodGet, "/", nil)
				was := before
				if err == nil && now != before {
					before = now
				}
				return err == nil && now != was
			})
		}
		masters := p.pids(app, "master")
		for _, command := range []string{
			"wsgid restart --app-path=" + app,
			"wsgid restart --send-signal=TERM --app-path=" + app,
			"wsgid restart --send-signal=SIGKILL --app-path=" + app,
			"wsgid restart --send-signal 9 --app-path=" + app,
			"kill -HUP " + strings.TrimSpace(p.read(app+"/pid/master/"+p.sh("ls "+app+"/pid/master | tr -d '\\n'"))),
		} {
			p.sh(command)
			next(command)
		}
		if now := p.pids(app, "master"); !slices.Equal(now, masters) {
			t.Errorf("the master is another one: %v, was %v", now, masters)
		}
		p.sh("wsgid stop --send-signal=INT --app-path=" + app)
		if alive(masters[0]) {
			t.Errorf("master %d is still there", masters[0])
		}
		if got := p.sh("wsgid stop --app-path=" + app + "; wsgid restart --app-path=" + app); got != "Nothing runs on /var/wsgid/blog.\nNothing runs on /var/wsgid/blog.\n" {
			t.Errorf("got %q", got)
		}

		// A restart whose new workers cannot start leaves the old ones.
		p.sh("wsgid --app-path=" + app)
		_, before = p.get("/")
		p.write(app+"/app/web.py", "import no_such_thing\n")
		p.fails(1, "wsgid: cannot restart /var/wsgid/blog: the old workers of master "+strings.TrimSuffix(p.sh("ls "+app+"/pid/master"), ".pid\n")+
			` keep serving: ModuleNotFoundError: No module named 'no_such_thing'
Traceback (most recent call last):
  File "/var/wsgid/blog/app/web.py", line 1, in <module>
    import no_such_thing
ModuleNotFoundError: No module named 'no_such_thing'
no_such_thing is not installed for /usr/bin/python3: install it there, or name the app's virtualenv
`, "wsgid restart --app-path="+app)
		p.wants("/", before)
	})
}

// --keep-alive off: no worker is replaced, and the master ends with the last.
func TestKeepAliveOff(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.write(app+"/app/web.py", hello)
		for _, how := range []struct{ json, option string }{
			{`, "keep_alive": "false"`, ""}, {`, "keep_alive": false`, ""}, {"", " --no-keep-alive"}, {"", " --keep-alive=false"},
		} {
			p.listen(app, how.json+`, "wsgi_app": "web.application"`)
			p.sh("wsgid --workers=2 --app-path=" + app + how.option)
			eventually(t, "two workers", func() bool { return len(p.pids(app, "worker")) == 2 })
			master, workers := p.pids(app, "master")[0], p.pids(app, "worker")
			kill(t, workers[0], "KILL")
			eventually(t, "one worker less", func() bool { return len(p.pids(app, "worker")) == 1 })
			p.wants("/", "Hello world!\n")
			if now := p.pids(app, "worker"); !alive(master) || !slices.Equal(now, workers[1:]) {
				t.Errorf("workers %v became %v", workers, now)
			}
			kill(t, workers[1], "KILL")
			eventually(t, "the master's end", func() bool { return !alive(master) })
			if now := p.pids(app, "master"); len(now) > 0 {
				t.Errorf("its pid file is left: %v", now)
			}
			p.awaitLog(app, "the last worker exited and workers.keep_alive is false: the master exits")
		}
	})
}

// --no-daemon and --stdout, by option and by file.
func TestForeground(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.write(app+"/app/web.py", hello)
		run := "timeout -s TERM 20 wsgid --app-path=" + app + " %s & wait=$!; for i in $(seq 400); do " +
			"ls " + app + "/pid/worker | grep -q pid && break; sleep 0.05; done; kill -TERM $wait; wait $wait"
		for _, how := range []struct{ json, options, stream string }{
			{"", "--no-daemon", "stderr"},
			{"", "--no-daemon --stdout", "stdout"},
			{`, "no_daemon": true`, "", "stderr"},
			{`, "no_daemon": "true"`, "--stdout", "stdout"},
			{`, "no_daemon": true, "stdout": "true"`, "", "stdout"},
		} {
			p.listen(app, how.json+`, "wsgi_app": "web.application"`)
			r := p.try(strings.ReplaceAll(run, "%s", how.options) + "; true")
			streams := map[string]string{"stdout": r.stdout, "stderr": r.stderr}
			if !strings.Contains(streams[how.stream], "INFO - master ends") || r.stdout != "" && r.stderr != "" {
				t.Errorf("%+v: %+v", how, r)
			}
			if _, err := os.Stat(p.path(app + "/logs/wsgid.log")); err == nil {
				t.Errorf("%+v: there is a log file", how)
			}
		}
		p.listen(app, `, "wsgi_app": "web.application"`)
		p.fails(64, "wsgid: cannot start: --stdout needs --no-daemon: a daemon writes to logs/wsgid.log\nTry \"wsgid --help\".\n", "wsgid --stdout --app-path="+app)
		p.listen(app, `, "wsgi_app": "web.application", "stdout": true`)
		r := p.try("wsgid --app-path=" + app)
		if want := "wsgid: warning: /var/wsgid/blog/wsgid.json: stdout has no effect without no_daemon: a daemon writes to logs/wsgid.log\n"; r.code != 0 || r.stderr != want {
			t.Errorf("%+v", r)
		}
	})
}
