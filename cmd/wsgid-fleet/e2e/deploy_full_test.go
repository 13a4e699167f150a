package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The disk of the app folder gets full just before the rollout, while requests come.
// The one from before serves on, none is lost, and with room again the next deploy is
// as good as any.
func TestRolloutOnAFullDisk(t *testing.T) {
	who := someone(t)
	if !who.root() {
		t.Skip("only root mounts a small disk")
	}
	g := newGuide(t, who, `stage "fill" {
      command = ["/bin/sh", "-c", "test ! -e ../../fill || cat /dev/zero >../../ballast 2>&- || true"]
    }
    stage "after" {
      when    = "after"
      command = ["/bin/sh", "-c", "head -c 100000 /dev/zero >made"]
    }`)
	app := filepath.Join(g.demo, "apps/wsgiapp-dev")
	g.must(os.MkdirAll(app, 0o755))
	g.must(unix.Mount("small", app, "tmpfs", 0, "size=8m,mode=0755"))
	t.Cleanup(func() { _ = unix.Unmount(app, unix.MNT_DETACH) })
	g.must(os.Chown(app, int(who.apps.Uid), int(who.apps.Gid)))
	g.say("first")
	g.run()
	g.ok("deploy", "wsgiapp-dev")
	done := g.load("wsgiapp-dev", g.hello)
	g.must(os.WriteFile(filepath.Join(app, "fill"), nil, 0o644))
	g.say("second")
	out := g.fleet("deploy", "wsgiapp-dev")
	if fi, err := os.Stat(filepath.Join(app, "ballast")); err != nil || fi.Size() < 1<<20 {
		t.Fatalf("the disk was not full: %v, %v", fi, err)
	}
	for _, want := range []string{"cannot deploy wsgiapp-dev: rollout: ", "no space left on device", "free space on the disk of " + app, "the running app was not changed"} {
		if out.code != 1 || !strings.Contains(out.stderr, want) {
			t.Errorf("no %q in %v", want, out)
		}
	}
	g.says("first")
	g.must(os.Remove(filepath.Join(app, "ballast")))
	g.must(os.Remove(filepath.Join(app, "fill")))
	g.say("third")
	g.ok("deploy", "wsgiapp-dev")
	g.says("third")
	done()
}
