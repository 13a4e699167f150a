package process

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
)

const (
	// markName and numberName tell a program which process it is.
	markName   = "WSGID_PROCESS"
	numberName = "WSGID_PROCESS_NUMBER"

	// restPause is how often what a process has left behind is looked for.
	restPause = 50 * time.Millisecond
	// restPatience is how long what was killed may take to end: it may hang in a
	// system call.
	restPatience = 5 * time.Second
)

// instance is one process of a block. Events move it: started, exited, its timer,
// retire.
type instance struct {
	set    *Set
	block  appspec.Process
	number int
	gen    int
	state  control.ProcessState

	pid   int // 0: it does not run
	pidfd int
	since int64 // of the loop: since when it runs, or did last
	timer evloop.Timer

	retired  bool
	words    *pool.LastWords // of the process that was started last
	rest     *kin            // what it has left behind, until that has ended; nil: nothing
	restEnd  int64           // when that is killed
	killed   int64           // when it was; 0: it was not
	back     appspec.Backoff
	restarts int
	lastErr  string
}

func (p *instance) title() string {
	return "process " + control.ProcessTitle(p.block.Name, p.number, p.block.Count)
}

// start has it started.
func (p *instance) start() {
	s := p.set
	p.state = control.ProcessStarting
	s.Loop.Clear(&p.timer)
	s.Pool.ChildStarts()
	number := strconv.Itoa(p.number)
	p.words = &pool.LastWords{}
	s.Spawner.Start(pool.Program{Spec: s.View(s.spec), Command: p.block.Command, Name: p.title(), Words: p.words,
		Env: []string{markName + "=" + p.mark(), numberName + "=" + number}}, p.started)
	s.Changed()
}

// mark is the value of WSGID_PROCESS.
func (p *instance) mark() string { return p.block.Name + "." + strconv.Itoa(p.number) }

// started is the end of a start.
func (p *instance) started(pid, pidfd int, err error) {
	s := p.set
	s.Pool.ChildStarted(pid)
	if err != nil {
		p.lastErr = s.Log.Secrets().Text(err.Error())
		s.Log.Error(p.lastErr)
		if p.retired {
			s.gone(p)
			return
		}
		p.wait(p.back.Failed(s.spec.Restart))
		return
	}
	p.pid, p.pidfd, p.since, p.state = pid, pidfd, s.Loop.Now(), control.ProcessRunning
	s.Log.Info(fmt.Sprintf("%s is started: pid %d", p.title(), pid))
	if err := s.Loop.Add(pidfd, unix.EPOLLIN, p); err != nil {
		s.Log.Error(err.Error())
	}
	if p.retired {
		p.signal()
	}
	s.Changed()
}

// wait has it started again after d.
func (p *instance) wait(d time.Duration) {
	if d <= 0 {
		p.start()
		return
	}
	p.set.Log.Warn(fmt.Sprintf("%s: next try in %v", p.title(), d.Round(100*time.Millisecond)))
	p.state = control.ProcessBackoff
	p.timer.Do = p.start
	p.set.Loop.Set(&p.timer, d)
	p.set.Changed()
}

// OnEvents is told by the descriptor that the process has ended.
func (p *instance) OnEvents(uint32) {
	s := p.set
	pid, rest := p.pid, p.kin()
	left, ws := rest.ended(s.Loop, s.Pool, p.pidfd)
	p.pid, p.pidfd = 0, -1
	how := pool.ExitText(ws)
	switch {
	case p.retired:
		s.Log.Info(fmt.Sprintf("%s (pid %d) has ended: %s", p.title(), pid, how))
	default:
		p.restarts++
		p.words.Explain(s.Loop, &p.lastErr, "pid "+strconv.Itoa(pid)+" ended: ", ws, s.Changed)
		text := fmt.Sprintf("%s (pid %d) exited unexpectedly: %s", p.title(), pid, how)
		if left > 0 && ws.Exited() && ws.ExitStatus() == 0 {
			text += fmt.Sprintf("; it left %d processes behind, which are killed: a program must stay in the foreground here", left)
		}
		s.Log.Error(text)
	}
	if left == 0 {
		p.over()
		return
	}
	p.rest = rest
	if !p.retired {
		p.restEnd = s.Loop.Now() // its successor must not meet them
	}
	p.state = control.ProcessStopping
	p.lookAtRest()
}

// over: nothing is left of it.
func (p *instance) over() {
	s := p.set
	s.Loop.Clear(&p.timer)
	p.rest, p.killed = nil, 0
	if p.retired || s.stopping {
		s.gone(p)
		return
	}
	p.wait(p.back.Died(s.spec.Restart, time.Duration(s.Loop.Now()-p.since)))
}

// lookAtRest waits for what the process has left behind, and ends it in time.
func (p *instance) lookAtRest() {
	s := p.set
	now := s.Loop.Elapsed()
	if now < p.restEnd {
		if len(p.rest.all()) == 0 {
			p.over()
			return
		}
		p.timer.Do = p.lookAtRest
		s.Loop.Set(&p.timer, min(restPause, time.Duration(p.restEnd-now)+time.Millisecond))
		return
	}
	n := p.rest.kill()
	switch {
	case n == 0:
		p.over()
		return
	case p.killed == 0:
		p.killed = now
		s.Log.Warn(fmt.Sprintf("%s left %d processes behind, killing them", p.title(), n))
	case now-p.killed > int64(restPatience):
		s.Log.Error(fmt.Sprintf("%s: %d processes that it left behind cannot be killed, such as %d", p.title(), n, p.rest.all()[0]))
		p.over()
		return
	}
	p.timer.Do = p.lookAtRest
	s.Loop.Set(&p.timer, restPause/5)
}

// retire has it end: asked by one signal, and past its time killed.
func (p *instance) retire(why string) {
	if p.retired {
		return
	}
	s := p.set
	p.retired = true
	switch p.state {
	case control.ProcessRunning:
		s.Log.Info(fmt.Sprintf("stopping %s (pid %d): %s", p.title(), p.pid, why))
		p.signal()
	case control.ProcessBackoff:
		s.Loop.Clear(&p.timer)
		s.Loop.Post(func() { s.gone(p) })
	case control.ProcessStarting, control.ProcessStopping, control.ProcessWaiting:
	}
}

// signal tells the process to stop.
func (p *instance) signal() {
	s := p.set
	p.state = control.ProcessStopping
	p.restEnd = s.Loop.Now() + int64(p.block.StopTimeout)
	_ = unix.PidfdSendSignal(p.pidfd, unix.SignalNum("SIG"+p.block.StopSignal), nil, 0)
	p.timer.Do = p.late
	s.Loop.Set(&p.timer, p.block.StopTimeout.D())
	s.Changed()
}

// late: its time to stop is over.
func (p *instance) late() {
	s := p.set
	s.Log.Warn(fmt.Sprintf("%s (pid %d) did not exit within %v (stop_timeout), killing it", p.title(), p.pid, p.block.StopTimeout))
	p.kin().killAll(p.pidfd)
}

// kin is the process with what it has started.
func (p *instance) kin() *kin {
	return &kin{pid: p.pid, mark: markName + "=" + p.mark(), own: p.set.Pool.OwnChild}
}

func (p *instance) info() control.ProcessInfo {
	s := p.set
	i := control.ProcessInfo{Name: p.block.Name, Number: p.number, Count: p.block.Count, PID: p.pid, State: p.state,
		Restarts: p.restarts, LastError: p.lastErr}
	if p.pid > 0 {
		i.Since, i.RSS = s.Loop.Wall(p.since).Round(time.Millisecond), appdir.ResidentSize(p.pid)
	}
	if p.state == control.ProcessBackoff {
		i.RetryAt = s.Loop.Wall(p.timer.At()).Round(time.Millisecond)
	}
	return i
}
