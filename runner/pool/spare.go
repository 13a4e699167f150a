package pool

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// spare is a process that is forked already and waits to be a worker: the first one, which
// was forked beside the stem before the master began, or the next one of an app that has
// none, so that who wakes it waits for no fork. It belongs to the loop. One that ends
// while it waits is not missed: the stem forks.
type spare struct {
	stem  *stem
	fd    int // -1: it is a worker, or gone
	pid   int // 0: it has not said it yet
	pidfd int
	job   *spawnJob // the worker that it is to be; nil: none yet
}

func (s *spare) watch() error { return s.stem.pool.loop.Add(s.fd, unix.EPOLLIN, s) }

// restock has the stem fork another one for an app that was scaled down to no worker.
func (t *stem) restock() {
	if t == nil || t.spare.fd >= 0 {
		return
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return // the stem forks the next worker
	}
	defer func() { _ = unix.Close(pair[1]) }()
	_ = unix.SetNonblock(pair[1], false) // to Python it is a plain one
	next := &spare{stem: t, fd: pair[0], pidfd: -1}
	if unix.Sendmsg(t.fd, wsgi.AppendHeader(nil, wsgi.MsgFork, 0, 0), unix.UnixRights(pair[1]), nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) != nil {
		next.let()
		return
	}
	t.spare = next
	t.asked = append(t.asked, spawnJob{spare: next})
	t.wait()
}

// forked: the stem has waited for the one between that has forked it. Before that it was no
// child of ours, which is what hear wants.
func (s *spare) forked() {
	switch {
	case s.fd < 0 || s.watch() == nil:
	case s.job != nil:
		s.stem.end("the next worker cannot be watched")
	default:
		s.end()
	}
}

// asked tells whether it is to be a worker, and is not yet.
func (s *spare) asked() bool { return s.fd >= 0 && s.job != nil }

// take has it be a worker; false: it cannot.
func (s *spare) take(job spawnJob) bool {
	if s.fd < 0 || s.job != nil {
		return false
	}
	if s.pid != 0 && isStopped(s.pid) || s.stem.order(s.fd, job) != nil {
		s.end()
		return false
	}
	evloop.CloseAll(job.close)
	job.close = nil
	s.job = &job
	s.stem.wait()
	if s.pid != 0 {
		s.stem.pool.loop.Post(s.begin)
	}
	return true
}

// OnEvents: it says who it is, or has ended.
func (s *spare) OnEvents(uint32) {
	var err error
	if s.asked() && s.pid != 0 {
		s.begin() // it has taken its order and ended the link, before we came to that
		return
	}
	if s.pid != 0 {
		if _, _, err = s.stem.receive(s.fd); err == nil {
			err = errors.New("it sent something else")
		}
	} else if s.pid, s.pidfd, err = s.stem.hear(s.fd); err == nil {
		s.stem.pool.reaper.own[s.pid] = true
		s.begin()
		return
	}
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
	case s.job != nil:
		s.stem.end(err.Error())
	default:
		s.end()
	}
}

// begin: it is a worker, if it is to be one.
func (s *spare) begin() {
	if !s.asked() || s.pid == 0 {
		return
	}
	job, pid := *s.job, s.pid
	s.let()
	err := s.stem.forked(job, pid)
	if err != nil {
		s.stem.asked = append(s.stem.asked, job)
		s.stem.end(err.Error())
		return
	}
	s.stem.answered()
}

// let has it be nobody's.
func (s *spare) let() {
	s.stem.pool.loop.Remove(s.fd)
	_ = unix.Close(s.fd)
	s.fd = -1
	if s.pidfd >= 0 {
		_ = unix.Close(s.pidfd)
		s.pidfd = -1
		delete(s.stem.pool.reaper.own, s.pid)
	}
}

// end ends it, if it is no worker.
func (s *spare) end() {
	if s.fd < 0 {
		return
	}
	if s.pid == 0 {
		s.pid, s.pidfd, _ = s.stem.hear(s.fd) // it may have said so just now
	}
	if s.pidfd >= 0 {
		_ = unix.PidfdSendSignal(s.pidfd, unix.SIGKILL, nil, 0)
		evloop.Reap(s.pid)
	}
	s.let()
}
