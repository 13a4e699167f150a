package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	stems "github.com/wsgid-fleet/wsgid-fleet/runner/stem"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// stem is the keeper of that process. It belongs to the loop.
type stem struct {
	of      stems.Stem
	pool    *Pool
	spawner *Spawner
	fd      int
	pid     int
	pidfd   int
	spare   *spare
	asked   []spawnJob // in the order of the answers
	late    evloop.Timer
	pass    int    // so many workers are not forked: one that was could not begin
	passed  string // why the last of these could not
}

// stemPatience is how long a stem may take for an answer.
const stemPatience = 5 * time.Second

// AdoptStem has workers forked from the stem at the other end of fd. At the other end of
// next is a process that is forked already, and will be the first of them.
func (s *Spawner) AdoptStem(p *Pool, fd, next int, info stems.Stem) error {
	t := &stem{of: info, pool: p, spawner: s, fd: fd, pidfd: -1}
	t.spare = &spare{stem: t, fd: next, pidfd: -1}
	if err := t.adopt(); err != nil {
		t.close()
		return err
	}
	t.late.Do = func() { t.end("it does not answer") }
	p.stem = t
	p.reaper.own[t.pid] = true
	return errors.Join(t.spare.watch(), p.loop.Add(fd, unix.EPOLLIN, t))
}

func (t *stem) adopt() error {
	if err := unix.SetNonblock(t.fd, true); err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
	for by := time.Now().Add(stemPatience); ; {
		n, err := unix.Poll(fds, int(time.Until(by).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return errors.Join(errors.New("their stem does not answer"), err)
		}
		break
	}
	var err error
	if t.pid, t.pidfd, err = t.hear(t.fd); err != nil {
		return fmt.Errorf("their stem: %w", err)
	}
	return nil
}

// hear reads the first message of a process, and proves that it is what it says.
func (t *stem) hear(fd int) (pid, pidfd int, err error) {
	typ, payload, err := t.receive(fd)
	var said wsgi.Forked
	if err == nil && typ == wsgi.MsgReady {
		err = json.Unmarshal(payload, &said)
	}
	if err == nil && said.PID == 0 {
		err = errors.New("it sent something else")
	}
	if err != nil {
		return 0, -1, err
	}
	pidfd, err = openChild(said.PID, os.Getpid(), t.spawner.uid())
	return said.PID, pidfd, err
}

// receive reads a message.
func (t *stem) receive(fd int) (typ byte, payload []byte, err error) {
	msg, passed, errno := t.pool.rx.Recv(fd)
	closePassed(passed)
	switch {
	case errno != 0:
		return 0, nil, errno
	case len(msg) == 0:
		return 0, nil, errors.New("it exited")
	}
	typ, _, _, payload, err = wsgi.ParseMessage(msg)
	return typ, payload, err
}

// fits tells whether a worker of the spec can be forked from it now.
// Else the pool has why.
func (t *stem) fits(p *Pool, spec *appspec.Spec, env []string) bool {
	python, locale, why := stems.Forkable(spec, env)
	p.unfit = why
	if t == nil || why != "" {
		return false
	}
	if t.pass > 0 {
		t.pass--
		p.unfit = "one that was forked could not begin: " + t.passed
		return false
	}
	if python != t.of.Python || !slices.Equal(locale, t.of.Locale) {
		p.unfit = stems.Restart
		return false
	}
	if changed := t.of.Changed(); changed != "" {
		t.end(changed + " has changed")
		return false
	}
	return true
}

// fork has a worker forked, or the spare one be it.
func (t *stem) fork(job spawnJob) {
	if t.spare.take(job) {
		return
	}
	err := t.order(t.fd, job)
	evloop.CloseAll(job.close)
	job.close = nil
	t.asked = append(t.asked, job)
	t.wait()
	if err != nil {
		t.pool.loop.Post(func() { t.end("it accepts no commands: " + err.Error()) })
	}
}

// order sends what a worker begins with.
func (t *stem) order(fd int, job spawnJob) error {
	fds := []int{int(job.files[0])}
	for _, f := range job.files[2:] {
		fds = append(fds, int(f))
	}
	return unix.Sendmsg(fd, wsgi.AppendHeader(nil, wsgi.MsgFork, 0, 0), unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}

// wait has an answer that is missing be here in time.
func (t *stem) wait() {
	if !t.late.IsSet() {
		t.pool.loop.Set(&t.late, stemPatience)
	}
}

// answered: one of the answers that were missing is here.
func (t *stem) answered() {
	if t.pool.loop.Clear(&t.late); len(t.asked) > 0 || t.spare.asked() {
		t.wait()
	}
}

// OnEvents: the stem has answered, or ended.
func (t *stem) OnEvents(uint32) {
	typ, payload, err := t.receive(t.fd)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	var f wsgi.Forked
	if err == nil {
		err = json.Unmarshal(payload, &f)
	}
	switch {
	case err != nil:
		t.end(err.Error())
	case typ != wsgi.MsgFork || len(t.asked) == 0:
		t.end("it sent a message that no stem sends")
	case f.Error != "":
		t.end(f.Error)
	case t.asked[0].spare != nil: // it says itself who it is
		next := t.asked[0].spare
		t.asked = t.asked[1:]
		t.answered()
		next.forked()
	default:
		if err := t.forked(t.asked[0], f.PID); err != nil {
			t.end(err.Error())
			return
		}
		t.asked = t.asked[1:]
		t.answered()
	}
}

// forked takes a worker over that is a child of ours, as the kernel must say. It waits
// for its configuration, so that what it may use is limited before it begins.
func (t *stem) forked(job spawnJob, pid int) error {
	p := t.pool
	if p.reaper.own[pid] || slices.ContainsFunc(p.workers, func(w *worker) bool { return w.pid == pid }) {
		return lieError(fmt.Sprintf("process %d is already known", pid))
	}
	pidfd, err := openChild(pid, os.Getpid(), t.spawner.uid())
	if err != nil {
		return err
	}
	if t.spawner.mayLimit {
		sandbox.SetLimits(pid, job.limits, p.log)
	}
	job.w.lowered = sandbox.Lower(pid, job.nice)
	job.w.follow(job.output, pid)
	if _, errno := evloop.Send(job.w.slots[0].fd, job.init); errno != 0 {
		p.log.Warn(fmt.Sprintf("worker %d: cannot send the configuration: %v", pid, errno)) // it ends
	}
	p.workerStarted(job.w, pid, pidfd, nil)
	return nil
}

// end has all workers started by themselves from now on. Those that were forked serve
// on.
func (t *stem) end(why string) {
	p := t.pool
	if p.stem != t {
		return
	}
	p.stem = nil
	if why != "" {
		p.Unforked = "the process that they are forked from is given up: " + why
		p.log.Info(fmt.Sprintf("from now on workers are started directly, no longer forked from process %d: %s", t.pid, why))
	}
	p.loop.Clear(&t.late)
	p.loop.Remove(t.fd)
	if t.spare.asked() {
		t.asked = append(t.asked, *t.spare.job)
	}
	t.close()
	for _, job := range t.asked {
		if job.spare != nil {
			continue
		}
		evloop.CloseAll(job.close)
		_ = job.output.Close()
		if job.w.life.wanted() {
			p.alone(job.w)
		} else {
			p.drop(job.w)
		}
	}
	t.asked = nil
	p.NotifyChanged()
}

func (t *stem) close() {
	t.spare.end()
	_ = unix.Close(t.fd)
	if t.pidfd >= 0 {
		_ = unix.PidfdSendSignal(t.pidfd, unix.SIGKILL, nil, 0)
		_ = unix.Close(t.pidfd)
		evloop.Reap(t.pid)
		delete(t.pool.reaper.own, t.pid)
	}
}

// EndStem ends the process that workers are forked from, where there is one.
func (p *Pool) EndStem() {
	if p.stem != nil {
		p.stem.end("")
	}
}

// uid is whom the workers run as.
func (s *Spawner) uid() int {
	if s.owner.Change {
		return s.owner.UID
	}
	return os.Geteuid()
}
