package pool

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

const (
	// stackPatience is how long a thread has to say where it is, and stackMost one that
	// waits for nothing but a CPU.
	stackPatience = 300 * time.Millisecond
	stackMost     = 2 * time.Second
	// stacksTime is how long all of them have: then the rest is not asked.
	stacksTime = 3 * time.Second
	// stacksLife is how long an answer of a request is as good as a new one: who asks again
	// and again disturbs the app no more than that.
	stacksLife = 500 * time.Millisecond
)

// stackSignal is what a thread is asked by. Where nobody handles it it does nothing.
const stackSignal = unix.SIGURG

// stacks is the asking for them: one at a time, as a worker has one place for them.
type stacks struct {
	mu   sync.Mutex
	last map[askedOf]*answer // guarded by mu
}

// askedOf is what a thread was asked about.
type askedOf struct {
	w     *worker
	index int
	seq   uint32 // of its request
}

type answer struct {
	at      time.Time
	stack   []string
	problem string
}

// asked is a worker whose threads are asked.
type asked struct {
	w       *worker // belongs to the loop
	pid     int
	pidfd   int // a duplicate
	shared  int // a duplicate
	threads []askedThread
}

type askedThread struct {
	index int
	seq   uint32 // of its request
	at    time.Time
	control.ThreadStack
}

// Stacks tells where the threads are that are at requests, by asking them. Any goroutine
// but the loop's calls it.
func (p *Pool) Stacks() []control.ThreadStack {
	p.stacks.mu.Lock()
	defer p.stacks.mu.Unlock()
	var all []*asked
	p.loop.Call(func() { all = p.busyThreads() })
	until := time.Now().Add(stacksTime)
	var wg sync.WaitGroup
	for _, a := range all {
		wg.Go(func() { a.ask(until, p.stacks.last, p.log.Secrets().Text) })
	}
	wg.Wait()
	last := map[askedOf]*answer{}
	out := []control.ThreadStack{}
	p.loop.Call(func() {
		for _, a := range all {
			for i := range a.threads {
				// What a thread is at now may be another request.
				if t := &a.threads[i]; a.w.at(t.index, t.seq) {
					out = append(out, t.ThreadStack)
					last[askedOf{a.w, t.index, t.seq}] = &answer{t.at, t.Stack, t.Problem}
				}
			}
		}
	})
	for _, a := range all {
		evloop.CloseAll([]int{a.pidfd, a.shared})
	}
	p.stacks.last = last
	return out
}

// at tells whether a slot still serves a request.
func (w *worker) at(index int, seq uint32) bool {
	s := w.slots[index]
	return w.pidfd >= 0 && s.n > 0 && s.held[0].seq == seq
}

// busyThreads are those that are at requests, by worker.
func (p *Pool) busyThreads() (all []*asked) {
	for _, w := range p.workers {
		if w.pid == 0 || w.pidfd < 0 || w.busy() == 0 {
			continue
		}
		a := &asked{w: w, pid: w.pid, pidfd: duplicate(w.pidfd), shared: duplicate(w.sharedFile)}
		for _, s := range w.slots {
			if s.n > 0 {
				x := s.held[0]
				a.threads = append(a.threads, askedThread{index: s.index, seq: x.seq, ThreadStack: control.ThreadStack{
					PID: w.pid, Thread: s.index + 1, Request: string(x.Label), Since: p.loop.Wall(x.begunAt).Round(time.Millisecond)}})
			}
		}
		all = append(all, a)
	}
	return all
}

// duplicate is -1 where there is none.
func duplicate(fd int) int {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return dup
}

// ask asks the threads of one worker, one after the other.
func (a *asked) ask(until time.Time, known map[askedOf]*answer, mask func(string) string) {
	for i := range a.threads {
		t := &a.threads[i]
		if k := known[askedOf{a.w, t.index, t.seq}]; k != nil && time.Since(k.at) < stacksLife {
			t.at, t.Stack, t.Problem = k.at, k.stack, k.problem
			continue
		}
		t.at = time.Now()
		if time.Now().After(until) {
			t.Problem = "others have taken all the time there was for it; ask again"
			continue
		}
		text, problem := a.stackOf(t.index)
		t.Problem = problem
		if problem == "" {
			if t.Stack = stackLines(mask(text)); len(t.Stack) == 0 {
				t.Problem = "it runs no Python"
			}
		}
	}
}

// stackOf has the thread of a slot write where it is, and reads that.
func (a *asked) stackOf(index int) (text, problem string) {
	if a.pidfd < 0 || a.shared < 0 {
		return "", "the server has no descriptors left"
	}
	if !holdsShared(a.pid) {
		return "", "the application has closed or replaced descriptor 3, by which the worker tells it"
	}
	id, before, problem := a.thread(index)
	for wait, by := time.Millisecond, time.Now().Add(stackMost); problem == notNoted && a.alive() && time.Now().Before(by); wait *= 2 {
		time.Sleep(wait) // its thread may have a request before it has run for the first time
		id, before, problem = a.thread(index)
	}
	if problem != "" {
		return "", problem
	}
	if problem := before.mute(); problem != "" {
		return "", problem
	}
	if err := a.rewind(); err != nil {
		return "", "its place in the shared memory cannot be emptied: " + err.Error()
	}
	defer func() { _ = a.rewind() }()
	// What the number names is the worker's own still: who is asked by its pidfd lives.
	if !a.alive() || unix.Tgkill(a.pid, id, stackSignal) != nil {
		return "", "the worker has ended"
	}
	now, answered := before, false
	for wait, begun := time.Millisecond, time.Now(); !answered && time.Since(begun) < now.patience(); {
		time.Sleep(wait)
		var err error
		if now, err = readThread(a.pid, id); err != nil {
			return "", "the worker has ended"
		}
		// What is neither pending nor being handled may be on its way between the two.
		at, err := unix.Seek(a.shared, 0, io.SeekCurrent)
		answered = now.settled() && (err == nil && at > wsgi.StackData || wait > 20*time.Millisecond)
		wait = min(2*wait, 40*time.Millisecond)
	}
	if !answered {
		return "", now.stuck(a.pid, id)
	}
	b := make([]byte, wsgi.StackSize)
	n, err := unix.Pread(a.shared, b, wsgi.StackData)
	if err != nil {
		return "", "its stack cannot be read: " + err.Error()
	}
	if b, _, _ = bytes.Cut(b[:n], []byte{0}); len(b) == 0 {
		return "", handlesItself
	}
	return string(b), ""
}

// thread tells which thread serves a slot, and how it is.
func (a *asked) thread(index int) (id int, is thread, problem string) {
	id = a.pid
	switch first, err := a.noted(0); {
	case err != nil:
		return 0, is, "its thread is not known: " + err.Error()
	case first == wsgi.NoThread:
		return 0, is, handlesItself
	case index > 0:
		inner, err := a.noted(index)
		if err != nil {
			return 0, is, "its thread is not known: " + err.Error()
		}
		id = threadOf(a.pid, inner)
	}
	is, err := readThread(a.pid, id)
	if err != nil {
		return 0, is, notNoted
	}
	return id, is, ""
}

const notNoted = "its thread is not known: the worker has not said which one it is, or it has ended"

const handlesItself = "the application handles SIGURG, the signal by which it is asked, itself"

// noted is what the worker has noted of the thread of a slot.
func (a *asked) noted(index int) (uint32, error) {
	var b [4]byte
	_, err := unix.Pread(a.shared, b[:], wsgi.ThreadIDs+4*int64(index))
	return binary.NativeEndian.Uint32(b[:]), err
}

// rewind empties the place for stacks, gives its memory back, and has what is written next
// begin there.
func (a *asked) rewind() error {
	if err := unix.Fallocate(a.shared, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, wsgi.StackData, wsgi.StackSize); err != nil {
		return err
	}
	_, err := unix.Seek(a.shared, wsgi.StackData, io.SeekStart)
	return err
}

func (a *asked) alive() bool {
	fds := []unix.PollFd{{Fd: int32(a.pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 0
}
