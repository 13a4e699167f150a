package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A command runs as the app's workers do: as their user, with their environment, code and
// settings, in a session of its own; its exit code is that of exec.
func TestExec(t *testing.T) {
	t.Parallel()
	who := someone(t)
	b := newHarness(t, who)
	b.only("hello", "polls")
	b.replace("wsgid.d/hello.hcl", `GREETING = "Hello"`, `GREETING = "Hello", KEY = sensitive("s3cret-k3y")`)
	b.run()
	b.await("hello", "ready", 2)
	b.await("polls", "ready", 2)

	uid := os.Getuid()
	if who.apps != nil {
		uid = int(who.apps.Uid)
	}
	ask := "import hello, os, sys; print(os.getuid(), os.environ['GREETING'], os.environ['KEY'], os.getsid(0) == os.getpgrp(), " +
		"os.getcwd() == os.path.dirname(hello.__file__), oct(os.umask(0)), sys.argv[1:])"
	out := b.ok("exec", "hello", "python", "-c", ask, "--dir", "x")
	if want := fmt.Sprintf("%d Hello s3cret-k3y True True 0o22 ['--dir', 'x']\n", uid); out.stdout != want {
		t.Errorf("got %q, want %q", out.stdout, want)
	}
	// What django.json says, which stands in no settings.py.
	out = b.ok("exec", "polls", "--", "python", "manage.py", "shell", "-c", "from django.conf import settings; print(len(settings.SECRET_KEY) > 20, settings.DEBUG)")
	if out.stdout != "True True\n" {
		t.Errorf("of polls: %v", out)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"hello", "sh", "-c", "exit 7"}, 7, ""},
		{[]string{"hello", "sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"hello", "no-such-program"}, 127, "no-such-program"},
		{[]string{"hello"}, 64, "name an app, and a command to be run for it"},
		{[]string{"hello", "--"}, 64, "cannot exec in hello: name a command"},
		{[]string{"hullo", "true"}, 1, `cannot exec in hullo: no app "hullo" in `},
	} {
		if out := b.fleet("exec", c.args...); out.code != c.code || !strings.Contains(out.stderr, c.says) {
			t.Errorf("%v: %v", c.args, out)
		}
	}
	b.replace("wsgid.d/hello.hcl", "  workers {", "  deploy {\n    repository = \"file:///nowhere\"\n  }\n\n  workers {")
	eventually(t, patience, "a refusal", func() error {
		if out := b.fleet("exec", "hello", "true"); out.code != 1 || !strings.Contains(out.stderr, "cannot exec in hello: not deployed yet: wsgid-fleet deploy hello") {
			return fmt.Errorf("got %v", out)
		}
		return nil
	})
}
