package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheProxyOfTheConsole serves the console by the real nginx with the lines of
// examples/console/README.md: each user has the role that the file gives him, whatever the
// browser says of itself, the log has his name, and news come through at once.
func TestTheProxyOfTheConsole(t *testing.T) {
	t.Parallel()
	b := newHarness(t, someone(t))
	b.only("hello")
	page, err := os.ReadFile("../../../examples/console/README.md")
	b.must(err)
	block := func(what string) string {
		m := regexp.MustCompile("(?s)```" + what + "\n(.*?)```").FindStringSubmatch(string(page))
		if m == nil {
			t.Fatalf("the page has no block of %q", what)
		}
		return m[1]
	}
	has := func(text, part string) error {
		if !strings.Contains(text, part) {
			return fmt.Errorf("no %q in %q", part, text)
		}
		return nil
	}
	socket, file, users := filepath.Join(b.dir, "console.sock"), filepath.Join(b.dir, "proxy"), filepath.Join(t.TempDir(), "users")
	b.must(os.WriteFile(users, []byte("ann:{PLAIN}one\ncarl:{PLAIN}two\n"), 0o644))
	plain := regexp.MustCompile("(?s)```\n(secret .*?)```").FindStringSubmatch(string(page))
	if plain == nil {
		t.Fatal("the page has no file with a secret")
	}
	b.must(os.WriteFile(file, []byte("admin ann\n"+plain[1]), 0o600))
	b.equip = func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "--console", "unix:"+socket, "--console-proxy", file)
		return nil
	}
	d := b.run()
	b.await("hello", "ready", 2)
	// A mistake in the file keeps no app from running; it is named, and once it is mended the
	// console is there.
	eventually(t, patience, "the mistake to be named", func() error {
		return has(b.fleet("console").stderr, file+`:1: "admin" is none of secret, operator, viewer`)
	})
	b.must(os.WriteFile(file, []byte(plain[1]), 0o600))
	eventually(t, patience, "the console to be served", func() error { return has(b.fleet("console").stdout, socket) })

	addr, trust := b.withNginx(strings.NewReplacer("/etc/nginx/console.users", users, "/run/wsgid/console.sock", socket).Replace(block("nginx")))
	tr := &http.Transport{TLSClientConfig: trust}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: patience}
	send := func(method, path, user, password string, form url.Values) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+addr+path, strings.NewReader(form.Encode()))
		b.must(err)
		req.SetBasicAuth(user, password)
		// What a client says of itself is not what the proxy says.
		req.Header.Set("X-Forwarded-User", "bob")
		req.Header.Set("X-Console-Secret", "something else")
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := client.Do(req)
		b.must(err)
		return resp
	}
	get := func(path, user, password string) (int, string) {
		t.Helper()
		resp := send(http.MethodGet, path, user, password, nil)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		b.must(err)
		return resp.StatusCode, string(body)
	}
	if code, _ := get("/", "ann", "wrong"); code != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", code)
	}
	if code, body := get("/app/hello", "carl", "two"); code != http.StatusOK || !strings.Contains(body, "carl, viewer") || strings.Contains(body, "Restart</button>") {
		t.Errorf("a viewer: %d %s", code, body)
	}
	code, body := get("/app/hello", "ann", "one")
	if code != http.StatusOK || !strings.Contains(body, "ann, operator") {
		t.Fatalf("an operator: %d %s", code, body)
	}
	stream := send(http.MethodGet, "/stream", "carl", "two", nil)
	defer stream.Body.Close()
	news := bufio.NewScanner(stream.Body)
	tick := func() {
		t.Helper()
		for news.Scan() {
			if strings.HasPrefix(news.Text(), "data:") {
				return
			}
		}
		t.Fatalf("the stream ended: %v", news.Err())
	}
	tick()
	form := url.Values{"verb": {"stop"}, "confirm": {"hello"}, "token": {hidden.FindStringSubmatch(body)[2]}}
	resp := send(http.MethodPost, "/app/hello", "carl", "two", form)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer stops an app: %s", resp.Status)
	}
	resp = send(http.MethodPost, "/app/hello", "ann", "one", form)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK { // of the page that it leads to
		t.Errorf("an operator stops an app: %s", resp.Status)
	}
	tick()
	b.await("hello", "stopped", -1)

	// Who comes to the socket beside the proxy and is root needs no secret.
	direct := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	own, err := direct.Get("http://localhost/")
	b.must(err)
	own.Body.Close()
	if own.StatusCode != http.StatusOK {
		t.Errorf("who runs the fleet: %s", own.Status)
	}
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	if text := d.text(); !strings.Contains(text, `what="stop hello" by="ann (console)"`) {
		t.Errorf("the log does not have who has stopped it: %s", text)
	}
}
