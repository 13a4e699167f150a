package pool

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
)

// reaper watches over processes by SIGCHLD. That a worker has ended is told
// by its pidfd; SIGCHLD tells the rest: a worker was stopped (SIGSTOP), or a
// process has ended whose parent, a worker, was gone before.
type reaper struct {
	pool  *Pool
	own   map[int]bool // started by us or handed to us by a template, and not yet reaped
	asked int          // processes that others of us wait for
	later evloop.Timer
}

func (c *reaper) init(p *Pool) {
	c.pool = p
	c.own = map[int]bool{}
	c.later.Do = c.onChild
}

// onChild is called after SIGCHLD.
func (c *reaper) onChild() {
	p := c.pool
	procs := slices.Clone(p.workers)
	for _, t := range p.templates {
		procs = append(procs, t.proc)
	}
	starting := c.asked > 0
	for _, w := range procs {
		switch {
		case w.pid == 0:
			starting = true
		case !w.child && isStopped(w.pid):
			p.workerStopped(w)
		}
	}
	if starting {
		// Among our children may be one that the spawner has not told us of yet.
		p.loop.SetBy(&c.later, p.loop.Now()+int64(time.Second))
		return
	}
	for _, pid := range appdir.ChildrenOf("/proc/self/task") {
		if !c.own[pid] {
			var ws unix.WaitStatus
			_, _ = unix.Wait4(pid, &ws, unix.WNOHANG, nil)
		}
	}
}

// workerStopped: somebody has stopped the worker, and nobody can tell when it
// will go on. What it has not begun goes to others.
func (p *Pool) workerStopped(w *worker) {
	p.workerBroke(w, "it was stopped (SIGSTOP)")
}

// isStopped tells whether a child of ours stands still because of a signal.
func isStopped(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}

// strayGrace is how long what an app has left behind may take to end by itself.
const strayGrace = 500 * time.Millisecond

// EndStrays ends what workers have started and left behind in sessions of their
// own: it is ours since its parents have ended (PR_SET_CHILD_SUBREAPER), and would
// keep the app's ports. The master calls it when it has no worker any more and
// nobody takes its place. None is reaped but here, so that no number is another's.
func EndStrays() (n int) {
	begun := time.Now()
	for time.Since(begun) < 10*strayGrace {
		left := appdir.ChildrenOf("/proc/self/task")
		if len(left) == 0 {
			return n
		}
		n = max(n, len(left))
		sig := unix.SIGTERM
		if time.Since(begun) > strayGrace {
			sig = unix.SIGKILL
		}
		for _, pid := range left {
			var ws unix.WaitStatus
			if done, _ := unix.Wait4(pid, &ws, unix.WNOHANG, nil); done == 0 {
				_ = unix.Kill(pid, sig)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return n
}
