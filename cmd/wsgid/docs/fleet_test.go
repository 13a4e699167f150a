package docs

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
	"github.com/wsgid-fleet/wsgid-fleet/runner/mongrel2/mongrel2test"
)

// Moving from wsgid to the fleet, and back, with one folder.
func TestMoveToTheFleetAndBack(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		p.mongrel2(mongrel2test.Options{})
		const app = "/var/wsgid/My Blog"
		const quoted = "'/var/wsgid/My Blog'"
		p.sh("wsgid init --app-path=" + quoted + " >/dev/null")
		p.write(app+"/app/web.py", `
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %s" % (os.environ["GREETING"], os.environ["API_KEY"])).encode()]
`)
		p.write(app+"/wsgid.json", `{
  "recv": "RECV",
  "send": "SEND",
  "workers": "2",
  "wsgi_app": "web.application",
  "envs": {"GREETING": "hello", "API_KEY": "k1"},
  "theirs": {"kept": true}
}`)
		p.give("/var/wsgid")
		asWsgid := p.read(app + "/wsgid.json")
		warning := "wsgid: warning: /var/wsgid/My Blog/wsgid.json: unknown option \"theirs\" at line 7, column 13\n"
		if r := p.try("wsgid --app-path=" + quoted); r.code != 0 || r.stderr != warning {
			t.Fatalf("%+v", r)
		}
		p.wants("/", "hello k1")
		master := p.pids(app, "master")[0]

		// One command; what wsgid still runs is told, as is what has no place.
		r := p.try("wsgid-fleet import --write " + quoted)
		notes := "/var/wsgid/My Blog: my-blog: /var/wsgid/My Blog/wsgid.json: unknown option \"theirs\" at line 7, column 13: not carried over\n" +
			"/var/wsgid/My Blog: my-blog: wsgid runs on it now, master " + itoa(master) + ": stop it before the fleet starts the app: wsgid stop --app-path=/var/wsgid/My Blog\n"
		if r.code != 0 || r.stdout != "/wsgid.d/my-blog.hcl\n" || r.stderr != notes {
			t.Fatalf("%+v\nwant %s", r, notes)
		}
		p.sh("wsgid stop --app-path=" + quoted)
		if fi, err := os.Stat(p.path("/wsgid.d/my-blog.hcl")); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", fi, err)
		}
		p.sh("wsgid-fleet apply >/dev/null")
		p.wants("/", "hello k1")
		if plan := p.try("wsgid-fleet plan"); plan.code != 0 {
			t.Errorf("after apply there is something to do: %+v", plan)
		}
		// What a person wrote is kept beside what the fleet writes now.
		if kept := p.read(app + "/wsgid.json.before-fleet"); kept != asWsgid {
			t.Errorf("kept was %s", kept)
		}

		// wsgid knows the fleet's master by the same folder.
		status := p.sh("wsgid status --app-path=" + quoted)
		masters := p.pids(app, "master")
		if !strings.HasPrefix(status, "Status: Running\nMaster pid(s): "+itoa(masters[0])+"\n") || len(masters) != 1 {
			t.Errorf("status prints %s, pid/master has %v", status, masters)
		}
		// And imports nothing but what is there already.
		r = p.try("wsgid-fleet import " + quoted)
		if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "count = 2") {
			t.Errorf("%+v", r)
		}

		// Back: the file that the fleet wrote starts the same app by hand.
		p.sh("wsgid-fleet stop my-blog >/dev/null && wsgid --app-path=" + quoted)
		p.wants("/", "hello k1")
		eventually(t, "both workers", func() bool { return len(p.pids(app, "worker")) == 2 })
		var conf map[string]any
		p.must(json.Unmarshal([]byte(p.read(app+"/wsgid.json")), &conf))
		for key, want := range map[string]any{"recv": p.m2.Handlers[0].Recv, "send": p.m2.Handlers[0].Send, "workers": 2.0, "wsgi_app": "web.application"} {
			if conf[key] != want {
				t.Errorf("%s is %v, want %v", key, conf[key], want)
			}
		}
		if r := p.try("wsgid config --debug --app-path=" + quoted); r.code != 0 ||
			r.stderr != "wsgid: warning: the fleet writes /var/wsgid/My Blog/wsgid.json from the app's spec; change the spec, or this will be undone\n" {
			t.Errorf("%+v", r)
		}
		p.sh("wsgid stop --app-path=" + quoted)
		p.sh("wsgid-fleet start my-blog >/dev/null")
		p.wants("/", "hello k1")
		if !strings.Contains(p.read(app+"/wsgid.json"), `"debug": false`) {
			t.Error("the fleet left a change of its file as it was")
		}
	})
}

// While the fleet keeps an app, an instance that is started by hand on its folder
// is left alone, and the other way round.
func TestInstanceBesideTheFleet(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/blog"
		p.init(app)
		p.write(app+"/app/web.py", hello)
		p.listen(app, `, "wsgi_app": "web.application"`)
		p.sh("wsgid-fleet import --write " + app + " >/dev/null && wsgid-fleet apply >/dev/null")
		p.wants("/", "Hello world!\n")
		of := p.pids(app, "master")

		// The same sockets twice is an error that names the port.
		p.fails(1, "wsgid: cannot start /var/wsgid/blog: cannot listen on "+p.web+": the port is taken by another process (ss -ltnp shows which)\n", "wsgid --app-path="+app)

		const byHand = `{"recv": "tcp://127.0.0.1:1", "send": "tcp://127.0.0.1:2", "wsgi_app": "web.application"}`
		p.write(app+"/wsgid.json", byHand)
		p.give(app)
		p.sh("wsgid --app-path=" + app)
		both := p.pids(app, "master")
		if len(both) != 2 || !slices.Contains(both, of[0]) {
			t.Fatalf("masters are %v, the fleet's is %v", both, of)
		}
		// The fleet takes its file back, and leaves the other's processes and pid
		// files.
		p.sh("wsgid-fleet apply blog >/dev/null")
		if now := p.pids(app, "master"); !slices.Equal(now, both) {
			t.Errorf("masters are %v, were %v", now, both)
		}
		p.sh("wsgid-fleet stop blog >/dev/null")
		if now := p.pids(app, "master"); len(now) != 1 || now[0] == of[0] {
			t.Errorf("after wsgid-fleet stop masters are %v", now)
		}
		p.sh("wsgid-fleet start blog >/dev/null")
		r := p.try("wsgid stop --app-path=" + app)
		if !strings.Contains(r.stderr, " belongs to the fleet, which may start it again; wsgid-fleet stop blog stops it for good\n") || r.code != 0 {
			t.Errorf("%+v", r)
		}
		if now := p.pids(app, "master"); len(now) != 0 {
			t.Errorf("after wsgid stop masters are %v", now)
		}
	})
}

// A django.json that a person writes: a mistake in it stops the rollout, the old
// workers keep their settings and their database.
func TestDjangoJSONStopsTheRollout(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/guestbook"
		p.sh("cp -a " + kit + "/examples/django-settings/guestbook /var/wsgid/")
		p.init(app)
		p.web = freeport.Addr(t)
		p.write("/wsgid.d/guestbook.hcl", strings.Replace(readFile(t, kit+"/examples/django-settings/guestbook.hcl"), "127.0.0.1:8000", p.web, 1))
		p.sh("wsgid-fleet apply >/dev/null")
		p.wants("/", "Visits in production: 1, counted in production.sqlite3\n")

		good := p.read(app + "/django.json")
		p.write(app+"/django.json", strings.Replace(good, "production.sqlite3\"\n", "production.sqlite3\",\n", 1))
		const reason = "cannot read django.json: line 8, column 5: Expecting property name enclosed in double quotes"
		r := p.try("wsgid-fleet reload guestbook")
		const place = "File \"/var/wsgid/guestbook/django.json\", line 8\n"
		if r.code != 1 || !strings.HasPrefix(r.stderr, "wsgid-fleet: cannot reload guestbook: ") || !strings.Contains(r.stderr, reason+"\n") || !strings.HasSuffix(r.stderr, place) {
			t.Errorf("%+v\nwant %s\n%s", r, reason, place)
		}
		p.wants("/", "Visits in production: 2, counted in production.sqlite3\n")
		if r := p.try("wsgid-fleet status guestbook -o json"); r.code != 3 || !strings.Contains(r.stdout, `"state": "degraded"`) || !strings.Contains(r.stdout, reason) {
			t.Errorf("%+v", r)
		}
		p.write(app+"/django.json", strings.Replace(good, "production.sqlite3", "new.sqlite3", 1))
		p.sh("wsgid-fleet reload guestbook >/dev/null")
		p.wants("/", "Visits in production: 1, counted in new.sqlite3\n")
		p.sh("wsgid-fleet status guestbook >/dev/null")
	})
}

// Where no loader fits, apply lists what was looked for and what is there.
func TestNothingFitsUnderTheFleet(t *testing.T) {
	asEach(t, func(t *testing.T) {
		p := newPlace(t)
		const app = "/var/wsgid/lost"
		p.init(app)
		p.write(app+"/app/site/wsgi.py", hello)
		p.listen(app, "")
		p.sh("wsgid-fleet import --write " + app + " >/dev/null 2>&1")
		r := p.try("wsgid-fleet apply")
		for _, want := range []string{
			"wsgid-fleet: cannot apply lost: no loader fits: app/ holds site/",
			"    looked for a Django project (a folder of app/ with settings.py or settings/), for pyroutes (app/pyroutes_settings.py); " +
				"for any other application say wsgi_app = \"site.wsgi:application\"\n",
		} {
			if r.code != 1 || !strings.Contains(r.stderr, want) {
				t.Errorf("%+v\nwant %s", r, want)
			}
		}
	})
}
