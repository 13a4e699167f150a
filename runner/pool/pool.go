package pool

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/applog"
	"github.com/wsgid-fleet/wsgid-fleet/runner/evloop"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// rescueAfter is how long a request may be at work before those that wait
// behind it in its slot are given to other workers.
const rescueAfter = int64(2 * time.Millisecond)

// Pool is the worker set of an app and the queue before it. It belongs to the
// loop. It decides every failure of a request: no worker in time 503, past the
// deadline 504, worker died 502.
type Pool struct {
	loop  *evloop.Loop
	log   *applog.Log
	root  *appdir.RootFs                      // the app folder, for pid files
	spawn func(w *worker, spec *appspec.Spec) // starts the process; the result comes by workerStarted
	rx    *evloop.Receiver

	spec   *appspec.Spec // what gen runs
	proved bool          // a worker has served by spec
	// before is the last spec by which a worker has served, while spec came when
	// none ran and is not proved; nil: there is none.
	before   *appspec.Spec
	min, max int  // wanted numbers; the operator's scale overrides the spec's
	growing  bool // more workers are wanted since a change, and not all of them serve yet
	gen      int
	lastGen  int
	roll     *rollout
	rollErr  string
	rollHint string // what to do about rollErr, if that is known
	rollWant string // digest of the spec whose rollout failed

	workers []*worker // all that have not been reaped
	// Multiprocess tells requests that there is, or may be, more than one of them;
	// read by the bridge's goroutines too.
	Multiprocess atomic.Bool
	// templates of workers.preload, by generation
	templates map[int]*template
	// shares says for a generation why it has no template, although it has
	// workers.preload: what its workers would share. Each loads the app by itself.
	shares map[int]string
	stem   *stem // nil: there is none
	// Unforked is why there is none; empty: nobody forks. unfit is why the last worker
	// could not be forked from any.
	Unforked, unfit string
	idle            []*Slot // last in, first out: the warm ones work, the others are seen idle
	queue           fifo
	prefetched      int          // waiting requests in slots, behind the one at work
	capacity        int          // slots of the workers that serve
	awake           []*Slot      // slots whose worker knows that we do not sleep
	looked          []*Slot      // memory for awake
	batch           [][]byte     // of slot.flush, to be used again
	batchMsg        []byte       // the same
	rescue          evloop.Timer // looks for those that wait behind a slow one
	recheck         evloop.Timer // looks for answers in rings that nobody told of

	back     appspec.Backoff
	retry    evloop.Timer
	sweep    evloop.Timer // request and queue deadlines
	stopping bool
	aborted  bool // stop without grace

	scaler    scaler
	foresight foresight
	health    checker
	reaper    reaper
	outgrown  outgrown
	look      evloop.Timer // next one at the workers' memory and age

	stacks   stacks
	stats    stats
	static   *staticCounts // nil: no static file was asked for
	Access   *applog.Access
	version  uint64
	restarts int
	lastErr  string
	hint     string // what to do about lastErr, if that is known
	trace    string
	loaded   string
	seq      uint32
	free     []*Exchange

	Served     func(*appspec.Spec) // a worker serves by it for the first time
	Configured func(*appspec.Spec) // the workers run it from now on
	Changed    func()              // state changed: wakes those who wait for it
	Emptied    func()              // stopping, and the last worker is gone
	Admitted   func(filters bool)  // a worker begins to serve; whether its app has request filters
	Crowded    func()              // a worker cannot be started, as clients have all descriptors
	// AskPython tells what is wrong with the interpreter, off the loop; nil:
	// nobody knows.
	AskPython func() error
}

// New makes the pool of an app, which does nothing before Start; root is the app
// folder. What is told by functions is to be set before, too.
func New(l *evloop.Loop, log *applog.Log, root *appdir.RootFs, spec *appspec.Spec) *Pool {
	p := &Pool{loop: l, log: log, root: root, spec: spec, min: spec.Workers.Min, max: spec.Workers.Max, gen: 1, lastGen: 1,
		templates: map[int]*template{}, shares: map[int]string{}}
	p.noteProcesses()
	p.rx = evloop.NewReceiver(wsgi.MaxMessage + 4096)
	p.retry.Do = p.reconcile
	p.look.Do = p.watch
	p.rescue.Do = p.onRescue
	p.recheck.Do = p.onRecheck
	p.Access = applog.NewAccess(l, log, spec.Name)
	p.scaler.init(p)
	p.health.init(p)
	p.reaper.init(p)
	p.sweep.Do = p.onSweep
	p.Served, p.Configured = func(*appspec.Spec) {}, func(*appspec.Spec) {}
	p.Changed, p.Emptied, p.Admitted, p.Crowded = func() {}, func() {}, func(bool) {}, func() {}
	return p
}

// noteProcesses is called when the workers, or how many may be started, have
// changed: even an app of one worker has two while one takes the other's place.
func (p *Pool) noteProcesses() {
	p.Multiprocess.Store(p.max > 1 || len(p.workers) > 1)
}

// NotifyChanged notes a change of state.
func (p *Pool) NotifyChanged() {
	p.version++
	p.Changed()
}

// NewExchange returns an exchange with an empty message.
func (p *Pool) NewExchange() *Exchange {
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	return &Exchange{}
}

// Release takes back an exchange that was not submitted.
func (p *Pool) Release(x *Exchange) {
	x.reset()
	if len(p.free) < 256 {
		p.free = append(p.free, x)
	}
}

// number gives a request its sequence number.
func (p *Pool) number(x *Exchange) {
	p.seq++
	x.seq = p.seq
	binary.LittleEndian.PutUint32(x.Msg[4:8], x.seq)
	x.queuedAt = p.loop.Now()
}

// Submit takes a request whose message is complete. The sink may be called
// before submit returns.
func (p *Pool) Submit(x *Exchange) {
	p.number(x)
	if !x.health {
		p.stats.total++
		p.stats.active++
	}
	if !x.health && p.reserve() > 0 {
		x.slow = p.foresight.expects(x.Label)
	}
	if p.heldBack(x) {
		p.enqueue(x)
		return
	}
	if s := p.popIdle(); s != nil {
		if s.send(x, p.loop.Now()) {
			return
		}
		p.workerBroke(s.w, takesNone)
	} else if !x.alone() && x.slow == 0 && p.queue.n == 0 && !p.full() && p.prefetch(x) {
		return
	}
	p.enqueue(x)
}

func (p *Pool) enqueue(x *Exchange) {
	if p.full() {
		p.stats.rejected++
		p.fail(x, 503, fmt.Sprintf("%d requests wait for a worker already (workers.queue)", p.queue.n+p.prefetched))
		return
	}
	if t := p.retryIn(); t > p.spec.Workers.QueueTimeout.D() && p.countServing() == 0 {
		p.stats.rejected++
		p.fail(x, 503, "no worker runs: "+p.lastErr)
		return
	}
	p.queue.push(x)
	p.loop.SetBy(&p.sweep, x.queuedAt+int64(p.spec.Workers.QueueTimeout))
	p.scaler.demand()
}

// Abandon is told by a sink whose client is gone: what is not begun is dropped,
// what is at work is aborted at its next piece.
func (p *Pool) Abandon(x *Exchange) {
	x.Sink = nil
	if x.slot != nil {
		if x.slot.held[0] == x {
			x.slot.w.setAbort(x.slot, x.seq)
		}
		return
	}
	if p.queue.remove(x) {
		p.account(x)
		p.Release(x)
	}
}

// fail answers a request that no worker has, or whose worker is given up.
func (p *Pool) fail(x *Exchange, status int, reason string) {
	sink := x.sinkFor(true)
	if !x.headSent {
		x.status = status
	}
	x.endedAt = p.loop.Now()
	if status >= 500 && !x.health {
		p.stats.errors++
	}
	p.log.Warn(fmt.Sprintf("%s: %d: %s", x.Label, status, reason))
	if sink != nil {
		sink.Fail(status, reason)
	}
	if x.slot == nil {
		p.account(x)
		p.Release(x)
	}
}

// countCapacity notes how many slots serve, after workers came or went.
func (p *Pool) countCapacity() {
	p.capacity = 0
	for _, w := range p.workers {
		if w.life.serves() {
			p.capacity += len(w.slots)
		}
	}
}

// countServing is the number of workers that take requests.
func (p *Pool) countServing() int {
	n := 0
	for _, w := range p.workers {
		if w.life.serves() {
			n++
		}
	}
	return n
}

// retryIn is how long the back-off still waits; 0: it does not.
func (p *Pool) retryIn() time.Duration {
	if !p.retry.IsSet() {
		return 0
	}
	return time.Duration(p.retry.At() - p.loop.Now())
}

// jitter spreads n by up to a tenth upwards, so that workers do not go
// together.
func jitter(n int) uint64 {
	if n <= 0 {
		return 0
	}
	return uint64(n) + uint64(rand.IntN(n/10+1))
}
