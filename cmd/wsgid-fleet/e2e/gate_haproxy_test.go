package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// Haproxy in front says of each connection where it comes from, in either version of the
// protocol. Of one that came by a unix socket it says UNKNOWN or LOCAL: a real request, whose
// client is then haproxy itself. One of IPv4 at a socket for both families comes as IPv6,
// and its health checks are connections that ask for nothing: no fault of anybody.
func TestHaproxyBeforeTheGate(t *testing.T) {
	b, addr := gated(t, someone(t), "  proxy_protocol = [\"127.0.0.0/8\"]\n")
	componenttest.Program(b.t, "haproxy")
	b.run()
	b.awaitGate(0)
	home := t.TempDir()
	var conf strings.Builder
	conf.WriteString("global\n maxconn 100\ndefaults\n mode tcp\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n")
	both := freeport.Addr(t)
	_, port, _ := net.SplitHostPort(both)
	for version, send := range map[string]string{"v1": "send-proxy", "v2": "send-proxy-v2"} {
		fmt.Fprintf(&conf, "listen %s\n bind unix@%s\n", version, filepath.Join(home, version))
		if version == "v1" {
			fmt.Fprintf(&conf, " bind :::%s v4v6\n", port)
		}
		fmt.Fprintf(&conf, " server gate %s %s check inter 20ms\n", addr, send)
	}
	file := filepath.Join(home, "haproxy.cfg")
	b.must(os.WriteFile(file, []byte(conf.String()), 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "haproxy", "-db", "-f", file)
	log, err := os.Create(filepath.Join(home, "log"))
	b.must(err)
	cmd.Stdout, cmd.Stderr = log, log
	b.must(cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("haproxy says\n%s", text)
		}
	})
	for _, at := range [][2]string{{"unix", filepath.Join(home, "v1")}, {"unix", filepath.Join(home, "v2")}, {"tcp", both}} {
		var c net.Conn
		eventually(t, patience, "haproxy to listen at "+at[1], func() (err error) {
			c, err = (&net.Dialer{}).DialContext(t.Context(), at[0], at[1])
			return err
		})
		status, text := visitOn(t, c, bufio.NewReader(c), "beta.test")
		c.Close()
		if status != 200 || !strings.HasPrefix(text, "beta beta.test 127.0.0.1\n") {
			t.Errorf("by %s: %d %q", at[1], status, text)
		}
	}
	out := b.fleet("status", "-o", "json").stdout
	if strings.Contains(out, `"refused":`) {
		t.Errorf("health checks are no faults:\n%s", out)
	}
}
