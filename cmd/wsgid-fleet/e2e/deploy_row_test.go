package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var deploysInARow = flag.Int("deploys", 5, "how many TestDeploysInARow makes")

// deployEntry is a deploy of the logbook, as deploys -o json tells it.
type deployEntry struct {
	ID, Kind, Result, Commit, Release string
	Stages                            []struct{ Name, Result, Output string }
}

// deploys lists the logbook, the newest first.
func (g *guide) deploys() []deployEntry {
	g.t.Helper()
	var all []deployEntry
	out := g.ok("deploys", "wsgiapp-dev", "-o", "json")
	if err := json.Unmarshal([]byte(out.stdout), &all); err != nil {
		g.t.Fatalf("deploys -o json is not JSON: %v: %v", err, out)
	}
	return all
}

// Deploys one after another under the load of sixteen connections, kept ones and
// others: each serves its own code when the command ends, and no request is lost.
func TestDeploysInARow(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		t.Parallel()
		g := newGuide(t, who, "keep = 3")
		g.say("Hello")
		g.run()
		g.ok("deploy", "wsgiapp-dev")
		var loads []*Load
		for _, keep := range []bool{true, false} {
			l := &Load{App: "wsgiapp-dev", Addr: g.hello, Connections: 8, KeepAlive: keep, Pause: 5 * time.Millisecond}
			l.Start()
			loads = append(loads, l)
		}
		for i := range *deploysInARow {
			text := fmt.Sprintf("Hello %d", i)
			g.say(text)
			g.ok("deploy", "wsgiapp-dev")
			g.says(text)
		}
		for _, l := range loads {
			counts := l.Stop()
			t.Logf("%d deploys, keep-alive %v: %v", *deploysInARow, l.KeepAlive, counts)
			if counts.Good == 0 || len(counts.Lost) > 0 {
				t.Errorf("keep-alive %v: %v\n%v", l.KeepAlive, counts, counts.Lost[:min(len(counts.Lost), 5)])
			}
		}
		// The one that serves, and those that can be gone back to.
		if left, _ := filepath.Glob(filepath.Join(g.demo, "apps/wsgiapp-dev/releases/*")); len(left) != min(3, 1+*deploysInARow) {
			t.Errorf("left: %v", left)
		}
	})
}

// After three deploys a rollback takes the one before the last, a second one the
// first, and one by its id any; what each printed can still be read.
func TestRollbackAfterThree(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		t.Parallel()
		g := newGuide(t, who, `stage "tell" {
      command = ["/bin/sh", "-c", "echo this is; tail -n 2 wsgiapp/main.py"]
    }`)
		g.run()
		var commits []string
		for i := range 3 {
			g.say(fmt.Sprintf("Hello %d", i))
			commits = append(commits, g.git("rev-parse", "HEAD"))
			g.ok("deploy", "wsgiapp-dev")
		}
		g.says("Hello 2")
		three := g.deploys()
		if len(three) != 3 {
			t.Fatalf("%+v", three)
		}
		at := func(want string, e deployEntry) {
			t.Helper()
			g.says(want)
			if to, err := os.Readlink(filepath.Join(g.demo, "apps/wsgiapp-dev/app")); err != nil || filepath.Base(to) != e.Release {
				t.Errorf("app leads to %s (%v), want %s", to, err, e.Release)
			}
		}
		g.ok("rollback", "wsgiapp-dev")
		at("Hello 1", three[1])
		g.ok("rollback", "wsgiapp-dev")
		at("Hello 0", three[2])
		if out := g.fleet("rollback", "wsgiapp-dev"); out.code != 1 || !strings.Contains(out.stderr, "there is no good release before "+three[2].Release) {
			t.Error(out)
		}
		g.ok("rollback", "wsgiapp", "dev", three[0].ID)
		at("Hello 2", three[0])
		for i, e := range three {
			text := fmt.Sprintf("Hello %d", 2-i)
			if e.Kind != "deploy" || e.Result != "ok" || e.Commit != commits[2-i] {
				t.Errorf("%s: %+v, want commit %s", text, e, commits[2-i])
			}
			out := g.ok("deploys", "show", "wsgiapp-dev", e.ID)
			for _, want := range []string{"commit:      " + e.Commit, "result:      ok", "this is", "('" + text + "\\n"} {
				if !strings.Contains(out.stdout, want) {
					t.Errorf("the log of %s lacks %q:\n%s", e.ID, want, out.stdout)
				}
			}
		}
		all := g.deploys()
		var kinds []string
		for _, e := range all {
			kinds = append(kinds, e.Kind)
			if out := g.ok("deploys", "show", "wsgiapp-dev", e.ID); !strings.Contains(out.stdout, e.ID+" ("+e.Kind+")") {
				t.Error(out)
			}
		}
		if got := strings.Join(kinds, " "); got != "rollback rollback rollback deploy deploy deploy" {
			t.Errorf("the logbook has %s", got)
		}
	})
}
