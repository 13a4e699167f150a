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

// wait sleeps until there are events, or a timer is due: 0.
func (l *Loop) wait(events []unix.EpollEvent) (n int, err error) {
	if len(l.turnEnd) > 0 || l.recalled {
		return 0, nil
	}
	begin := l.Elapsed()
	l.heed(begin)
	if !l.parks(begin) {
		l.unpark()
	} else if l.parking == nil {
		l.parking, _ = newParking(l.epfd) // without it it waits as it would otherwise
	}
	if l.parking == nil {
		n, err = unix.EpollWait(l.epfd, events, l.timeout())
	} else {
		n, err = l.park(events)
	}
	end := l.Elapsed()
	l.lull.note(end - begin)
	if l.parking != nil {
		l.yielded = end // the scheduler had its look
	}
	return n, err
}

// awake notes a turn before which the loop did not sleep.
func (l *Loop) awake() {
	l.lull.note(0)
	if l.parking == nil {
		return
	}
	if l.heed(l.now); !l.parks(l.now) {
		l.unpark()
	}
}

// heed notes whether others have work.
func (l *Loop) heed(now int64) {
	if l.Busy != nil && l.Busy() {
		l.busy = now
	}
}

// parks tells whether the loop is to wait in the parking.
func (l *Loop) parks(now int64) bool {
	return l.lull.long || l.busy > 0 && now-l.busy <= parkFor
}

func (l *Loop) unpark() {
	l.parking.close()
	l.parking = nil
}

// park sleeps in the parking, from where others may call the loop back: 0.
func (l *Loop) park(events []unix.EpollEvent) (int, error) {
	until := time.Time{}
	if len(l.timers) > 0 {
		until = l.base.Add(time.Duration(l.timers[0].at))
	}
	p := l.parking
	if err := p.expire(until); err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.parked = p
	l.mu.Unlock()
	n, err := p.wait(events)
	l.mu.Lock()
	l.parked = nil
	l.recalled, p.recalled = l.recalled || p.recalled, false
	l.mu.Unlock()
	if l.recalled {
		p.until = past
	}
	return n, err
}

// parkFor is how long the loop goes on to wait as if others had work once they have none,
// in nanoseconds: connections that come one after the other are no reason to change.
const parkFor = int64(100 * time.Millisecond)

// lull is how long the loop has slept of late before a turn. Where that is long it waits in
// the parking: while a system call of ours lasts, the runtime's monitor of threads looks
// after it every 20 microseconds, and takes its processor away (go1.26), which at some
// hundred requests a second costs four times what they do. Where it is short that has no time
// to happen, and the system call is the cheaper of the two.
type lull struct {
	mean int64 // moving average, in nanoseconds
	long bool
}

const (
	lullMost = int64(3 * time.Millisecond) // what counts of one
	longFrom = int64(450 * time.Microsecond)
	longTo   = int64(100 * time.Microsecond) // below it is short again
)

func (u *lull) note(slept int64) {
	u.mean += (min(slept, lullMost) - u.mean) / 8
	u.long = u.mean > longFrom || u.long && u.mean >= longTo
}

// parking is where the loop waits in a lull, and while other goroutines of the process have
// work: the runtime's own poller watches the epoll instance. In a system call of its own the
// loop would keep its processor from them until the runtime takes it away, and would have to
// wait for one when it returns. It is closed where it is not used: the poller would wake
// up for all that the loop is told.
type parking struct {
	file  *os.File // a duplicate of the epoll instance's descriptor
	raw   syscall.RawConn
	until time.Time // the deadline that is set; zero: none

	recalled bool // guarded by the loop's mu: see recall

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

// past is a deadline that is over.
var past = time.Unix(1, 0)

// recall ends a wait, or the one that is about to begin. The scheduler takes the loop's
// goroutine up where the caller's ends or waits: without a system call, where a
// descriptor's event would wake a thread that looks for what it was.
func (p *parking) recall() {
	p.recalled = true
	_ = p.file.SetReadDeadline(past)
}

// expire sets the time at which a wait ends.
func (p *parking) expire(until time.Time) error {
	if until.Equal(p.until) {
		return nil
	}
	p.until = until
	return p.file.SetReadDeadline(until)
}

func (p *parking) wait(events []unix.EpollEvent) (int, error) {
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
