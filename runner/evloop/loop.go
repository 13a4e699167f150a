package evloop

import (
	"container/heap"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pollable is what owns a descriptor on the loop.
type Pollable interface {
	// OnEvents is called on the loop with epoll's event bits.
	OnEvents(events uint32)
}

// Loop is the one goroutine that owns a master's state. It waits in
// epoll_wait and calls the owners of the descriptors that became ready, the
// functions that other goroutines posted, and timers.
type Loop struct {
	epfd   int
	wakefd int // eventfd: post writes to it while the loop may sleep

	now  int64 // the time of this turn, in nanoseconds since base
	base time.Time

	owners []owner // by descriptor
	timers timerHeap

	mu       sync.Mutex
	posted   []func() // guarded by mu
	pending  bool     // guarded by mu: the loop has been woken for posted, and has not looked
	parked   *parking // guarded by mu: where the loop waits just now; nil: not there
	recalled bool     // it was called back from there, and has not looked

	turnEnd []func() // called once when what this turn brought has been handled

	// Poll takes what no descriptor tells of; before the loop sleeps it sees to it
	// that one does from then on. True: there was something. It is set before Run.
	Poll func(sleep bool) bool

	// Busy tells whether other goroutines have work, with which the loop is to share the
	// processors while it waits; nil: they never have. It is set before Run.
	Busy    func() bool
	busy    int64 // when they had work last
	lull    lull
	parking *parking // where it waits then; nil: in a system call
	yielded int64    // when the scheduler had its last look

	closed bool
	done   chan struct{} // closed when Run returns
	atEnd  []func()      // called when Run returns
}

// owner is a registered descriptor. A generation tells events of a closed
// descriptor from those of the one that got its number in the same turn.
type owner struct {
	p   Pollable
	gen int32
}

// New is a loop that nothing is registered at.
func New() (*Loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot create epoll instance: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("cannot create eventfd: %w", err)
	}
	l := &Loop{epfd: epfd, wakefd: wake, base: time.Now(), done: make(chan struct{}), Poll: func(bool) bool { return false }}
	if err := l.Add(wake, unix.EPOLLIN, l); err != nil {
		return nil, err
	}
	return l, nil
}

// Connection are the events of a client's connection: each change is told once.
const Connection = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// Add registers a descriptor. The loop does not own it.
func (l *Loop) Add(fd int, events uint32, p Pollable) error {
	for fd >= len(l.owners) {
		l.owners = append(l.owners, owner{})
	}
	o := &l.owners[fd]
	o.p = p
	o.gen++
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: o.gen}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		o.p = nil
		return fmt.Errorf("cannot watch descriptor %d: %w", fd, err)
	}
	return nil
}

// Modify changes the events of a registered descriptor.
func (l *Loop) Modify(fd int, events uint32) {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: l.owners[fd].gen}
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &ev)
}

// Own has a registered descriptor belong to p from here on, for the same events.
func (l *Loop) Own(fd int, p Pollable) { l.owners[fd].p = p }

// Owns tells whether a descriptor is registered for p.
func (l *Loop) Owns(fd int, p Pollable) bool {
	return fd >= 0 && fd < len(l.owners) && l.owners[fd].p == p
}

// Remove forgets a descriptor; the caller closes it afterwards.
func (l *Loop) Remove(fd int) {
	if fd < 0 || fd >= len(l.owners) || l.owners[fd].p == nil {
		return
	}
	l.owners[fd].p = nil
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// Forget is remove for a descriptor that is closed right after and has no
// duplicate: closing takes it out of the epoll set by itself.
func (l *Loop) Forget(fd int) { l.owners[fd].p = nil }

// Post runs f on the loop, soon. Any goroutine may call it.
func (l *Loop) Post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	wake := !l.pending
	l.pending = true
	if wake && l.parked != nil {
		l.parked.recall()
		wake = false
	}
	l.mu.Unlock()
	if wake {
		one := [8]byte{1}
		_, _ = write(l.wakefd, one[:])
	}
}

// Call runs f on the loop and waits for it; false: the loop has ended.
func (l *Loop) Call(f func()) bool {
	done := make(chan struct{})
	l.Post(func() { f(); close(done) })
	select {
	case <-done:
		return true
	case <-l.done:
		return false
	}
}

// OnEvents drains the wake-up and runs what was posted.
func (l *Loop) OnEvents(uint32) {
	var b [8]byte
	_, _ = Read(l.wakefd, b[:])
	l.runPosted()
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	fs := l.posted
	l.posted = nil
	l.pending = false
	l.mu.Unlock()
	for _, f := range fs {
		f()
	}
}

// Now is the time of this turn, in nanoseconds since the loop was made. One
// clock read a turn is enough for every deadline.
func (l *Loop) Now() int64 { return l.now }

// Elapsed is the time as it is now, not at the start of this turn.
func (l *Loop) Elapsed() int64 { return int64(time.Since(l.base)) }

// Done is closed when Run has returned.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Descriptor is that of the epoll instance, for those who need one to duplicate.
func (l *Loop) Descriptor() int { return l.epfd }

// OnEnd has f called when Run returns.
func (l *Loop) OnEnd(f func()) { l.atEnd = append(l.atEnd, f) }

// Tick reads the clock.
func (l *Loop) Tick() { l.now = l.Elapsed() }

// Wall turns a time of the loop into one of the wall clock.
func (l *Loop) Wall(t int64) time.Time { return time.Now().Add(time.Duration(t - l.now)) }

// Run serves until stop.
func (l *Loop) Run() error {
	defer func() {
		close(l.done)
		l.parking.close()
		for _, f := range l.atEnd {
			f()
		}
	}()
	events := make([]unix.EpollEvent, 256)
	l.Tick()
	for !l.closed {
		// A busy loop finds events without sleeping: the raw call spares the
		// scheduler's bookkeeping. Only an idle one pays for a second call.
		n, errno := rawEpollWait(l.epfd, events, 0)
		if n == 0 && errno == 0 && !l.Poll(true) {
			var err error
			n, err = l.wait(events)
			if errors.Is(err, unix.EINTR) {
				l.Tick()
				continue // so a process is told that it stood still: first what came meanwhile
			}
			if err != nil {
				return fmt.Errorf("cannot wait for events: %w", err)
			}
		} else if errno != 0 && errno != syscall.EINTR {
			return fmt.Errorf("cannot wait for events: %w", errno)
		} else {
			l.awake()
		}
		l.Tick()
		l.tell(events[:max(n, 0)])
		if l.recalled {
			l.recalled = false
			l.runPosted()
		}
		l.Poll(false)
		if len(l.timers) > 0 && l.now-l.timers[0].at >= late {
			l.catchUp(events)
		}
		l.fire()
		l.endTurn()
		l.yield()
	}
	return nil
}

// tell hands out events.
func (l *Loop) tell(events []unix.EpollEvent) {
	for i := range events {
		ev := &events[i]
		o := &l.owners[ev.Fd]
		if o.p != nil && o.gen == ev.Pad {
			o.p.OnEvents(ev.Events)
		}
	}
}

// late is how long a timer is overdue, in nanoseconds, where the loop did not run when it
// should have: the machine, or the process, stood still.
const late = int64(5 * time.Millisecond)

// catchUp hands out what came while the loop did not run. It was in time, and a timer that
// says that it is not there would be wrong; where the loop slept until that timer it has not
// looked since.
func (l *Loop) catchUp(events []unix.EpollEvent) {
	for range 1 + len(l.owners)/len(events) { // each descriptor once
		n, errno := rawEpollWait(l.epfd, events, 0)
		if n <= 0 || errno != 0 {
			break
		}
		l.tell(events[:n])
		if n < len(events) {
			break
		}
	}
	l.Poll(false)
}

// AtTurnEnd has f called once at the end of this turn.
func (l *Loop) AtTurnEnd(f func()) { l.turnEnd = append(l.turnEnd, f) }

func (l *Loop) endTurn() {
	fs := l.turnEnd
	l.turnEnd = l.turnEnd[len(l.turnEnd):]
	for i, f := range fs {
		fs[i] = nil
		f()
	}
	if len(l.turnEnd) == 0 {
		l.turnEnd = fs[:0]
	}
}

// Stop ends Run after this turn.
func (l *Loop) Stop() { l.closed = true }

// timeout is how long epoll_wait may sleep, in milliseconds; -1: for ever.
func (l *Loop) timeout() int {
	if len(l.turnEnd) > 0 {
		return 0
	}
	if len(l.timers) == 0 {
		return -1
	}
	d := l.timers[0].at - l.Elapsed()
	if d <= 0 {
		return 0
	}
	return int((d + int64(time.Millisecond) - 1) / int64(time.Millisecond))
}

// fire runs the timers that are due.
func (l *Loop) fire() {
	for len(l.timers) > 0 && l.timers[0].at <= l.now {
		t := heap.Pop(&l.timers).(*Timer)
		t.Do()
	}
}

// Timer is a function that runs on the loop at a time. With Do set it is ready
// for Set.
type Timer struct {
	Do  func()
	at  int64
	idx int // in the heap, plus one; 0: not set
}

// IsSet tells whether the timer is armed.
func (t *Timer) IsSet() bool { return t.idx > 0 }

// At is the time at which an armed timer fires.
func (t *Timer) At() int64 { return t.at }

// Set arms the timer for d from now, replacing an earlier setting.
func (l *Loop) Set(t *Timer, d time.Duration) { l.SetAt(t, l.now+int64(d)) }

// SetAt arms the timer for a time of the loop's clock.
func (l *Loop) SetAt(t *Timer, at int64) {
	t.at = at
	if t.idx > 0 {
		heap.Fix(&l.timers, t.idx-1)
		return
	}
	heap.Push(&l.timers, t)
}

// SetBy arms the timer for at the latest at; an earlier setting stays.
func (l *Loop) SetBy(t *Timer, at int64) {
	if t.idx == 0 || at < t.at {
		l.SetAt(t, at)
	}
}

// Clear disarms the timer.
func (l *Loop) Clear(t *Timer) {
	if t.idx > 0 {
		heap.Remove(&l.timers, t.idx-1)
	}
}

type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].idx, h[j].idx = i+1, j+1
}
func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	*h = append(*h, t)
	t.idx = len(*h)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.idx = 0
	return t
}
