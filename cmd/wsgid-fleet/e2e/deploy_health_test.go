package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// someone is root where the suite is, with apps of another user, else the user it is.
func someone(t *testing.T) account {
	t.Helper()
	if testing.Short() {
		t.Skip("starts masters and Python workers")
	}
	if os.Geteuid() != 0 {
		return account{name: "user"}
	}
	return account{name: "root", apps: credential(t, "www-data")}
}

// unwellApp answers, but for its health.
const unwellApp = `def application(environ, start_response):
    ok = environ['PATH_INFO'] != '/healthz'
    start_response('200 OK' if ok else '500 Not Well', [('Content-type', 'text/plain')])
    return [b'Unwell\n']
`

// A release that does not load, or whose health check fails, does not replace what
// serves: neither of an app with workers nor of one that sleeps until it is asked.
func TestReleaseThatIsNotWell(t *testing.T) {
	who := someone(t)
	for name, workers := range map[string]string{"workers": "count = 1", "asleep": "min = 0\n      max = 1\n      idle_timeout = \"200ms\""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuide(t, who, "")
			g.replace("wsgid.d/wsgiapp.hcl", `  environment "dev" {`, `  environment "dev" {
    workers {
      `+workers+`
      start_timeout = "60s"
    }
    health {
      path     = "/healthz"
      interval = "2s"
      failures = 2
    }
`)
			rest := func() {
				if name == "asleep" {
					eventually(t, patience, "no master to be left", func() error {
						if out := g.fleet("status"); !strings.Contains(out.stdout, "no master runs; the first connection starts it") {
							return fmt.Errorf("%v", out)
						}
						return nil
					})
				}
			}
			refused := func(what string, says ...string) {
				t.Helper()
				link, _ := os.Readlink(filepath.Join(g.demo, "apps/wsgiapp-dev/app"))
				out := g.fleet("deploy", "wsgiapp-dev")
				for _, s := range append(says, "the running app was not changed") {
					if out.code != 1 || !strings.Contains(out.stderr, s) {
						t.Errorf("%s: no %q in %v", what, s, out)
					}
				}
				if now, _ := os.Readlink(filepath.Join(g.demo, "apps/wsgiapp-dev/app")); now != link {
					t.Errorf("%s: app/ leads to %q, before to %q", what, now, link)
				}
			}
			g.commit(unwellApp)
			refused("the first release is not well", "its health check failed 2 times: 500")
			if out := g.fleet("status"); !strings.Contains(out.stdout, "not deployed yet") {
				t.Error(out)
			}
			g.run()
			g.say("Well")
			if out := g.ok("deploy", "wsgiapp-dev"); !strings.Contains(out.stdout, "health: completed in ") || !strings.Contains(out.stdout, "(200 in ") {
				t.Error(out)
			}
			g.says("Well")
			g.commit(unwellApp)
			rest()
			refused("its health check fails", "its health check failed 2 times: 500")
			g.says("Well")
			g.commit("import nothing_of_that_name\n")
			rest()
			refused("it does not load", "nothing_of_that_name")
			g.says("Well")
			if out := g.fleet("status"); out.code != 0 {
				t.Error(out)
			}
		})
	}
}
