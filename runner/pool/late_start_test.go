package pool

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// A worker that is given up, or no longer wanted, before it has a process (a disk that
// stalls may hold its start up) does not live when it gets one.
func TestProcessThatComesTooLate(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for name, give := range map[string]func(*Pool, *worker){
		"start_timeout": func(p *Pool, w *worker) {
			w.timer.Do()
			p.loop.Clear(&w.timer) // the second after which it would be killed for good is over
		},
		"retired": func(p *Pool, w *worker) { p.retire(w, "scaled down") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			root, err := appdir.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			spec := appspec.Default("late", dir)
			spec.Workers.StartTimeout = appspec.Duration(time.Hour)
			log := applog.Open(applog.Places{Root: root, Stderr: applog.NoStderr}, spec, os.Getuid(), os.Getgid(), true)
			defer log.Close()
			loop, err := evloop.New()
			if err != nil {
				t.Fatal(err)
			}
			p := New(loop, log, root, spec)
			var started []*worker
			p.spawn = func(w *worker, _ *appspec.Spec) { started = append(started, w) }
			ended := make(chan error, 1)
			go func() { ended <- loop.Run() }()
			cmd := exec.Command("sleep", "600")
			pidfd := -1
			cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd, Setpgid: true}
			var phases []string
			loop.Call(func() {
				p.Start()
				w := started[0]
				give(p, w)
				phases = append(phases, w.life.now.String())
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				p.workerStarted(w, cmd.Process.Pid, pidfd, nil)
			})
			gone := false
			if !await.Until(await.Patience, 5*time.Millisecond, func() bool {
				loop.Call(func() { gone = started[0].life.now == phaseGone })
				return gone
			}) {
				_ = cmd.Process.Kill()
				t.Fatalf("the process lives on, the worker was %s", phases[0])
			}
			if phases[0] != "killed" {
				t.Errorf("the worker was %s", phases[0])
			}
			loop.Call(loop.Stop)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		})
	}
}
