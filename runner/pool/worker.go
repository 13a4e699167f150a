package pool

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// worker is one Python process of the pool. It belongs to the loop.
// What moves it from phase to phase are the methods load to drop, one an event.
type worker struct {
	pool      *Pool
	pid       int
	pidfd     int
	gen       int // which code and spec it runs
	life      lifecycle
	since     int64        // entered the pool
	readyAt   int64        // became ready
	idleSince int64        // its last request ended
	probe     *healthProbe // a health check under way
	outgrew   int64        // was first seen to be larger than workers.max_memory; 0: not
	unhealthy int          // health checks failed in a row
	slots     []*Slot
	shared    []byte // the abort table, one uint32 a slot, and the ring of the first slot
	// sharedFile is a descriptor of the whole of it, with the worker's own position; -1: none.
	sharedFile int

	served  uint64
	errors  uint64  // of served, answered 5xx
	sent    uint64  // bytes of bodies
	worked  int64   // nanoseconds at requests
	limit   uint64  // recycle after that many requests; 0: never
	jitter  float64 // by what part it may grow older than others
	failure *wsgi.Failure
	words   LastWords
	loaded  wsgi.Ready
	why     string // it is to be replaced, or leaves
	killed  string // why we killed it; empty: we did not, or nobody wanted it any more
	rolling bool   // started by a rollout, which admits it
	yields  bool   // starts beside a whole set that serves, see workers.start_nice
	lowered sandbox.Lowered
	raising evloop.Timer // when it has stood back long enough
	timer   evloop.Timer // start or stop deadline

	stemmed bool // forked from the stem

	// With workers.preload:
	template *template        // this process is a template, and that is its keeper
	ourEnd   int              // read end of a pipe; its closing kills the worker: it shall not outlive us. 0: none
	inner    int              // its pid in the namespace of its template, which tells of it by that; 0: pid
	child    bool             // forked from a template, which is its parent and reaps it
	parent   *template        // that template
	told     *unix.WaitStatus // how it ended, by its parent's word; nil: it has not said
}

func (p *Pool) newWorker(gen int) *worker {
	return &worker{pool: p, gen: gen, since: p.loop.Now(), pidfd: -1, sharedFile: -1}
}

// on takes an event in, and tells whether it moved the worker on.
func (w *worker) on(e event) bool {
	if !possible(w.life.now, e) {
		w.pool.log.Error(fmt.Sprintf("worker %d: ignored %q in state %q: this is a bug in wsgid-fleet, please report it", w.pid, e, w.life.now))
		return false
	}
	return w.life.on(e)
}

// load: the application is loaded.
func (w *worker) load() bool { return w.on(eventLoad) }

// reject: it was forked from the stem, and cannot begin like that.
func (w *worker) reject() bool { return w.on(eventReject) }

// pass: it has answered its first health check, or need not.
func (w *worker) pass() bool {
	if !w.on(eventPass) {
		return false
	}
	w.readyAt, w.idleSince = w.pool.loop.Now(), w.pool.loop.Now()
	w.pool.loop.Clear(&w.timer)
	return true
}

// admit: it serves from now on.
func (w *worker) admit() bool { return w.on(eventAdmit) }

// outdate: it is to be replaced, and serves until its replacement is ready.
func (w *worker) outdate(why string) bool {
	moved := w.on(eventOutdate)
	if moved {
		w.why = why
	}
	return moved
}

// retire: nobody wants it any more. One that has nothing to finish is killed.
func (w *worker) retire(why string) bool {
	moved := w.on(eventRetire)
	if moved {
		w.why = why
	}
	return moved
}

// kill: it is given up. The caller sends the signal.
func (w *worker) kill(why string) bool {
	if !w.on(eventKill) {
		return false
	}
	w.killed = why
	w.pool.countCapacity()
	for _, s := range w.slots {
		w.pool.notIdle(s)
	}
	return true
}

// exit: its process has ended.
func (w *worker) exit() bool { return w.on(eventExit) }

// drop: it is out of the pool.
func (w *worker) drop() { w.on(eventDrop) }

// state is its phase as status shows it.
func (w *worker) state() control.WorkerState {
	switch {
	case !w.life.active():
		return control.WorkerDraining
	case !w.life.ready():
		return control.WorkerStarting
	case w.busy() > 0:
		return control.WorkerBusy
	default:
		return control.WorkerIdle
	}
}

// toldPID is the number by which its template tells of it.
func (w *worker) toldPID() int {
	if w.inner != 0 {
		return w.inner
	}
	return w.pid
}

// OnEvents of the pidfd: the process is gone.
func (w *worker) OnEvents(uint32) { w.pool.workerExited(w) }

// busy is the number of requests the worker holds.
func (w *worker) busy() int {
	n := 0
	for _, s := range w.slots {
		n += s.n
	}
	return n
}

// setAbort tells the host that the client of the request is gone.
func (w *worker) setAbort(s *Slot, seq uint32) {
	if o := s.index * 4; o+4 <= min(len(w.shared), wsgi.RingState) {
		binary.LittleEndian.PutUint32(w.shared[o:], seq)
	}
}

// signal sends a signal through the pidfd, which can never hit another process.
func (w *worker) signal(sig unix.Signal) {
	if w.pidfd >= 0 {
		_ = unix.PidfdSendSignal(w.pidfd, sig, nil, 0)
	}
}

// info is the worker as status shows it.
func (w *worker) info(l *evloop.Loop, rss int64) control.WorkerInfo {
	info := control.WorkerInfo{PID: w.pid, State: w.state(), Since: l.Wall(w.since).Round(time.Millisecond), Requests: w.served, RSS: rss,
		Errors: w.errors, Bytes: w.sent, WorkSeconds: float64(w.worked) / 1e9, Threads: len(w.slots)}
	for _, s := range w.slots {
		if s.n > 0 {
			x := s.held[0]
			info.Current = append(info.Current, control.CurrentRequest{Request: string(x.Label), Since: l.Wall(x.begunAt).Round(time.Millisecond)})
		}
	}
	return info
}

// raise ends that the worker stands back. It has not been reaped, so the number is its.
func (w *worker) raise() {
	w.pool.loop.Clear(&w.raising)
	if err := w.lowered.Raise(w.pid); err != nil {
		w.pool.log.Warn(err.Error() + ": set workers.start_nice to 0")
	}
	w.lowered = sandbox.Lowered{}
}

// share has the worker and us share a file in memory, from here on of one size.
func (w *worker) share(fd int) (err error) {
	if err := unix.Ftruncate(fd, wsgi.SharedSize); err != nil {
		return fmt.Errorf("cannot size the shared memory: %w", err)
	}
	// A worker that made it shorter would end us at our next look at it.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return fmt.Errorf("cannot seal the shared memory: %w", err)
	}
	const mapped = wsgi.RingData + wsgi.RingSize
	if w.shared, err = unix.Mmap(fd, 0, mapped, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("cannot map the shared memory: %w", err)
	}
	if w.sharedFile, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return fmt.Errorf("cannot keep the shared memory: %w", err)
	}
	// Where stacks are written, should anybody but us ask for one: see pool.Stacks.
	if _, err = unix.Seek(fd, wsgi.StackData, io.SeekStart); err != nil {
		return fmt.Errorf("cannot set the place for stacks: %w", err)
	}
	return nil
}

// close frees what the worker used.
func (w *worker) close() {
	w.pool.loop.Clear(&w.timer)
	w.pool.loop.Clear(&w.raising)
	for _, s := range w.slots {
		s.close()
	}
	if w.pidfd >= 0 {
		w.pool.loop.Remove(w.pidfd)
		_ = unix.Close(w.pidfd)
		w.pidfd = -1
	}
	if w.ourEnd > 0 {
		_ = unix.Close(w.ourEnd)
		w.ourEnd = 0
	}
	if w.sharedFile >= 0 {
		_ = unix.Close(w.sharedFile)
		w.sharedFile = -1
	}
	if w.shared != nil {
		_ = unix.Munmap(w.shared)
		w.shared = nil
	}
}
