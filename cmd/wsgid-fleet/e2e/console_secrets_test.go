package e2e

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// tellingApp writes what it is given into its log.
const tellingApp = `import os, sys
print("env", os.environ["INLINE"], os.environ["FROM_FILE"], file=sys.stderr, flush=True)
def application(environ, start_response):
    start_response('200 OK', [('Content-type', 'text/plain')])
    return [os.environ["INLINE"].encode()]
`

// A secret may stand in every place of a spec that takes one, and whoever is given it may
// say it: app, process, stage of a deploy, a command that is not there. No page of the
// console has it, in none of its bytes.
func TestConsoleSendsNoSecretOfAnyPlace(t *testing.T) {
	t.Parallel()
	g := newGuide(t, someone(t), "")
	secret := func(of string) string { return of + "-pa55word" }
	g.commit(tellingApp)
	g.write("app.env", "FROM_FILE="+secret("file")+"\n")
	g.write("wsgid.d/wsgiapp.hcl", fmt.Sprintf(`app "wsgiapp" {
  wsgi_app = "wsgiapp.main:application"
  env      = { INLINE = sensitive(%q) }
  env_file = ["../app.env"]
  sockets {
    http { listen = %q }
  }
  process "loud" {
    command = ["sh", "-c", "echo $0 $INLINE $FROM_FILE; exec sleep 1000", sensitive(%q)]
  }
  schedule "yearly" {
    cron    = "0 3 1 1 *"
    command = ["true", sensitive(%q)]
  }
  deploy {
    repository = "file://%s"
    env        = { STAGE = sensitive(%q) }
    stage "say" {
      command = ["sh", "-c", "echo stage $STAGE $INLINE $0; exit 0", sensitive(%q)]
    }
  }
}
`, secret("inline"), g.hello, secret("loud"), secret("schedule"), g.repo, secret("stage"), secret("argument")))
	addr := freeport.Addr(t)
	g.equip = func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "--console", addr)
		return nil
	}
	d := g.run()
	g.ok("deploy", "wsgiapp")
	g.await("wsgiapp", "ready", -1)
	if code, body, err := get(g.hello, "/"); err != nil || code != 200 || body != secret("inline") {
		t.Fatalf("the app does not have its secret: %d %q, %v", code, body, err)
	}
	w := g.console()
	w.shows("/app/wsgiapp", "loud", "yearly")
	w.shows("/logs?app=wsgiapp&n=2000", "env ")

	// A stage that fails has its output told.
	g.replace("wsgid.d/wsgiapp.hcl", "exit 0", "exit 3")
	g.ok("validate")
	w.get("/plan") // what it shows depends on whether the daemon has followed the edit
	form := w.form("/app/wsgiapp")
	form.Set("verb", "deploy")
	if code, body := w.post("/deploys/wsgiapp", form); code != 200 {
		t.Fatalf("deploy: %d %s", code, body)
	}
	w.shows("/deploys", "failed")
	_, list := w.get("/deploys")
	links := regexp.MustCompile(`href="(/deploys/wsgiapp/[^"]+)"`).FindAllStringSubmatch(list, -1)
	if len(links) < 2 {
		t.Fatalf("deploys: %s", list)
	}
	for _, link := range links {
		w.shows(link[1], "stage ")
	}

	// An edit of a secret, and one that is a mistake beside one.
	g.replace("wsgid.d/wsgiapp.hcl", secret("inline"), secret("edited"))
	g.replace("wsgid.d/wsgiapp.hcl", "  process \"loud\"", fmt.Sprintf("  process \"gone\" {\n    command = [sensitive(%q)]\n  }\n  process \"loud\"", "/nowhere/"+secret("gone")))
	w.shows("/app/wsgiapp", "cannot start process gone")
	g.replace("wsgid.d/wsgiapp.hcl", fmt.Sprintf("sensitive(%q)", secret("edited")), fmt.Sprintf("[sensitive(%q)]", secret("edited")))
	w.shows("/plan", "Broken files")
	for _, page := range []string{"/", "/rows?since=0", "/app/wsgiapp", "/plan", "/logs?app=wsgiapp&n=2000&q=env", "/deploys", "/hosts"} {
		if code, body := w.get(page); code != 200 {
			t.Errorf("%s: %d %s", page, code, body)
		}
	}
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	for where, sent := range map[string]string{"a page": w.bytes.String(), "the daemon's log": d.text()} {
		for _, of := range []string{"inline", "file", "loud", "gone", "schedule", "stage", "argument", "edited"} {
			if i := strings.Index(sent, secret(of)); i >= 0 {
				t.Errorf("%s has the secret of %s: …%s…", where, of, sent[max(0, i-300):min(len(sent), i+60)])
			}
		}
	}
}
