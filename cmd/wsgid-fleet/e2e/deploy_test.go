package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
)

// guide is the repository of the flavor guide, with its app and an environment of
// it on the harness.
type guide struct {
	*harness
	repo string
}

const guideApp = `def application(environ, start_response):
    status = '200 OK'
    response_headers = [('Content-type', 'text/plain')]
    start_response(status, response_headers)
    return [b'Hello world!\n']
`

// talkingApp says what it is asked, too, as the load wants it.
const talkingApp = `def application(environ, start_response):
    start_response('200 OK', [('Content-type', 'text/plain')])
    return [('%s\n%%s %%s\n' %% (environ['REQUEST_METHOD'], environ['PATH_INFO'])).encode()]
`

func newGuide(t *testing.T, who account, more string) *guide {
	t.Helper()
	b := newHarness(t, who)
	b.only()
	g := &guide{harness: b, repo: filepath.Join(b.dir, "wsgiapp.git")}
	b.must(os.MkdirAll(filepath.Join(g.repo, "wsgiapp"), 0o755))
	g.git("init", "-q", "-b", "master")
	b.must(os.WriteFile(filepath.Join(g.repo, "wsgiapp/__init__.py"), nil, 0o644))
	g.commit(guideApp)
	b.write("wsgid.d/wsgiapp.hcl", fmt.Sprintf(`app "wsgiapp" {
  wsgi_app = "wsgiapp.main:application"
  deploy {
    repository = "file://%s"
    %s
  }
  environment "dev" {
    deploy { branch = "master" }
    sockets {
      http { listen = %q }
    }
  }
}
`, g.repo, more, b.hello))
	return g
}

func (g *guide) git(args ...string) string {
	g.t.Helper()
	return fleettest.Git(g.t, g.repo, args...)
}

func (g *guide) commit(code string) {
	g.t.Helper()
	g.must(os.WriteFile(filepath.Join(g.repo, "wsgiapp/main.py"), []byte(code), 0o644))
	g.git("add", "-A")
	g.git("commit", "-q", "-m", "change it")
}

// say commits an application that says that.
func (g *guide) say(text string) { g.commit(fmt.Sprintf(talkingApp, text)) }

func (g *guide) says(want string) {
	g.t.Helper()
	if code, body, err := get(g.hello, "/"); err != nil || code != http.StatusOK || !strings.HasPrefix(body, want+"\n") {
		g.t.Errorf("answered %d %q, %v; want %q", code, body, err, want)
	}
}

// The flavor guide, with our words for its commands: without a daemon and with one.
func TestFlavorGuide(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		g := newGuide(t, who, "")
		if out := g.ok("apply"); !strings.Contains(out.stdout, "wsgiapp-dev") {
			t.Error(out)
		}
		if out := g.fleet("status"); !strings.Contains(out.stdout, "not deployed yet: wsgid-fleet deploy wsgiapp-dev") {
			t.Error(out)
		}
		out := g.ok("deploy", "wsgiapp", "dev")
		at := 0
		for _, line := range []string{"Fetch the code...\n", "  fetch: completed in ", "Unpack the release...\n", "Compile the code...\n",
			"Start the new release...\n", "Switch to the new release...\n",
			"wsgiapp-dev is successfully deployed on http://" + g.hello + "\n"} {
			i := strings.Index(out.stdout[at:], line)
			if i < 0 {
				t.Fatalf("%q does not come in its turn:\n%s", line, out.stdout)
			}
			at += i
		}
		g.says("Hello world!")

		g.say("Hello world!")
		g.run()
		g.ok("deploy", "wsgiapp-dev")
		done := g.load("wsgiapp-dev", g.hello)
		g.say("Hello again!")
		was, is := g.git("rev-parse", "HEAD^")[:10], g.git("rev-parse", "HEAD")[:10]
		if out := g.ok("deploy", "wsgiapp-dev"); !strings.Contains(out.stdout, "(commit "+was+" → "+is+")\n") {
			t.Error(out)
		}
		g.says("Hello again!")
		for _, args := range [][]string{{"status", "-o", "wide"}, {"status", "wsgiapp-dev"}, {"deploys", "wsgiapp", "dev"}} {
			if out := g.ok(args[0], args[1:]...); !strings.Contains(out.stdout, is) {
				t.Errorf("%v does not show the commit %s: %v", args, is, out)
			}
		}
		// What is shown of a commit is enough to deploy it.
		g.ok("deploy", "wsgiapp-dev", "--commit", was)
		g.says("Hello world!")
		g.ok("deploy", "wsgiapp-dev")
		g.says("Hello again!")
		if out := g.ok("rollback", "wsgiapp", "dev"); !strings.Contains(out.stdout, "wsgiapp-dev is successfully rolled back to ") {
			t.Error(out)
		}
		g.says("Hello world!")
		g.commit("import nothing_of_that_name\n")
		if out := g.fleet("deploy", "wsgiapp-dev"); out.code != 1 || !strings.Contains(out.stderr, "cannot deploy wsgiapp-dev: rollout: ") ||
			!strings.Contains(out.stderr, "nothing_of_that_name") || !strings.Contains(out.stderr, "the running app was not changed") {
			t.Error(out)
		}
		g.says("Hello world!")
		// A branch moves by deploy alone.
		g.ok("apply")
		g.ok("reload", "wsgiapp-dev")
		g.says("Hello world!")
		done()
		if out := g.ok("deploys", "wsgiapp-dev"); strings.Count(out.stdout, "\n") != 8 || !strings.Contains(out.stdout, "failed") {
			t.Error(out)
		}
		if out := g.fleet("status"); out.code != 0 {
			t.Error(out)
		}
		if out := g.fleet("plan"); out.code != 0 {
			t.Error(out)
		}
	})
}

// A reboot (the state directory is gone, and so is every process) starts the app
// with the release that it served.
func TestDeployOutlivesAReboot(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		g := newGuide(t, who, "")
		g.ok("deploy", "wsgiapp-dev")
		g.say("Hello again!")
		g.ok("deploy", "wsgiapp-dev")
		g.ok("rollback", "wsgiapp-dev")
		g.must(killAll(g.demo))
		data := filepath.Join(g.dir, "data")
		if who.root() {
			g.must(os.Rename(filepath.Join(g.state, "data"), data))
			g.must(os.RemoveAll(g.state))
			g.must(os.MkdirAll(g.state, 0o700))
			g.must(os.Rename(data, filepath.Join(g.state, "data")))
		} else {
			g.must(os.RemoveAll(filepath.Join(g.dir, "run")))
			g.must(os.Mkdir(filepath.Join(g.dir, "run"), 0o755))
			g.must(os.Chown(filepath.Join(g.dir, "run"), int(who.cred.Uid), int(who.cred.Gid)))
		}
		g.say("Not deployed")
		g.run()
		g.await("wsgiapp-dev", "ready", 1)
		g.says("Hello world!")
	})
}

// everyStage is a deploy block with stages of all kinds, and a database. A project that
// is installed is made by pip, which takes long; what a kill leaves of it is the same as
// of a virtualenv.
const everyStage = `nice = 0
    requirements = ["requirements.txt"]
    stage "migrate" {
      command = ["/bin/sh", "-c", "echo migrated"]
    }
    stage "notify" {
      command = ["/bin/sh", "-c", "echo notified"]
      when    = "after"
    }
  }
  database {
    engine = "sqlite"
`

var everyTitle = []string{"Fetch the code", "Unpack the release", "Make the virtualenv", "Compile the code", "Make the database", "Run migrate",
	"Start the new release", "Ask for its health", "Switch to", "Run notify", "Remove old"}

// The daemon is killed in each stage of a deploy, twice, under load: what served
// serves on, the next daemon finishes or cleans up, the command that waits tells how
// it ended, and a deploy works again.
func TestKilledInEachStage(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		t.Parallel()
		g := newGuide(t, who, everyStage)
		g.must(os.WriteFile(filepath.Join(g.repo, "requirements.txt"), []byte("# nothing\n"), 0o644))
		g.say("Hello")
		g.ok("deploy", "wsgiapp-dev")
		d := g.run()
		g.await("wsgiapp-dev", "ready", 1)
		done := g.load("wsgiapp-dev", g.hello)
		n, rounds := 0, 2
		if !who.root() {
			rounds = 1 // it is the same but for whom the processes belong to
		}
		for range rounds {
			for _, stage := range everyTitle {
				n++
				text := fmt.Sprintf("Hello %d", n)
				g.say(text)
				killed := false
				out := g.deploying(stage, func(*os.Process) {
					killed = true
					d.kill(t)
					d = g.run()
				})
				if !killed {
					t.Fatalf("no stage %s: %v", stage, out)
				}
				last := g.deploys()[0]
				if last.Result == "running" {
					t.Errorf("%s: a deploy is left in the middle: %+v", stage, last)
				}
				told := strings.Contains(out.stdout, "wsgiapp-dev is successfully deployed on ")
				if told != (out.code == 0) || told && last.Result != "ok" || !told && !strings.Contains(out.stderr, "wsgid-fleet: cannot deploy wsgiapp-dev: ") {
					t.Errorf("%s: the command ends so, the deploy with %q: %v", stage, last.Result, out)
				}
				g.await("wsgiapp-dev", "ready", 1)
				if last.Result == "ok" {
					g.says(text)
				}
				g.say(text + " at last")
				g.ok("deploy", "wsgiapp-dev")
				g.says(text + " at last")
			}
		}
		done()
		g.clean()
	})
}
