package runner

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/runner/wsgi"
)

// rescueAfter is how long a request may be at work before those that wait
// behind it in its slot are given to other workers.
const rescueAfter = int64(2 * time.Millisecond)

// pool is the worker set of an app and the queue before it. It belongs to the
// loop. It decides every failure of a request: no worker in time 503, past the
// deadline 504, worker died 502.
type pool struct {
	loop  *loop
	log   *appLog
	spawn func(w *worker, spec *appspec.Spec) // starts the process; the result comes by workerStarted
	rx    *receiver

	spec     *appspec.Spec // what gen runs
	min, max int           // wanted numbers; the operator's scale overrides the spec's
	gen      int
	lastGen  int
	roll     *rollout
	rollErr  string
	rollWant string // digest of the spec whose rollout failed

	workers []*worker // all that have not been reaped
	// templates of workers.preload, by generation
	templates map[int]*template
	idle      []*slot // last in, first out: the warm ones work, the others are seen idle
	queue     fifo
	ahead     int   // requests that wait in slots, behind the one at work
	lanes     int   // slots of the workers that serve
	rescue    timer // looks for those that wait behind a slow one

	back     backoff
	retry    timer
	sweep    timer // request and queue deadlines
	stopping bool
	aborted  bool // stop without grace

	scaler scaler
	health checker
	childs children
	memory timer // next look at the workers' memory

	stats    stats
	access   *accessLog
	version  uint64
	restarts int
	lastErr  string
	trace    string
	loaded   string
	seq      uint32
	free     []*exchange

	changed  func()        // state changed: wakes those who wait for it
	emptied  func()        // stopping, and the last worker is gone
	admitted func(*worker) // a worker begins to serve
}

func newPool(l *loop, log *appLog, spec *appspec.Spec) *pool {
	p := &pool{loop: l, log: log, spec: spec, min: spec.Workers.Min, max: spec.Workers.Max, gen: 1, lastGen: 1,
		templates: map[int]*template{}}
	p.rx = newReceiver(wsgi.MaxMessage + 4096)
	p.retry.f = p.reconcile
	p.memory.f = p.watchMemory
	p.rescue.f = p.onRescue
	p.access = newAccessLog(l, log, spec.Name)
	p.scaler.init(p)
	p.health.init(p)
	p.childs.init(p)
	p.sweep.f = p.onSweep
	p.changed, p.emptied, p.admitted = func() {}, func() {}, func(*worker) {}
	return p
}

// touch notes a change of state.
func (p *pool) touch() {
	p.version++
	p.changed()
}

// newExchange returns an exchange with an empty message.
func (p *pool) newExchange() *exchange {
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	return &exchange{}
}

func (p *pool) release(x *exchange) {
	x.reset()
	if len(p.free) < 256 {
		p.free = append(p.free, x)
	}
}

// number gives a request its sequence number.
func (p *pool) number(x *exchange) {
	p.seq++
	x.seq = p.seq
	binary.LittleEndian.PutUint32(x.msg[4:8], x.seq)
	x.queuedAt = p.loop.now
}

// submit takes a request whose message is complete. The sink may be called
// before submit returns.
func (p *pool) submit(x *exchange) {
	p.number(x)
	if !x.health {
		p.stats.total++
		p.stats.active++
	}
	if s := p.popIdle(); s != nil {
		if s.send(x, p.loop.now) {
			return
		}
		p.workerBroke(s.w, "it does not take requests")
	} else if x.body == nil && p.queue.n == 0 && !p.full() && p.sendAhead(x) {
		return
	}
	p.enqueue(x)
}

func (p *pool) enqueue(x *exchange) {
	if p.full() {
		p.stats.rejected++
		p.fail(x, 503, fmt.Sprintf("%d requests wait for a worker already (workers.queue)", p.queue.n+p.ahead))
		return
	}
	if t := p.retryIn(); t > p.spec.Workers.QueueTimeout.D() && p.countServing() == 0 {
		p.stats.rejected++
		p.fail(x, 503, "no worker runs: "+p.lastErr)
		return
	}
	p.queue.push(x)
	p.loop.setBy(&p.sweep, x.queuedAt+int64(p.spec.Workers.QueueTimeout))
	p.scaler.demand()
}

// popIdle returns the slot that became idle last; nil: none is.
func (p *pool) popIdle() *slot {
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	s := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	s.idle = false
	return s
}

// notIdle takes a slot off the idle stack.
func (p *pool) notIdle(s *slot) {
	if !s.idle {
		return
	}
	s.idle = false
	if i := slices.Index(p.idle, s); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
}

// depth is how many requests a slot may hold now: its share of all there are,
// so that none hoards what another could do.
func (p *pool) depth() int {
	if p.lanes <= 1 {
		return slotDepth
	}
	return min(slotDepth, 2+(p.ahead+p.queue.n)/p.lanes)
}

// sendAhead gives a request to the busy slot that holds the fewest.
func (p *pool) sendAhead(x *exchange) bool {
	var best *slot
	for _, w := range p.workers {
		if !w.serving() {
			continue
		}
		for _, s := range w.slots {
			if best == nil || s.n < best.n {
				best = s
			}
		}
	}
	if best == nil || best.n >= p.depth() || !best.send(x, p.loop.now) {
		return false
	}
	p.isAhead(best)
	p.loop.setBy(&p.sweep, x.queuedAt+int64(p.spec.Workers.QueueTimeout))
	p.scaler.demand()
	return true
}

// full tells that as many requests wait as may.
func (p *pool) full() bool { return p.queue.n+p.ahead >= p.spec.Workers.Queue }

// isAhead counts a request that was sent to a slot which had one already.
func (p *pool) isAhead(s *slot) {
	if s.n < 2 {
		return
	}
	p.ahead++
	if p.lanes > 1 {
		p.loop.setBy(&p.rescue, p.loop.now+rescueAfter)
	}
}

// feed gives a slot that finished a request its next ones.
func (p *pool) feed(s *slot) {
	if !s.w.serving() {
		p.drainSlot(s)
		return
	}
	for p.queue.n > 0 && s.n < p.depth() {
		x := p.queue.pop()
		if (x.body != nil && s.n > 0) || !s.send(x, p.loop.now) {
			p.queue.unshift(x)
			break
		}
		p.isAhead(s)
	}
	if s.n == 0 && !s.idle {
		s.idle = true
		p.idle = append(p.idle, s)
	}
}

// onRescue puts requests that wait behind a slow one back to the head of the
// queue, and gives them to workers that have nothing to do.
func (p *pool) onRescue() {
	now := p.loop.now
	for _, w := range p.workers {
		for _, s := range w.slots {
			if s.n > 1 && now-s.held[0].begunAt >= rescueAfter {
				for _, x := range slices.Backward(p.recall(s)) {
					p.queue.unshift(x)
				}
				p.refill(s)
			}
		}
	}
	for p.queue.n > 0 {
		s := p.popIdle()
		if s == nil {
			break
		}
		n := p.queue.n
		p.feed(s)
		if p.queue.n == n {
			break // its socket takes nothing: another event will come
		}
	}
	if p.ahead > 0 && p.lanes > 1 {
		p.loop.set(&p.rescue, time.Duration(rescueAfter))
	}
}

// recall takes back what a slot's worker has not begun, but for requests whose
// client is gone: those end here.
func (p *pool) recall(s *slot) []*exchange {
	p.ahead -= s.ahead()
	back := s.takeBack()
	p.ahead += s.ahead()
	return slices.DeleteFunc(back, func(x *exchange) bool {
		if x.sink != nil {
			return false
		}
		p.account(x)
		p.release(x)
		return true
	})
}

// refill gives work to a slot whose worker had not even begun its first
// request when it was recalled.
func (p *pool) refill(s *slot) {
	if s.n == 0 {
		p.loop.post(func() {
			if s.n == 0 && s.fd >= 0 {
				p.feed(s)
			}
		})
	}
}

// drainSlot moves a leaving worker's slot on.
func (p *pool) drainSlot(s *slot) {
	if s.n == 0 && s.w.ready > 0 && s.w.state == WorkerDraining {
		s.sendQuit()
	}
}

// onMessage handles one message of a worker.
func (p *pool) onMessage(s *slot, msg []byte, passed int) {
	w := s.w
	typ, flags, seq, payload, err := wsgi.ParseMessage(msg)
	if err != nil {
		closePassed(passed)
		p.workerBroke(w, "it sent rubbish: "+err.Error())
		return
	}
	if w.template != nil && typ != wsgi.MsgFailed {
		closePassed(passed)
		if !w.template.onMessage(typ, payload) {
			p.workerBroke(w, "it sent what no template sends")
		}
		return
	}
	switch typ {
	case wsgi.MsgReady:
		closePassed(passed)
		p.workerReady(w, payload)
		return
	case wsgi.MsgFailed:
		closePassed(passed)
		p.workerFailed(w, payload)
		return
	}
	if s.n == 0 || s.held[0].seq != seq {
		closePassed(passed)
		p.workerBroke(w, fmt.Sprintf("it answered request %d, which it does not have", seq))
		return
	}
	x := s.held[0]
	end := flags&wsgi.FlagEnd != 0
	if typ != wsgi.MsgFile {
		closePassed(passed)
	}
	switch typ {
	case wsgi.MsgHead:
		var h wsgi.ResponseHead
		body, err := wsgi.ParseHead(payload, &h)
		if err != nil || x.headSent {
			p.workerBroke(w, fmt.Sprintf("it sent a bad response head: %v", err))
			return
		}
		x.headSent = true
		if x.endedAt == 0 {
			x.status, x.sent = h.Status, int64(len(body))
		}
		if h.ContentLength >= 0 {
			x.access.bound(h.ContentLength)
		}
		if h.Status >= 500 && !x.health {
			p.stats.errors++
		}
		if x.sink != nil {
			if end {
				sink := x.sink
				x.sink = nil
				sink.Head(&h, body, true)
			} else {
				x.sink.Head(&h, body, false)
			}
		}
	case wsgi.MsgData:
		if !x.headSent {
			p.workerBroke(w, "it sent a body before its head")
			return
		}
		x.sent += int64(len(payload))
		if x.sink != nil {
			if end {
				sink := x.sink
				x.sink = nil
				sink.Data(payload, true)
			} else {
				x.sink.Data(payload, false)
			}
		}
	case wsgi.MsgFile:
		off, n, err := wsgi.ParseFile(payload)
		if err != nil || !x.headSent || !isRegular(passed) {
			closePassed(passed)
			p.workerBroke(w, "it sent a bad file message")
			return
		}
		x.sent += n
		f := newFile(passed)
		if x.sink == nil {
			_ = f.Close()
		} else if end {
			sink := x.sink
			x.sink = nil
			sink.File(f, off, n, true)
		} else {
			x.sink.File(f, off, n, false)
		}
	case wsgi.MsgEnd:
		end = true
		if sink := x.sink; sink != nil {
			x.sink = nil
			if !x.headSent {
				x.status = 500
				p.stats.errors++
				sink.Fail(500, "the application sent no response")
			} else {
				sink.Data(nil, true)
			}
		}
	case wsgi.MsgAbort:
		end = true
		p.stats.errors++
		if x.status == 0 {
			x.status = 500
		}
		if sink := x.sink; sink != nil {
			x.sink = nil
			sink.Fail(500, "the application failed after its response began")
		}
	default:
		p.workerBroke(w, fmt.Sprintf("it sent a message of unknown type %q", typ))
		return
	}
	if end {
		p.finished(s)
	}
}

// finished ends the request at the head of a slot and gives the slot its next.
func (p *pool) finished(s *slot) {
	if s.n > 1 {
		p.ahead--
	}
	x := s.pop(p.loop.now)
	w := s.w
	if !x.health {
		w.served++
		w.sent += uint64(x.sent)
		w.worked += p.loop.now - x.begunAt
		if x.status >= 500 {
			w.errors++
		}
		p.scaler.served(p.loop.now - x.begunAt)
	}
	w.idleSince = p.loop.now
	p.account(x)
	p.release(x)
	if w.limit > 0 && w.served >= w.limit && w.recycle == "" && w.retired == "" {
		p.stats.restarts[restartRequests]++
		p.recycle(w, fmt.Sprintf("it has served %d requests (workers.max_requests)", w.served))
	}
	p.feed(s)
	if p.stopping {
		p.drainAll()
	}
}

// account counts an ended request.
func (p *pool) account(x *exchange) {
	if x.health {
		return
	}
	p.stats.active--
	end := p.loop.now
	if x.endedAt > 0 {
		end = x.endedAt
	}
	p.answered(x, end-x.queuedAt)
}

// abandon is told by a sink whose client is gone: what is not begun is dropped,
// what is at work is aborted at its next piece.
func (p *pool) abandon(x *exchange) {
	x.sink = nil
	if x.slot != nil {
		if x.slot.held[0] == x {
			x.slot.w.setAbort(x.slot, x.seq)
		}
		return
	}
	if p.queue.remove(x) {
		p.account(x)
		p.release(x)
	}
}

// fail answers a request that no worker has, or whose worker is given up.
func (p *pool) fail(x *exchange, status int, reason string) {
	sink := x.sink
	x.sink = nil
	if !x.headSent {
		x.status = status
	}
	x.endedAt = p.loop.now
	if status >= 500 && !x.health {
		p.stats.errors++
	}
	p.log.warn(fmt.Sprintf("%s: %d: %s", x.label, status, reason))
	if sink != nil {
		sink.Fail(status, reason)
	}
	if x.slot == nil {
		p.account(x)
		p.release(x)
	}
}

// onSweep looks for requests past their deadline.
func (p *pool) onSweep() {
	now := p.loop.now
	next := int64(1<<63 - 1)
	limit := int64(p.spec.Workers.QueueTimeout)
	// Those that wait too long behind another in a slot wait in the queue first.
	for _, w := range p.workers {
		for _, s := range w.slots {
			if s.n < 2 {
				continue
			}
			if due := s.held[1].queuedAt + limit; due > now {
				next = min(next, due)
				continue
			}
			for _, x := range slices.Backward(p.recall(s)) {
				p.queue.unshift(x)
			}
			p.refill(s)
		}
	}
	for p.queue.n > 0 {
		x := p.queue.peek()
		if x.queuedAt+limit > now {
			next = min(next, x.queuedAt+limit)
			break
		}
		p.queue.pop()
		p.stats.rejected++
		p.fail(x, 503, fmt.Sprintf("no worker was free within %v (workers.queue_timeout)", p.spec.Workers.QueueTimeout))
	}
	for _, w := range slices.Clone(p.workers) {
		for _, s := range w.slots {
			if s.n == 0 || s.held[0].deadline == 0 {
				continue
			}
			if d := s.held[0].deadline; d > now {
				next = min(next, d)
			} else {
				p.timedOut(s)
			}
		}
	}
	if next < 1<<63-1 {
		p.loop.setBy(&p.sweep, next)
	}
}

// timedOut answers 504 and replaces the worker, whose Python stacks go to the
// log before it is killed.
func (p *pool) timedOut(s *slot) {
	x := s.held[0]
	x.deadline = 0
	p.stats.timeouts++
	p.fail(x, 504, fmt.Sprintf("worker %d has been at it for %v (workers.request_timeout); it is replaced, its stack follows",
		s.w.pid, p.spec.Workers.RequestTimeout))
	w := s.w
	w.killed = "a request ran into workers.request_timeout"
	p.stats.restarts[restartTimeout]++
	p.retire(w, w.killed)
	for _, o := range w.slots {
		if o != s && o.n > 0 && o.held[0].deadline > 0 {
			return // another thread of it is at work: let that finish first
		}
	}
	p.dumpAndKill(w)
}

// dumpAndKill makes the worker write its stacks (faulthandler answers SIGABRT)
// and makes sure that it ends.
func (p *pool) dumpAndKill(w *worker) {
	w.signal(unix.SIGABRT)
	w.timer.f = func() { w.signal(unix.SIGKILL) }
	p.loop.set(&w.timer, time.Second)
}

// countLanes notes how many slots serve, after workers came or went.
func (p *pool) countLanes() {
	p.lanes = 0
	for _, w := range p.workers {
		if w.serving() {
			p.lanes += len(w.slots)
		}
	}
}

// countServing is the number of workers that take requests.
func (p *pool) countServing() int {
	n := 0
	for _, w := range p.workers {
		if w.serving() {
			n++
		}
	}
	return n
}

// retryIn is how long the back-off still waits; 0: it does not.
func (p *pool) retryIn() time.Duration {
	if p.retry.idx == 0 {
		return 0
	}
	return time.Duration(p.retry.at - p.loop.now)
}

// jitter spreads n by up to a tenth upwards, so that workers do not go
// together.
func jitter(n int) uint64 {
	if n <= 0 {
		return 0
	}
	return uint64(n) + uint64(rand.IntN(n/10+1))
}
