package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// withCaddy starts Debian's caddy before an address, which it asks over connections that
// it keeps, each for whatever host comes next.
func (b *harness) withCaddy(upstream string) (addr string) {
	b.t.Helper()
	componenttest.Program(b.t, "caddy")
	addr = freeport.Addr(b.t)
	_, port, _ := net.SplitHostPort(addr)
	home := b.t.TempDir()
	file := filepath.Join(home, "Caddyfile")
	b.must(os.WriteFile(file, fmt.Appendf(nil, "{\n\tadmin off\n\tauto_https off\n}\n:%s {\n\tbind 127.0.0.1\n\treverse_proxy %s\n}\n", port, upstream), 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "caddy", "run", "--config", file)
	cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home)
	log, err := os.Create(filepath.Join(home, "log"))
	b.must(err)
	cmd.Stdout, cmd.Stderr = log, log
	b.must(cmd.Start())
	b.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && b.t.Failed() {
			b.t.Logf("caddy says\n%s", text)
		}
	})
	eventually(b.t, patience, "caddy to listen", func() error {
		c, err := (&net.Dialer{}).DialContext(b.t.Context(), "tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	})
	return addr
}

var handedBack = regexp.MustCompile(`"handed_back": *[1-9]`)

// Caddy in front keeps connections to the gate and sends over each whatever comes next:
// every request is answered by the app of its host, from whichever app the connection
// comes back.
func TestCaddyBeforeTheGate(t *testing.T) {
	b, addr := gated(t, someone(t), "")
	b.run()
	b.awaitGate(0)
	front := b.withCaddy(addr)
	for _, name := range sites {
		wantSite(t, front, name+".test", name)
	}
	c, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", front)
	b.must(err)
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range 30 {
		site := sites[i%len(sites)]
		if status, text := visitOn(t, c, r, site+".test"); status != 200 || !strings.HasPrefix(text, site+" "+site+".test 127.0.0.1\n") {
			t.Fatalf("request %d, for %s.test: %d %q", i, site, status, text)
		}
	}
	if status, _ := visitOn(t, c, r, "nobody.test"); status != 421 {
		t.Errorf("a name that no app has: %d", status)
	}
	eventually(t, patience, "connections to have come back to the gate", func() error {
		if out := b.fleet("status", "-o", "json").stdout; !handedBack.MatchString(out) {
			return fmt.Errorf("status:\n%s", out)
		}
		return nil
	})
}
