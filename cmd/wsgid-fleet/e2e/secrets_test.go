package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Secrets of a spec are printed nowhere: not by a command, whatever happens to
// the spec, not in a log, by the API, in a metric or in the arguments and title
// of a process. The app has them.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.only("polls", "hello")
		const inline, fromFile, changed = "inline-pa55word", "file-pa55word", "other-pa55word"
		b.write("secret", fromFile+"\n")
		b.replace("wsgid.d/hello.hcl", `GREETING = "Hello"`,
			fmt.Sprintf(`GREETING = sensitive(%q), FROM_FILE = trimspace(file(%q))`, inline, filepath.Join(b.demo, "secret")))
		b.replace("wsgid.d/polls.hcl", `trimspace(file("${env("WSGID_DEMO")}/secret_key"))`,
			fmt.Sprintf("sensitive(%q)", inline+"-django-key"))

		seen := map[string]string{}
		ask := func(command string, args ...string) string {
			text := b.fleet(command, args...).String()
			seen[fmt.Sprint(command, args, len(seen))] = text
			return text
		}
		all := func() {
			ask("validate")
			ask("plan")
			ask("plan", "-o", "json")
			for _, form := range []string{"json", "wide", "uwsgi"} {
				ask("status", "-o", form)
			}
			ask("status", "hello")
			ask("logs", "-n", "all", "hello", "polls")
		}
		all() // nothing runs yet: all is new in the plan
		d := b.run()
		b.await("hello", "ready", 2)
		b.await("polls", "ready", 2)
		all()
		if code, body, err := get(b.hello, "/"); err != nil || code != http.StatusOK || !strings.Contains(body, inline) {
			t.Errorf("the app does not have its secret: %d %q, %v", code, body, err)
		}
		for _, path := range []string{"/v1/daemon", "/v1/status", "/v1/plan", "/metrics"} {
			seen["GET "+path] = b.control(path)
		}
		for _, p := range processesOf(b.dir) {
			for _, name := range []string{"cmdline", "comm"} {
				text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, name))
				seen[fmt.Sprintf("%s of %s", name, p)] = string(text)
			}
		}
		// A secret that changes, and mistakes beside one.
		b.replace("wsgid.d/hello.hcl", inline, changed)
		ask("plan")
		ask("apply", "hello")
		b.replace("wsgid.d/hello.hcl", fmt.Sprintf("sensitive(%q)", changed), fmt.Sprintf("sensitiv(%q)", changed))
		all()
		b.replace("wsgid.d/hello.hcl", fmt.Sprintf("sensitiv(%q)", changed), fmt.Sprintf("[sensitive(%q)]", changed))
		all()
		b.replace("wsgid.d/hello.hcl", fmt.Sprintf("[sensitive(%q)]", changed), fmt.Sprintf("sensitive(%q)", changed))
		b.replace("wsgid.d/hello.hcl", "  sockets {", `  process "beside" {
    command = ["/bin/sh", "-c", "echo it was given $GREETING and $FROM_FILE; exit 3"]
  }

  sockets {`)
		ask("apply", "hello")
		b.await("hello", "degraded", 2)

		// What the app says of them, beside its workers and as it is loaded: at a reload,
		// where one serves, and at a start.
		const repeats = "import os\nprint(os.environ['GREETING'])\nraise RuntimeError('cannot log in as %s, %r' % (os.environ['GREETING'], os.environ['FROM_FILE']))\n"
		code := filepath.Join(b.demo, "apps/hello/app/hello.py")
		b.must(os.WriteFile(code, []byte(repeats), 0o644))
		ask("reload", "hello")
		ask("restart", "hello")
		all()
		ask("stop", "hello")
		if text := ask("start", "hello"); !strings.Contains(text, "cannot log in as (sensitive), '(sensitive)'") {
			t.Errorf("start of an app that repeats its secrets: %s", text)
		}
		all()
		if _, body, err := get(b.hello, "/"); err == nil {
			seen["the 503"] = body
		}
		for _, path := range []string{"/v1/status", "/v1/plan", "/metrics"} {
			seen["GET "+path+", of an app that repeats them"] = b.control(path)
		}
		if code := d.stop(t); code != 0 {
			t.Errorf("the daemon ended with %d", code)
		}
		seen["the daemon's log"] = d.text()
		for _, app := range []string{"hello", "polls"} {
			log, err := os.ReadFile(filepath.Join(b.demo, "apps", app, "logs/wsgid.log"))
			b.must(err)
			seen["the log of "+app] = string(log)
		}
		for where, text := range seen {
			for _, secret := range []string{inline, fromFile, changed} {
				if i := strings.Index(text, secret); i >= 0 {
					t.Errorf("%s shows %q: …%s…", where, secret, text[max(0, i-80):min(len(text), i+40)])
				}
			}
		}
	})
}

// control asks the daemon's control socket.
func (b *harness) control(path string) string {
	b.t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(b.state, "fleet.sock"))
	}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://fleet" + path)
	b.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	b.must(err)
	if resp.StatusCode != http.StatusOK {
		b.t.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	return string(body)
}
