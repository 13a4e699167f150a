package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lateApp imports a module when it is asked to, once a file lets it.
const lateApp = `import os, time

def application(environ, start_response):
    start_response('200 OK', [('Content-type', 'text/plain')])
    if environ['PATH_INFO'] == '/late':
        open('GATE.entered', 'w').close()
        while os.path.exists('GATE'):
            time.sleep(0.02)
    if environ['PATH_INFO'] != '/early':
        from wsgiapp import later
        return [('RELEASE with %s\n' % later.WHAT).encode()]
    return [b'RELEASE\n']
`

// A worker of before that imports something after the switch imports what belongs to
// its own release, and so does one that replaces it when the release after that has
// failed: a worker runs the release of its generation.
func TestLateImports(t *testing.T) {
	t.Parallel()
	g := newGuide(t, someone(t), `nice = 0
  }
  workers {
    count           = 1
    request_timeout = "5m"
    stop_timeout    = "5m"`)
	gate := filepath.Join(g.dir, "late")
	g.must(os.Mkdir(gate, 0o777))
	g.must(os.Chmod(gate, 0o777))
	gate = filepath.Join(gate, "gate")
	release := func(name string, broken ...string) {
		t.Helper()
		g.must(os.WriteFile(filepath.Join(g.repo, "wsgiapp/later.py"), []byte("WHAT = '"+name+"'\n"), 0o644))
		g.commit(strings.NewReplacer("RELEASE", name, "GATE", gate).Replace(lateApp) + strings.Join(broken, ""))
	}
	answers := func(path, want string) {
		t.Helper()
		if code, body, err := get(g.hello, path); err != nil || code != http.StatusOK || body != want+"\n" {
			t.Errorf("%s: %d %q, %v; want %q", path, code, body, err, want)
		}
	}
	release("one")
	g.run()
	g.ok("deploy", "wsgiapp-dev")
	answers("/early", "one")
	g.must(os.WriteFile(gate, nil, 0o644))
	held := make(chan string, 1)
	go func() {
		client := http.Client{Timeout: 4 * time.Minute}
		resp, err := client.Get("http://" + g.hello + "/late")
		if err != nil {
			held <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		held <- fmt.Sprint(resp.StatusCode, " ", string(body), err)
	}()
	eventually(t, patience, "the request to be at work", func() error { _, err := os.Stat(gate + ".entered"); return err })
	release("two")
	w := g.deploy("wsgiapp-dev")
	w.says("switch: completed")
	if to, err := os.ReadFile(filepath.Join(g.demo, "apps/wsgiapp-dev/app/wsgiapp/later.py")); err != nil || string(to) != "WHAT = 'two'\n" {
		t.Errorf("app/ has %q, %v", to, err)
	}
	g.must(os.Remove(gate))
	if got := <-held; got != "200 one with one\n<nil>" {
		t.Errorf("the worker of before answers %q", got)
	}
	w.ends(0, "successfully deployed")
	answers("/x", "two with two")

	// What was fetched and unpacked since is nothing to a worker that is new.
	release("three", "import nothing_of_that_name\n")
	if out := g.fleet("deploy", "wsgiapp-dev"); out.code != 1 {
		t.Errorf("%v", out)
	}
	old := g.await("wsgiapp-dev", "ready", 1).Workers[0].PID
	g.ok("reload", "wsgiapp-dev")
	if now := g.await("wsgiapp-dev", "ready", 1).Workers[0].PID; now == old {
		t.Errorf("worker %d is not replaced", old)
	}
	answers("/x", "two with two")
}
