package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const noStderr = `log.target is "stderr", but no daemon has passed its standard error; `

// toStderr has hello log to standard error.
func (b *harness) toStderr() {
	b.t.Helper()
	b.only("hello")
	b.replace("wsgid.d/hello.hcl", "  workers {", "  log {\n    target = \"stderr\"\n  }\n\n  workers {")
}

// Whoever reads what a command prints is not held up by the masters that it leaves
// behind, though their spec says log.target = "stderr" (harness.command proves it). The
// log goes elsewhere, which is said, until a daemon takes over.
func TestLogToStderrWithoutADaemon(t *testing.T) {
	t.Parallel()
	asEach(t, func(t *testing.T, who account) {
		b := newHarness(t, who)
		b.toStderr()
		b.ok("apply", "hello")
		b.replace("wsgid.d/hello.hcl", "count = 2", "count = 1")
		b.ok("apply")
		b.replace("wsgid.d/hello.hcl", `"Hello"`, `"Hi"`)
		b.ok("apply")
		b.ok("reload", "hello")
		if s, err := b.status(); err != nil || len(s.Apps) != 1 || s.Apps[0].State != "ready" || !strings.HasPrefix(s.Apps[0].LogError, noStderr) {
			t.Errorf("status: %+v, %v", s, err)
		}
		if _, err := os.Stat("/run/systemd/journal/socket"); err != nil { // else it is in this machine's journal
			logs := b.ok("logs", "-n", "all", "hello").stdout
			if n := strings.Count(logs, noStderr); n != 1 || !strings.Contains(logs, "master of hello starting") {
				t.Errorf("said %d times, in the log:\n%s", n, logs)
			}
		}
		d := b.run()
		eventually(t, patience, "the daemon to take the log over", func() error {
			b.ok("reload", "hello")
			if !strings.Contains(d.text(), " - hello wsgid [pid=") {
				return fmt.Errorf("the daemon's output is\n%s", d.text())
			}
			return nil
		})
	})
}

// The log of an app on a read-only disk is in the data directory where it has no
// other place, and logs reads it there.
func TestLogOfAReadOnlyFolder(t *testing.T) {
	asEach(t, func(t *testing.T, who account) {
		if !who.root() {
			return // only root can mount
		}
		b := newHarness(t, who)
		b.toStderr()
		folder := filepath.Join(b.demo, "apps/hello")
		b.must(unix.Mount(folder, folder, "", unix.MS_BIND, ""))
		t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
		b.must(unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		b.ok("apply", "hello")
		if _, err := os.Stat("/run/systemd/journal/socket"); err == nil {
			return // the journal has it
		}
		if logs := b.ok("logs", "-n", "all", "hello").stdout; !strings.Contains(logs, noStderr) || !strings.Contains(logs, "master of hello starting") {
			t.Errorf("the log:\n%s", logs)
		}
		if _, err := os.Stat(filepath.Join(b.state, "data/logs/hello.log")); err != nil {
			t.Error(err)
		}
		b.ok("stop", "hello")
	})
}
