package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/runner/freeport"
)

// The longest name that an app can have, in one word, and a reason of 2,000 characters,
// half of it one word: the page shows both whole, wide and narrow, and so does status,
// within the width of a terminal and without one.
func TestALongNameAndALongReason(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	b := newHarness(t, someone(t))
	modules := browserModules(t)
	b.only("hello")
	const end = "the-very-end"
	name := "n" + strings.Repeat("ame", 20) + "63"
	reason := strings.Repeat("reason", 166) + strings.Repeat(" because", 124) + " " + end
	b.replace("wsgid.d/hello.hcl", `app "hello"`, fmt.Sprintf("app %q", name))
	b.must(os.Rename(filepath.Join(b.demo, "apps/hello"), filepath.Join(b.demo, "apps", name)))
	b.write("apps/"+name+"/app/hello.py", fmt.Sprintf("raise RuntimeError(%q)\n", reason))
	addr := freeport.Addr(t)
	b.equip = func(cmd *exec.Cmd) error {
		cmd.Args = append(cmd.Args, "--console", addr)
		return nil
	}
	d := b.run()
	app := b.await(name, "backoff", -1)
	if len(name) != 63 || len(reason) < 2000 || !strings.Contains(app.Reason, end) {
		t.Fatalf("%d characters of a name, %d of a reason: %+v", len(name), len(reason), app)
	}
	b.browse("long.mjs", nil, "MODULES="+modules, "LOGIN="+b.oneTime(), "NAME="+name, "REASON="+end)

	for _, args := range [][]string{nil, {"-o", "wide"}, {name}} {
		whole := func(text string) bool {
			joined := strings.Join(strings.Fields(text), "")
			return strings.Contains(text, name) && strings.Contains(joined, strings.ReplaceAll(reason, " ", ""))
		}
		plain := b.fleet("status", args...).stdout // exit code 3: it is not well
		if !whole(plain) {
			t.Errorf("status %v without a terminal:\n%s", args, plain)
		}
		command := []string{b.program(), "status", "--dir", b.specs}
		if b.who.root() {
			command = append(command, "--state-dir", b.state)
		}
		shown := b.command("script", "-qec", "stty cols 80 rows 24; "+strings.Join(append(command, args...), " "), "/dev/null").stdout
		if !whole(shown) {
			t.Errorf("status %v on a terminal:\n%s", args, shown)
		}
		for line := range strings.Lines(shown) {
			if line = strings.TrimRight(line, "\r\n"); len([]rune(line)) > 80 {
				t.Errorf("status %v on 80 columns: a line has %d: %q", args, len([]rune(line)), line)
			}
		}
	}
	if code := d.stop(t); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
}
