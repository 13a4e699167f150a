package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leaves waits until the former name of the one app that there is has gone.
func (b *harness) leaves(former string) {
	b.t.Helper()
	eventually(b.t, patience, former+" to be gone", func() error {
		if st, err := b.status(); err != nil || len(st.Apps) != 1 {
			return fmt.Errorf("%v, %w", st.Apps, err)
		}
		return nil
	})
}

// An app that is given another name, in its folder, is served on: by the release that served,
// on the socket that is open. Its deploys are known by its new name, and it can be gone back to
// those of before.
func TestRenamedAppServesOn(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		g := newGuide(t, who, "")
		folder := filepath.Join(g.demo, "apps/site")
		g.replace("wsgid.d/wsgiapp.hcl", "deploy { branch = \"master\" }", fmt.Sprintf("deploy { branch = \"master\" }\n    path = %q", folder))
		g.say("one")
		d := g.run()
		g.ok("deploy", "wsgiapp-dev")
		g.say("two")
		g.ok("deploy", "wsgiapp-dev")
		done := g.load("the app", g.hello)
		was := "wsgiapp-dev"
		for _, environment := range []string{"production", "live"} {
			_, before, _ := strings.Cut(was, "-")
			if environment == "live" { // nobody sees the edit, and the next daemon knows nothing of the sockets
				d.kill(t)
			}
			g.replace("wsgid.d/wsgiapp.hcl", `environment "`+before+`"`, `environment "`+environment+`"`)
			if environment == "live" {
				d = g.run()
			}
			is := "wsgiapp-" + environment
			g.await(is, "ready", 1)
			g.leaves(was)
			g.says("two")
			was = is
		}
		done()
		if out := g.ok("deploys", was); strings.Count(out.stdout, was) != 2 {
			t.Errorf("its deploys are not known: %v", out)
		}
		g.ok("rollback", was)
		g.says("one")
		// What comes from elsewhere is another app, though it has that folder.
		g.rewrite("wsgid.d/wsgiapp.hcl", `environment "live"`, `environment "other"`, g.repo, g.repo+"-2")
		if a := g.await("wsgiapp-other", "stopped", 0); !strings.HasPrefix(a.Reason, "not deployed yet") {
			t.Errorf("it is said to be stopped as %q", a.Reason)
		}
	})
}

// An app that is given another name and cannot be started by that, here for an address that
// another program has, is served on as it was until it can.
func TestRenamedAppThatCannotStartServesOn(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		other, err := net.Listen("tcp", "127.0.0.1:0")
		b.must(err)
		defer other.Close()
		d := b.run()
		b.await("hello", "ready", 2)
		done := b.load("hello", b.hello)
		listen := fmt.Sprintf("listen = %q", b.hello)
		spec := b.text("wsgid.d/hello.hcl")
		if !strings.Contains(spec, listen) || !strings.Contains(spec, `app "hello"`) {
			t.Fatalf("the spec is another:\n%s", spec)
		}
		b.write("wsgid.d/hello.hcl", strings.NewReplacer(`app "hello" {`, fmt.Sprintf("app \"greet\" {\n  path = %q", filepath.Join(b.demo, "apps/hello")),
			"    http {", fmt.Sprintf("    http {\n      listen = %q\n    }\n    http {", other.Addr())).Replace(spec))
		a := b.await("hello", "degraded", 2)
		if want := "its spec was removed; it serves until app greet, which takes its place, can be started"; a.Reason != want {
			t.Errorf("it is said to be %q", a.Reason)
		}
		if a := b.await("greet", "backoff", 0); !strings.Contains(a.Reason, "cannot listen on "+other.Addr().String()) {
			t.Errorf("it is said to wait for %q", a.Reason)
		}
		if out := b.fleet("apply"); out.code != 1 || !strings.Contains(out.stderr, "cannot apply hello: its spec was removed; it serves until app greet") {
			t.Error(out)
		}
		d.kill(t)
		b.run()
		b.await("greet", "backoff", 0)
		b.must(other.Close())
		b.await("greet", "ready", 2)
		b.leaves("hello")
		done()
		if out := b.fleet("plan"); out.code != 0 {
			t.Error(out)
		}
	})
}

// Without a daemon it is apply that waits until the new name serves, and then ends the old one.
func TestRenamedAppWithoutADaemonServesOn(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		b.ok("apply")
		b.await("hello", "ready", 2)
		done := b.load("hello", b.hello)
		b.replace("wsgid.d/hello.hcl", `app "hello" {`, fmt.Sprintf("app \"greet\" {\n  path = %q", filepath.Join(b.demo, "apps/hello")))
		b.ok("apply")
		b.await("greet", "ready", 2)
		b.leaves("hello")
		done()
	})
}

// So is one whose code cannot be loaded by the time that it gets its name: who comes meanwhile is
// served by the workers that there are.
func TestRenamedAppWithBadCodeServesOn(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("hello")
		d := b.run()
		b.await("hello", "ready", 2)
		done := b.load("hello", b.hello)
		code := filepath.Join(b.demo, "apps/hello/app/hello.py")
		good, err := os.ReadFile(code)
		b.must(err)
		b.must(os.WriteFile(code, []byte("import nowhere\n"), 0o644))
		b.replace("wsgid.d/hello.hcl", `app "hello" {`, fmt.Sprintf("app \"greet\" {\n  path = %q", filepath.Join(b.demo, "apps/hello")))
		if a := b.await("greet", "backoff", 0); !strings.Contains(a.Reason, "nowhere") {
			t.Errorf("it is said to fail for %q", a.Reason)
		}
		b.await("hello", "degraded", 2)
		if out := b.fleet("apply"); out.code != 1 || !strings.Contains(out.stderr, "hello: its spec was removed; it serves until app greet, which takes its place, can be started") {
			t.Error(out)
		}
		d.kill(t)
		b.run()
		b.await("hello", "degraded", 2)
		b.must(os.WriteFile(code, good, 0o644))
		b.ok("reload", "greet")
		b.await("greet", "ready", 2)
		b.leaves("hello")
		done()
	})
}

// So is one whose new name comes with a mistake, be that in its file or in another one: by its
// address and at the gate.
func TestRenamedAppWithAMistakeServesOn(t *testing.T) {
	b, addr := gated(t, someone(t), "")
	d := b.run()
	b.awaitGate(0)
	wantSite(t, addr, "alpha.test", "alpha")
	spec := b.text("wsgid.d/alpha.hcl")
	for _, mistake := range []struct{ file, old, by string }{
		{"alpha.hcl", "count =", "coutn ="},
		{"alpha.hcl", "workers {", "workers {{"},
		{"other.hcl", "count =", "coutn ="},
		{"other.hcl", "workers {", "workers {{"},
	} {
		b.write("wsgid.d/"+mistake.file, strings.NewReplacer(`app "alpha"`, `app "omega"`, mistake.old, mistake.by).Replace(spec))
		if mistake.file != "alpha.hcl" {
			b.must(os.Remove(filepath.Join(b.specs, "alpha.hcl")))
		}
		for range 2 {
			b.await("omega", "invalid", 0)
			if a := b.await("alpha", "degraded", 1); !strings.HasPrefix(a.Reason, "runs on its last good spec: "+filepath.Join(b.specs, mistake.file)) {
				t.Errorf("%+v: it is said to be %q", mistake, a.Reason)
			}
			wantSite(t, addr, "alpha.test", "alpha")
			d.kill(t)
			d = b.run()
		}
		b.write("wsgid.d/alpha.hcl", spec)
		if mistake.file != "alpha.hcl" {
			b.must(os.Remove(filepath.Join(b.specs, mistake.file)))
		}
		b.await("alpha", "ready", 1)
	}
}

// A deploy that was under way when its daemon was killed is settled under the name that the app
// was given meanwhile, and not at its next deploy.
func TestRenamedAfterAnInterruptedDeploy(t *testing.T) {
	t.Parallel()
	hold := filepath.Join(t.TempDir(), "hold")
	g := newGuide(t, someone(t), fmt.Sprintf(`stage "wait" {
      command = ["/bin/sh", "-c", "while test -e %s; do sleep 0.05; done"]
    }`, hold))
	g.must(os.Chmod(filepath.Dir(hold), 0o755))               //nolint:gosec // the app's user looks there
	g.must(os.Chmod(filepath.Dir(filepath.Dir(hold)), 0o755)) //nolint:gosec // and passes there
	g.say("one")
	d := g.run()
	g.ok("deploy", "wsgiapp-dev")
	g.must(os.WriteFile(hold, nil, 0o644)) //nolint:gosec // likewise
	g.say("two")
	w := g.deploy("wsgiapp-dev")
	w.says("Run wait")
	d.kill(t)
	g.replace("wsgid.d/wsgiapp.hcl", `environment "dev"`, `environment "live"`)
	d = g.run()
	eventually(t, patience, "the interrupted deploy to be settled", func() error {
		out := g.ok("deploys", "wsgiapp-live")
		if !strings.Contains(out.stdout, "interrupted") || strings.Contains(out.stdout, "running  ") {
			return fmt.Errorf("%v", out)
		}
		return nil
	})
	g.says("one")
	g.must(os.Remove(hold))
	d.kill(t)
}
