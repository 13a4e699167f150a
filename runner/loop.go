package runner

import (
	"container/heap"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollable is what owns a descriptor on the loop.
type pollable interface {
	// onEvents is called on the loop with epoll's event bits.
	onEvents(events uint32)
}

// loop is the one goroutine that owns a master's state. It waits in
// epoll_wait and calls the owners of the descriptors that became ready, the
// functions that other goroutines posted, and timers.
type loop struct {
	epfd   int
	wakefd int // eventfd: post writes to it while the loop may sleep

	// now is the time of this turn, in nanoseconds since base. One clock read
	// a turn is enough for every deadline.
	now  int64
	base time.Time

	owners []owner // by descriptor
	timers timerHeap

	mu      sync.Mutex
	posted  []func() // guarded by mu
	pending bool     // guarded by mu: wakefd has been written and not yet read

	turnEnd []func() // called once when what this turn brought has been handled

	// look takes what no descriptor tells of; before the loop sleeps it sees to it
	// that one does from then on. True: there was something.
	look func(sleep bool) bool

	closed bool
	done   chan struct{} // closed when run returns
	atEnd  []func()      // called when run returns
}

// owner is a registered descriptor. A generation tells events of a closed
// descriptor from those of the one that got its number in the same turn.
type owner struct {
	p   pollable
	gen int32
}

func newLoop() (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot create epoll instance: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("cannot create eventfd: %w", err)
	}
	l := &loop{epfd: epfd, wakefd: wake, base: time.Now(), done: make(chan struct{}), look: func(bool) bool { return false }}
	if err := l.add(wake, unix.EPOLLIN, l); err != nil {
		return nil, err
	}
	return l, nil
}

// add registers a descriptor. The loop does not own it.
func (l *loop) add(fd int, events uint32, p pollable) error {
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

// modify changes the events of a registered descriptor.
func (l *loop) modify(fd int, events uint32) {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: l.owners[fd].gen}
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &ev)
}

// owns tells whether a descriptor is registered for p.
func (l *loop) owns(fd int, p pollable) bool {
	return fd >= 0 && fd < len(l.owners) && l.owners[fd].p == p
}

// remove forgets a descriptor; the caller closes it afterwards.
func (l *loop) remove(fd int) {
	if fd < 0 || fd >= len(l.owners) || l.owners[fd].p == nil {
		return
	}
	l.owners[fd].p = nil
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// forget is remove for a descriptor that is closed right after and has no
// duplicate: closing takes it out of the epoll set by itself.
func (l *loop) forget(fd int) { l.owners[fd].p = nil }

// post runs f on the loop, soon. Any goroutine may call it.
func (l *loop) post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	wake := !l.pending
	l.pending = true
	l.mu.Unlock()
	if wake {
		one := [8]byte{1}
		_, _ = unix.Write(l.wakefd, one[:])
	}
}

// call runs f on the loop and waits for it; false: the loop has ended.
func (l *loop) call(f func()) bool {
	done := make(chan struct{})
	l.post(func() { f(); close(done) })
	select {
	case <-done:
		return true
	case <-l.done:
		return false
	}
}

// onEvents drains the wake-up and runs what was posted.
func (l *loop) onEvents(uint32) {
	var b [8]byte
	_, _ = unix.Read(l.wakefd, b[:])
	l.mu.Lock()
	fs := l.posted
	l.posted = nil
	l.pending = false
	l.mu.Unlock()
	for _, f := range fs {
		f()
	}
}

// tick reads the clock.
func (l *loop) tick() { l.now = int64(time.Since(l.base)) }

// wall turns a time of the loop into one of the wall clock.
func (l *loop) wall(t int64) time.Time { return time.Now().Add(time.Duration(t - l.now)) }

// run serves until stop.
func (l *loop) run() error {
	defer func() {
		close(l.done)
		for _, f := range l.atEnd {
			f()
		}
	}()
	events := make([]unix.EpollEvent, 256)
	l.tick()
	for !l.closed {
		// A busy loop finds events without sleeping: the raw call spares the
		// scheduler's bookkeeping. Only an idle one pays for a second call.
		n, errno := rawEpollWait(l.epfd, events, 0)
		if n == 0 && errno == 0 && !l.look(true) {
			var err error
			n, err = unix.EpollWait(l.epfd, events, l.timeout())
			if err != nil {
				if err == unix.EINTR {
					l.tick()
					l.fire()
					l.endTurn()
					continue
				}
				return fmt.Errorf("cannot wait for events: %w", err)
			}
		} else if errno != 0 && errno != syscall.EINTR {
			return fmt.Errorf("cannot wait for events: %w", errno)
		}
		l.tick()
		for i := range n {
			ev := &events[i]
			o := &l.owners[ev.Fd]
			if o.p != nil && o.gen == ev.Pad {
				o.p.onEvents(ev.Events)
			}
		}
		l.look(false)
		l.fire()
		l.endTurn()
	}
	return nil
}

// atTurnEnd has f called once at the end of this turn.
func (l *loop) atTurnEnd(f func()) { l.turnEnd = append(l.turnEnd, f) }

func (l *loop) endTurn() {
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

// stop ends run after this turn.
func (l *loop) stop() { l.closed = true }

// timeout is how long epoll_wait may sleep, in milliseconds; -1: for ever.
func (l *loop) timeout() int {
	if len(l.turnEnd) > 0 {
		return 0
	}
	if len(l.timers) == 0 {
		return -1
	}
	d := l.timers[0].at - int64(time.Since(l.base))
	if d <= 0 {
		return 0
	}
	return int((d + int64(time.Millisecond) - 1) / int64(time.Millisecond))
}

// fire runs the timers that are due.
func (l *loop) fire() {
	for len(l.timers) > 0 && l.timers[0].at <= l.now {
		t := heap.Pop(&l.timers).(*timer)
		t.f()
	}
}

// timer is a function that runs on the loop at a time. Its zero value with f
// set is ready for set.
type timer struct {
	at  int64
	idx int // in the heap, plus one; 0: not set
	f   func()
}

// set arms the timer for d from now, replacing an earlier setting.
func (l *loop) set(t *timer, d time.Duration) { l.setAt(t, l.now+int64(d)) }

func (l *loop) setAt(t *timer, at int64) {
	t.at = at
	if t.idx > 0 {
		heap.Fix(&l.timers, t.idx-1)
		return
	}
	heap.Push(&l.timers, t)
}

// setBy arms the timer for at the latest at; an earlier setting stays.
func (l *loop) setBy(t *timer, at int64) {
	if t.idx == 0 || at < t.at {
		l.setAt(t, at)
	}
}

// clear disarms the timer.
func (l *loop) clear(t *timer) {
	if t.idx > 0 {
		heap.Remove(&l.timers, t.idx-1)
	}
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].idx, h[j].idx = i+1, j+1
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
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
