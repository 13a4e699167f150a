package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// A schedule that is triggered runs once, also where the daemon is killed and the
// master is replaced while the command waits for its end.
func TestTrigger(t *testing.T) {
	asEach(t, testTrigger)
}

func testTrigger(t *testing.T, who account) {
	b := newHarness(t, who)
	b.only("hello")
	goes := filepath.Join(b.dir, "go")
	b.replace("wsgid.d/hello.hcl", "  sockets {", fmt.Sprintf(`  schedule "job" {
    cron    = "0 0 1 1 *"
    command = ["python", "-c", "import os, time\nprint('it runs')\nwhile not os.path.exists('%s'): time.sleep(0.01)"]
  }

  schedule "bad" {
    cron    = "0 0 1 1 *"
    command = ["python", "-c", "raise SystemExit(3)"]
  }

  sockets {`, goes))
	d := b.run()
	first := b.await("hello", "ready", 2)

	if out := b.fleet("trigger", "hello", "bad", "--wait"); out.code != 1 || !strings.Contains(out.stderr, "cannot run bad of hello: exit status 3; what it printed: wsgid-fleet logs hello") {
		t.Error(out)
	}
	if out := b.fleet("trigger", "hello", "jb"); out.code != 1 || !strings.Contains(out.stderr, "the app has no schedule jb; it has bad, job") {
		t.Error(out)
	}

	type ended struct {
		out []byte
		err error
	}
	done := make(chan ended, 1)
	args := []string{"trigger", "--dir", b.specs, "hello", "job", "--wait", "-o", "json"}
	if b.who.root() {
		args = append(args, "--state-dir", b.state)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := b.make(ctx, b.program(), args...)
	cmd.Stderr = os.Stderr
	go func() {
		out, err := cmd.Output()
		done <- ended{out, err}
	}()
	logs := func() string { return b.ok("logs", "hello").stdout }
	eventually(t, patience, "the run", func() error {
		if text := logs(); !strings.Contains(text, "it runs") {
			return fmt.Errorf("the log is %s", text)
		}
		return nil
	})
	if out := b.fleet("trigger", "hello", "job"); out.code != 1 || !strings.Contains(out.stderr, "is still running, and overlap is false") {
		t.Error(out)
	}

	b.must(d.Process.Kill())
	<-d.done
	b.run()
	b.ok("restart", "hello")
	if now := b.await("hello", "ready", 2); now.Master.PID == first.Master.PID {
		t.Errorf("the master is still %d", now.Master.PID)
	}
	b.must(os.WriteFile(goes, nil, 0o644))
	end := <-done
	var r fleet.Result
	if err := json.Unmarshal(end.out, &r); err != nil || end.err != nil {
		t.Fatalf("%s: %v, %v", end.out, err, end.err)
	}
	if !r.OK || r.State != fleet.RunDone || r.Schedule != "job" || r.Run == nil || r.Run.Result != "exit status 0" || r.Run.Order == "" {
		t.Errorf("%s", end.out)
	}
	if text := logs(); strings.Count(text, "it runs") != 1 {
		t.Errorf("it has not run once:\n%s", text)
	}
	if out := b.ok("trigger", "hello", "job", "--wait"); !strings.HasPrefix(out.stdout, "hello  job  done in ") {
		t.Error(out)
	}
}
