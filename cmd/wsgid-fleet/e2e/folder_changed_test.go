package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The folder of an app follows its name, and path may be edited. A deployed app is served on from
// where its release is, also by the next daemon, until it is deployed to the other folder; and it
// is told what is to be done.
func TestDeployedAppServesOnInItsFolder(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		g := newGuide(t, who, "")
		g.say("one")
		d := g.run()
		g.ok("deploy", "wsgiapp-dev")
		g.say("two") // which nobody has deployed
		was := filepath.Join(g.demo, "apps/wsgiapp-dev")
		done := g.load("the app", g.hello)
		stays := func(app, folder string) {
			t.Helper()
			a := g.await(app, "degraded", 1)
			want := "its release is in " + was + " and not in " + folder + ", as path says now; it continues where it is; bring it there with: wsgid-fleet deploy " + app
			if !strings.HasPrefix(a.Reason, want) || a.Path != was {
				t.Errorf("of %s in %s it says %q, not %q", app, a.Path, a.Reason, want)
			}
			if out := g.fleet("plan"); !strings.Contains(out.stdout, "warning: "+app+": "+want) {
				t.Errorf("the plan does not say so: %v", out)
			}
			g.says("one")
		}
		// Another name, which its folder follows.
		g.replace("wsgid.d/wsgiapp.hcl", `environment "dev"`, `environment "live"`)
		live := filepath.Join(g.demo, "apps/wsgiapp-live")
		stays("wsgiapp-live", live)
		// That folder is what counts: one that is put in its place is followed at once.
		before := g.await("wsgiapp-live", "degraded", 1).Master.PID
		g.must(exec.Command("cp", "-a", was, was+".new").Run())
		g.must(os.Rename(was, was+".old"))
		g.must(os.Rename(was+".new", was))
		began := time.Now()
		eventually(t, patience, "a master in the folder that took the place of its own", func() error {
			a := g.await("wsgiapp-live", "degraded", 1)
			if a.Master.PID == before {
				return fmt.Errorf("it is still %+v", a)
			}
			return nil
		})
		if took := time.Since(began); took > 25*time.Second { // each tick of 30 s looks at some apps anyway
			t.Errorf("that was seen only after %v", took)
		}
		stays("wsgiapp-live", live)
		// And where nobody sees the edit.
		d.kill(t)
		g.replace("wsgid.d/wsgiapp.hcl", `environment "live"`, `environment "next"`)
		next := filepath.Join(g.demo, "apps/wsgiapp-next")
		d = g.run()
		stays("wsgiapp-next", next)
		g.ok("deploy", "wsgiapp-next")
		g.says("two")
		if a := g.await("wsgiapp-next", "ready", 1); a.Path != next {
			t.Errorf("it is in %s", a.Path)
		}
		done()
		out := g.ok("deploys", "wsgiapp-next").stdout
		first := strings.Fields(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:])[0]
		if out := g.fleet("rollback", "wsgiapp-next", first); out.code != 1 || !strings.Contains(out.stderr, "its release "+first+" is not in "+next+"/releases; deploy its commit again: wsgid-fleet deploy wsgiapp-next --commit ") {
			t.Errorf("%v", out)
		}
		d.kill(t)
	})
}
