package evloop

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// yieldEvery is how long the loop's goroutine goes on before it lets the scheduler have
// a look, in nanoseconds. One that never does so for ten milliseconds the runtime takes
// for one that hogs its processor: from then on it interrupts it by signals, takes the
// processor away whenever the loop waits for events, and looks for that every 20
// microseconds.
const yieldEvery = int64(4 * time.Millisecond)

// yield lets the scheduler have a look, if it is time for that.
func (l *Loop) yield() {
	if l.now-l.yielded >= yieldEvery {
		l.yielded = l.now
		runtime.Gosched()
	}
}

// parkFor is how long the loop goes on to wait as if others had work once they have none,
// in nanoseconds: connections that come one after the other are no reason to change.
const parkFor = int64(100 * time.Millisecond)

// wait sleeps until there are events, or a timer is due: 0.
func (l *Loop) wait(events []unix.EpollEvent) (int, error) {
	switch {
	case l.Busy == nil:
	case l.Busy():
		l.busy = l.now
	case l.parking != nil && l.now-l.busy > parkFor:
		l.parking.close()
		l.parking = nil
	}
	if l.parking == nil && (l.Busy == nil || l.busy != l.now) {
		return unix.EpollWait(l.epfd, events, l.timeout())
	}
	if len(l.turnEnd) > 0 {
		return 0, nil
	}
	if l.parking == nil {
		p, err := newParking(l.epfd)
		if err != nil {
			return unix.EpollWait(l.epfd, events, l.timeout())
		}
		l.parking = p
	}
	until := time.Time{}
	if len(l.timers) > 0 {
		until = l.base.Add(time.Duration(l.timers[0].at))
	}
	return l.parking.wait(events, until)
}

// parking is where the loop waits while other goroutines of the process have work: the
// runtime's own poller watches the epoll instance. In a system call of its own the loop
// would keep its processor from them until the runtime takes it away, and would have to
// wait for one when it returns.
type parking struct {
	file  *os.File // a duplicate of the epoll instance's descriptor
	raw   syscall.RawConn
	until time.Time // the deadline that is set; zero: none

	events []unix.EpollEvent // what look fills
	n      int
	errno  syscall.Errno
	look   func(fd uintptr) bool
}

func newParking(epfd int) (*parking, error) {
	fd, err := unix.FcntlInt(uintptr(epfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // else the runtime would not watch it
		_ = unix.Close(fd)
		return nil, err
	}
	p := &parking{file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{}) // which fails where it is not watched
	}
	if err != nil {
		_ = p.file.Close()
		return nil, err
	}
	p.look = func(fd uintptr) bool {
		p.n, p.errno = rawEpollWait(int(fd), p.events, 0)
		return p.n > 0 || p.errno != 0
	}
	return p, nil
}

func (p *parking) wait(events []unix.EpollEvent, until time.Time) (int, error) {
	if !until.Equal(p.until) {
		p.until = until
		if err := p.file.SetReadDeadline(until); err != nil {
			return 0, err
		}
	}
	p.events, p.n, p.errno = events, 0, 0
	err := p.raw.Read(p.look)
	p.events = nil
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil
	case err != nil:
		return 0, err
	case p.errno != 0:
		return 0, p.errno
	}
	return p.n, nil
}

func (p *parking) close() {
	if p != nil {
		_ = p.file.Close()
	}
}
