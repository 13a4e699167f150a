package pool

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/runner/control"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/sandbox"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// worker is one Python process of the pool. It belongs to the loop.
//
//	starting ──ready──▶ serving ──retire──▶ draining ──exit──▶ gone
//	   └──failed/exit──────┴──────exit────────────────────────▶
type worker struct {
	pool      *Pool
	pid       int
	pidfd     int
	gen       int // which code and spec it runs
	state     control.WorkerState
	since     int64        // entered the pool
	ready     int64        // became ready; 0: not yet
	idleSince int64        // its last request ended
	probe     *healthProbe // a health check under way
	healthy   bool         // has answered a health check, or none is asked for
	outgrew   int64        // was first seen to be larger than workers.max_memory; 0: not
	unhealthy int          // health checks failed in a row
	slots     []*Slot
	shared    []byte // the abort table, one uint32 a slot, and the ring of the first slot

	served  uint64
	errors  uint64  // of served, answered 5xx
	sent    uint64  // bytes of bodies
	worked  int64   // nanoseconds at requests
	limit   uint64  // recycle after that many requests; 0: never
	jitter  float64 // by what part it may grow older than others
	failure *wsgi.Failure
	loaded  wsgi.Ready
	recycle string // why it is to be replaced; it serves until its replacement is ready
	retired string // why it leaves; empty: nobody asked it to
	killed  string // why we killed it
	struck  bool   // a signal that was not ours ended it before it served
	held    bool   // ready, but waits for its rollout to be complete
	yields  bool   // starts beside a whole set that serves, see workers.start_nice
	lowered sandbox.Lowered
	raising evloop.Timer // when it has stood back long enough
	timer   evloop.Timer // start or stop deadline

	stemmed bool // forked from the stem
	again   bool // and could not begin: it is to be started by itself

	// With workers.preload:
	template *template       // this process is a template, and that is its keeper
	life     int             // read end of a pipe; its closing kills the worker: it shall not outlive us. 0: none
	inner    int             // its pid in the namespace of its template, which tells of it by that; 0: pid
	child    bool            // forked from a template, which is its parent and reaps it
	parent   *template       // that template
	gone     bool            // a child that has ended; how is not yet told
	known    bool            // a child whose parent has told how it ended
	status   unix.WaitStatus // how
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

// recycling tells whether the worker waits for its replacement.
func (w *worker) recycling() bool { return w.recycle != "" && w.retired == "" }

// serving tells whether the pool may give it requests.
func (w *worker) serving() bool {
	return w.ready > 0 && !w.held && w.state != control.WorkerDraining && w.killed == ""
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
	st := w.state
	if st == control.WorkerIdle && w.busy() > 0 {
		st = control.WorkerBusy
	}
	info := control.WorkerInfo{PID: w.pid, State: st, Since: l.Wall(w.since).Round(time.Millisecond), Requests: w.served, RSS: rss,
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
	if w.life > 0 {
		_ = unix.Close(w.life)
		w.life = 0
	}
	if w.shared != nil {
		_ = unix.Munmap(w.shared)
		w.shared = nil
	}
}
