// Package nginxtest starts a real nginx for tests.
package nginxtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner/componenttest"
)

// Start runs nginx with one server until the test ends, and returns when it answers. The
// server is the content of its block, such as "listen 127.0.0.1:8080 ssl; location / { … }";
// address is where it listens: HOST:PORT, or the path of a unix socket.
func Start(t testing.TB, address, server string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts nginx")
	}
	program := componenttest.Program(t, "nginx")
	home := t.TempDir()
	file, log := filepath.Join(home, "nginx.conf"), filepath.Join(home, "log")
	config := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/log;
events { }
http {
  access_log off;
  client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server {
    %[2]s
  }
}
`, home, server)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-c", file, "-p", home, "-e", log)
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("nginx says\n%s", text)
		}
	})
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	for end := time.Now().Add(time.Minute); ; {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("nginx has ended")
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("nginx does not answer: %v", err)
		}
	}
}
