package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
)

// startMongrel2 runs the quickstart's mongrel2 as a child, as the user that
// the quickstart's script takes, until the test ends.
func (b *harness) startMongrel2() {
	b.t.Helper()
	componenttest.Program(b.t, "mongrel2")
	dir := filepath.Join(b.demo, "mongrel2")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cred := b.who.apps
	load := exec.CommandContext(ctx, "m2sh", "load", "-db", "config.sqlite", "-config", "mongrel2.conf")
	load.Dir, load.Env = dir, append(os.Environ(), "LOGNAME=e2e")
	load.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := load.CombinedOutput(); err != nil || strings.Contains(string(out), "ERROR") {
		b.t.Fatalf("m2sh load: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(b.dir, "mongrel2.log"))
	b.must(err)
	defer log.Close()
	server := exec.CommandContext(context.Background(), "mongrel2", "config.sqlite", "quickstart")
	server.Dir, server.Stdout, server.Stderr = dir, log, log
	server.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	b.must(server.Start())
	b.t.Cleanup(func() {
		server.Process.Kill() // it may have ended
		server.Wait()         // it was killed
	})
	accepts(b.t, b.m2)
}

// accepts waits until somebody listens.
func accepts(t *testing.T, addr string) {
	t.Helper()
	eventually(t, patience, addr+" to accept", func() error {
		d := net.Dialer{Timeout: time.Second}
		c, err := d.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			return fmt.Errorf("not yet: %w", err)
		}
		return c.Close()
	})
}

// Behind mongrel2, too, the first request waits for the worker that it starts.
func TestAnIdleAppBehindMongrel2(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("m2")
		b.replace("wsgid.d/m2.hcl", "  request {", "  workers {\n    min          = 0\n    max          = 2\n    idle_timeout = \"200ms\"\n  }\n\n  request {")
		b.startMongrel2()
		b.run()
		for range 3 {
			app := b.await("m2", "idle", 0)
			if app.Master == nil {
				t.Fatal("its master is gone: mongrel2 has nobody to hand a request to")
			}
			if status, body, err := get(b.m2, "/"); err != nil || status != http.StatusOK {
				t.Errorf("status %d, %v:\n%s", status, err, body)
			}
		}
	})
}
