package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Who asks for the name of an app that has another name by now is served by the former one until
// the new one serves, also by a daemon that comes meanwhile, and on connections that are kept.
func TestNamesStayWithTheFormerAppUntilTheNewOneServes(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b, addr := gated(t, who, "  default = \"alpha\"\n")
		spec := strings.Replace(b.text("wsgid.d/alpha.hcl"), "workers {", "workers {\n    queue_timeout = \"2s\"", 1)
		b.write("wsgid.d/alpha.hcl", spec)
		d := b.run()
		b.awaitGate(0)
		wantSite(t, addr, "alpha.test", "alpha")
		kept, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
		b.must(err)
		defer kept.Close()
		r := bufio.NewReader(kept)
		asks := func(when string) {
			t.Helper()
			for _, host := range []string{"alpha.test", "www.alpha.test", "nobodys.test"} {
				if status, text := visit(t, addr, host); status != 200 || !strings.HasPrefix(text, "alpha ") {
					t.Errorf("%s, %s: %d %q", when, host, status, text)
				}
				if status, text := visitOn(t, kept, r, host); status != 200 || !strings.HasPrefix(text, "alpha ") {
					t.Errorf("%s, %s, on a connection that is kept: %d %q", when, host, status, text)
				}
			}
		}
		asks("before")
		done := b.load("alpha", addr) // by no name of its own: as the default
		code := filepath.Join(b.demo, "apps/alpha/app/site_alpha.py")
		good, err := os.ReadFile(code)
		b.must(err)
		b.must(os.WriteFile(code, []byte("import nowhere\n"), 0o644))
		b.write("wsgid.d/alpha.hcl", strings.Replace(spec, `app "alpha"`, `app "omega"`, 1))
		b.replace("wsgid.d/gate.hcl", `default = "alpha"`, `default = "omega"`)
		b.await("omega", "backoff", 0)
		b.await("alpha", "degraded", 1)
		asks("while the new one cannot be loaded")
		d.kill(t)
		b.run()
		b.await("omega", "backoff", 0)
		b.await("alpha", "degraded", 1)
		asks("by the next daemon")
		b.must(os.WriteFile(code, good, 0o644))
		b.ok("reload", "omega")
		b.await("omega", "ready", 1)
		eventually(t, patience, "alpha to be gone", func() error {
			if st, err := b.status(); err != nil || len(st.Apps) != 3 {
				return fmt.Errorf("%v, %w", st.Apps, err)
			}
			return nil
		})
		wantSite(t, addr, "alpha.test", "alpha")
		done()
		if out := b.fleet("plan"); out.code != 0 {
			t.Error(out)
		}
	})
}

// So it is where edits wait for apply, and without a daemon, where it is apply that waits.
func TestNamesStayWithTheFormerAppUntilApplied(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"hold", "no daemon"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b, addr := gated(t, someone(t), "")
			spec := strings.Replace(b.text("wsgid.d/alpha.hcl"), "workers {", "workers {\n    queue_timeout = \"2s\"", 1)
			b.write("wsgid.d/alpha.hcl", spec)
			if how == "hold" {
				b.equip = func(cmd *exec.Cmd) error {
					cmd.Args = append(cmd.Args, "--hold")
					return nil
				}
				b.run()
			}
			b.ok("apply")
			b.awaitGate(0)
			wantSite(t, addr, "alpha.test", "alpha")
			load := &Load{App: "alpha", Addr: addr, Host: "alpha.test", Connections: 2, Pause: 5 * time.Millisecond}
			load.Start()
			code := filepath.Join(b.demo, "apps/alpha/app/site_alpha.py")
			good, err := os.ReadFile(code)
			b.must(err)
			b.must(os.WriteFile(code, []byte("import nowhere\n"), 0o644))
			for _, name := range []string{"omega", "about"} { // behind the former one, and before it
				b.write("wsgid.d/alpha.hcl", strings.Replace(spec, `app "alpha"`, fmt.Sprintf("app %q", name), 1))
				if out := b.fleet("apply"); out.code != 1 || !strings.Contains(out.stderr, name+": ModuleNotFoundError: No module named 'nowhere'") {
					t.Error(out)
				}
				if status, text := visit(t, addr, "www.alpha.test"); status != 200 || !strings.HasPrefix(text, "alpha ") {
					t.Errorf("%d %q", status, text)
				}
			}
			b.must(os.WriteFile(code, good, 0o644))
			b.ok("apply")
			b.await("about", "ready", 1)
			if st, err := b.status(); err != nil || len(st.Apps) != 3 {
				t.Errorf("%+v, %v", st.Apps, err)
			}
			if counts := load.Stop(); counts.Good == 0 || len(counts.Lost) > 0 {
				t.Errorf("%v: %v", counts, counts.Lost[:min(len(counts.Lost), 5)])
			}
			// Until it ended the former one had the folder as it should be for it.
			eventually(t, patience, "nothing to be left to do", func() error {
				if out := b.fleet("plan"); out.code != 0 {
					return fmt.Errorf("%v", out)
				}
				return nil
			})
		})
	}
}
