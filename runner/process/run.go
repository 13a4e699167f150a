package process

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/pool"
)

const (
	// scheduleName and scheduledName tell a program what it is run for, runName which
	// run it is of.
	scheduleName  = "WSGID_SCHEDULE"
	scheduledName = "WSGID_SCHEDULED"
	runName       = "WSGID_SCHEDULE_RUN"
)

// run is one run of a schedule, from the moment at which it is decided upon.
type run struct {
	of   *schedule
	told control.ScheduleRun
	lock *Lock
	// since is when it was decided upon, by the clock that nobody sets: what of told goes
	// into files has no such reading.
	since time.Time

	begun      func() // is told once that it has, or that it could not; nil: nobody asks
	pid, pidfd int
	timer      evloop.Timer
	status     unix.WaitStatus // how the process ended
	retired    bool            // the app stops
	late       bool            // its time was over
	words      pool.LastWords
	rest       *kin
	killed     int64 // when what it has left behind was; 0: it was not
}

func (r *run) title() string { return "schedule " + r.of.block.Name }

// mark is the value of WSGID_SCHEDULE_RUN.
func (r *run) mark() string {
	if r.told.Order != "" { // of which there may be several in a second
		return r.of.block.Name + "." + r.told.Order
	}
	return r.of.block.Name + "." + strconv.FormatInt(r.told.Due.Unix(), 10)
}

// start is called when it is written down that it begins.
func (r *run) start() {
	s := r.of.set
	if r.retired {
		r.over(true, "it was not started: the app is stopped")
		return
	}
	s.Pool.ChildStarts()
	s.Spawner.Start(pool.Program{Spec: s.View(s.spec), Command: r.of.block.Command, Name: r.title(), Words: &r.words,
		Env: []string{scheduleName + "=" + r.of.block.Name, scheduledName + "=" + r.told.Due.Format(time.RFC3339), runName + "=" + r.mark()}}, r.started)
}

// started is the end of a start.
func (r *run) started(pid, pidfd int, err error) {
	s := r.of.set
	s.Pool.ChildStarted(pid)
	if err != nil {
		r.over(true, err.Error())
		return
	}
	r.pid, r.pidfd = pid, pidfd
	s.Log.Info(fmt.Sprintf("started %s for %s: pid %d", r.title(), r.of.shown(r.told.Due), pid))
	if err := s.Loop.Add(pidfd, unix.EPOLLIN, r); err != nil {
		s.Log.Error(err.Error())
	}
	r.tell()
	if r.retired {
		r.signal()
	} else {
		r.timer.Do = r.timeout
		s.Loop.Set(&r.timer, r.of.block.Timeout.D())
	}
	s.Changed()
}

// tell tells whoever asked for it that it has begun, or ended before it did.
func (r *run) tell() {
	if begun := r.begun; begun != nil {
		r.begun = nil
		begun()
	}
}

func (r *run) timeout() {
	r.late = true
	r.of.set.Log.Warn(fmt.Sprintf("%s (pid %d) takes longer than %v (timeout), stopping it", r.title(), r.pid, r.of.block.Timeout))
	r.signal()
}

// retire has it end, as the app does.
func (r *run) retire() {
	if r.retired {
		return
	}
	r.retired = true
	if r.pid > 0 && !r.late {
		r.of.set.Log.Info(fmt.Sprintf("stopping %s (pid %d): the app is stopped", r.title(), r.pid))
		r.signal()
	}
}

// signal tells the process to stop.
func (r *run) signal() {
	_ = unix.PidfdSendSignal(r.pidfd, unix.SIGTERM, nil, 0)
	r.timer.Do = r.kill
	r.of.set.Loop.Set(&r.timer, appspec.ScheduleStopTime)
}

func (r *run) kill() {
	s := r.of.set
	s.Log.Warn(fmt.Sprintf("%s (pid %d) did not exit within %v, killing it", r.title(), r.pid, appspec.ScheduleStopTime))
	r.kin().killAll(r.pidfd)
}

// kin is the process with what it has started.
func (r *run) kin() *kin {
	return &kin{pid: r.pid, mark: runName + "=" + r.mark(), own: r.of.set.Pool.OwnChild}
}

// OnEvents is told by the descriptor that the process has ended.
func (r *run) OnEvents(uint32) {
	s := r.of.set
	s.Loop.Clear(&r.timer)
	r.rest = r.kin()
	left, ws := r.rest.ended(s.Loop, s.Pool, r.pidfd)
	r.pidfd = -1
	r.status = ws
	if left > 0 {
		s.Log.Warn(fmt.Sprintf("%s (pid %d) left %d processes behind, killing them", r.title(), r.pid, left))
	}
	r.endRest()
}

// endRest ends what the process has left behind.
func (r *run) endRest() {
	s := r.of.set
	now := s.Loop.Elapsed()
	if r.killed == 0 {
		r.killed = now
	}
	n := r.rest.kill()
	if n > 0 && now-r.killed <= int64(restPatience) {
		r.timer.Do = r.endRest
		s.Loop.Set(&r.timer, restPause/5)
		return
	}
	if n > 0 {
		s.Log.Error(fmt.Sprintf("%s: %d processes that it left behind cannot be killed", r.title(), n))
	}
	r.words.Await(s.Loop, func() { r.over(r.result()) })
}

// result is how it ended, in words.
func (r *run) result() (failed bool, text string) {
	text = pool.ExitText(r.status)
	if failed = !r.status.Exited() || r.status.ExitStatus() != 0; failed {
		text = r.words.How(r.status)
	}
	switch {
	case r.late:
		return true, fmt.Sprintf("it took longer than %v (timeout): %s", r.of.block.Timeout, text)
	case r.retired:
		return failed, "it was stopped with the app: " + text
	}
	return failed, text
}

// over: nothing is left of it.
func (r *run) over(failed bool, result string) {
	e := r.of
	s := e.set
	r.told.Ended, r.told.Failed, r.told.Result = r.told.Began.Add(time.Since(r.since)).Round(time.Millisecond), failed, s.Log.Secrets().Text(result)
	r.tell()
	text := fmt.Sprintf("%s: the run of %s ended after %v: %s", r.title(), e.shown(r.told.Due), r.told.Took().Round(time.Millisecond), r.told.Result)
	if failed {
		s.Log.Error(text)
	} else {
		s.Log.Info(text)
	}
	s.runs = slices.DeleteFunc(s.runs, func(q *run) bool { return q == r })
	e.count(r.told)
	r.lock.note(r.told)
	if s.left {
		r.lock.release() // the next master reads the note
	} else {
		e.keep(r.lock)
	}
	s.Changed()
	s.ended()
}

// count notes a run that has ended.
func (e *schedule) count(told control.ScheduleRun) {
	e.rec.Last = &told
	e.rec.Runs++
	if told.Failed {
		e.rec.Failed++
	}
	if e.rec.Running != nil && sameRun(e.rec.Running, &told) {
		e.rec.Running = nil
	}
	if e.rec.Triggered != nil && sameRun(e.rec.Triggered, &told) {
		e.rec.Triggered = &told
	}
}

// collect asks how a run has ended that another master had begun.
func (e *schedule) collect() {
	running, s := e.rec.Running, e.set
	if running == nil || s.left || slices.ContainsFunc(s.runs, func(r *run) bool { return r.of == e }) {
		return
	}
	lock := s.RunLock(e.block.Name)
	free, err := lock.take()
	if err == nil && !free {
		return // it is under way
	}
	told := control.ScheduleRun{Due: running.Due, Began: running.Began, Order: running.Order, Failed: true,
		Result: "its result is not known: the master that ran it was killed, or the machine went down"}
	found := false
	if err == nil {
		if found = lock.noted(&told); !found {
			s.Log.Error(fmt.Sprintf("schedule %s: the run of %s: %s; it is not started again", e.block.Name, e.shown(running.Due), told.Result))
		}
	}
	e.count(told)
	e.keep(lock)
}

// note appends how a run has ended to the file of its lock.
func (l *Lock) note(told control.ScheduleRun) {
	if l.fd < 0 {
		return
	}
	if b, err := json.Marshal(told); err == nil {
		var st unix.Stat_t
		if unix.Fstat(l.fd, &st) == nil {
			_, _ = unix.Pwrite(l.fd, append(b, '\n'), st.Size)
		}
	}
}

// noted finds what was noted of the run of that time.
func (l *Lock) noted(told *control.ScheduleRun) bool {
	b := make([]byte, noteRoom)
	n, _ := unix.Pread(l.fd, b, 0)
	defer func() { _ = unix.Ftruncate(l.fd, 0) }()
	for line := range strings.SplitSeq(string(b[:max(n, 0)]), "\n") {
		var other control.ScheduleRun
		if json.Unmarshal([]byte(line), &other) == nil && sameRun(&other, told) {
			*told = other
			return true
		}
	}
	return false
}

// noteRoom is room for the notes of more runs than end side by side.
const noteRoom = 64 << 10
