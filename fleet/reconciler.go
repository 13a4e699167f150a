package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/metrics"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/plan"
)

// Reconciler brings apps to their specs, each at most once at a time, several
// at a time. What is queued is a name, never a spec: the truth is read when
// the name's turn comes.
type Reconciler struct {
	e     *engine
	slots slots
	times metrics.Reconciles
	// after is called after each pass, from its goroutine.
	after func(name string, out outcome)

	ctx    context.Context // of all passes; cancelled by Close
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // one for each name at work

	mu     sync.Mutex // guards all below
	names  map[string]*turn
	closed bool
	paused bool
	active int // names queued or at work; while paused, at work
	passes int // that have come to an end
}

// turn is where one name stands.
type turn struct {
	order     order
	waiters   []chan<- outcome // of the next pass; buffered, one send each
	queued    bool
	running   bool
	interrupt context.CancelCauseFunc // of the pass at work; nil: none is
	retry     *time.Timer             // the next try of what failed; nil: none is due
	deaths    deaths
}

// errClosing is the cause with which passes end when the daemon ends, errPaused
// when it wants to put another program in its place.
var (
	errClosing = errors.New("the daemon is ending")
	errPaused  = errors.New("the daemon is being upgraded")
)

func newReconciler(e *engine) *Reconciler {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Reconciler{
		e: e, slots: newSlots(), names: map[string]*turn{}, ctx: ctx, cancel: cancel,
		after: func(string, outcome) {},
	}
}

// Close interrupts what waits, lets what works come to its end and waits for it.
// The apps run on.
func (r *Reconciler) Close() {
	r.shut()
	r.wg.Wait()
}

// shut is Close without the wait.
func (r *Reconciler) shut() {
	r.mu.Lock()
	r.closed = true
	for _, t := range r.names {
		if t.retry != nil {
			t.retry.Stop()
		}
	}
	r.mu.Unlock()
	r.cancel(errClosing)
}

// pause interrupts what waits and keeps anything new from beginning. It returns
// when nothing is at work, or after the limit, with whether that is so. resume
// takes up again what was interrupted and what has come meanwhile.
func (r *Reconciler) pause(limit time.Duration) (quiet bool) {
	r.mu.Lock()
	r.paused = true
	for _, t := range r.names {
		if t.interrupt != nil {
			t.interrupt(errPaused)
		}
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return r.quiet(ctx)
}

// quiet waits until nothing is queued or at work, and tells whether that is so:
// the context may end before.
func (r *Reconciler) quiet(ctx context.Context) bool {
	for r.busy() > 0 && ctx.Err() == nil {
		pause(ctx, 2*time.Millisecond)
	}
	return r.busy() == 0
}

// quietOrStuck is quiet that gives up when no pass has come to its end for the
// patience: what is still at work is held up.
func (r *Reconciler) quietOrStuck(ctx context.Context, patience time.Duration) (quiet bool) {
	last, since := -1, time.Now()
	for ctx.Err() == nil {
		r.mu.Lock()
		active, passes := r.active, r.passes
		r.mu.Unlock()
		if active == 0 {
			return true
		}
		if passes != last {
			last, since = passes, time.Now()
		} else if time.Since(since) > patience {
			return false
		}
		pause(ctx, 2*time.Millisecond)
	}
	return false
}

// atWork are the names that are queued or at work.
func (r *Reconciler) atWork() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.names {
		if t.running {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// working tells whether a name is queued or at work.
func (r *Reconciler) working(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.names[name]
	return t != nil && (t.queued || t.running)
}

func (r *Reconciler) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	for name, t := range r.names {
		if t.queued && !t.running {
			r.begin(name, t)
		}
	}
}

// Enqueue puts a name in the queue. With interrupt a pass at work on it gives
// up its waiting, as what it waits for is out of date.
func (r *Reconciler) Enqueue(name string, ord order, interrupt bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enqueue(name, ord, interrupt, nil)
}

// do makes a pass that begins after the call, and returns where it led.
func (r *Reconciler) do(ctx context.Context, name string, ord order) outcome {
	ch := make(chan outcome, 1)
	r.mu.Lock()
	r.enqueue(name, ord, true, ch)
	r.mu.Unlock()
	select {
	case out := <-ch:
		return out
	case <-ctx.Done():
		return outcome{err: context.Cause(ctx)}
	}
}

// enqueue needs mu.
func (r *Reconciler) enqueue(name string, ord order, interrupt bool, waiter chan<- outcome) {
	if r.closed {
		if waiter != nil {
			waiter <- outcome{err: errClosing}
		}
		return
	}
	t := r.names[name]
	if t == nil {
		t = &turn{}
		r.names[name] = t
	}
	t.order = t.order.merge(ord)
	if waiter != nil {
		t.waiters = append(t.waiters, waiter)
	}
	if interrupt && t.interrupt != nil {
		t.interrupt(errSuperseded)
	}
	if t.queued {
		return
	}
	t.queued = true
	if t.running || r.paused {
		return // its goroutine sees queued when the pass is done
	}
	r.begin(name, t)
}

// begin needs mu.
func (r *Reconciler) begin(name string, t *turn) {
	t.running = true
	r.active++
	r.wg.Add(1)
	go r.work(name, t)
}

// work makes passes over one name until nothing is queued for it.
func (r *Reconciler) work(name string, t *turn) {
	defer r.wg.Done()
	for {
		r.slots.take()
		r.mu.Lock()
		if r.closed {
			r.end(name, t)
			r.mu.Unlock()
			r.slots.give()
			return
		}
		if r.paused {
			t.running = false
			r.active--
			r.mu.Unlock()
			r.slots.give()
			return
		}
		ord, waiters := t.order, t.waiters
		t.order, t.waiters, t.queued = order{}, nil, false
		ctx, cancel := context.WithCancelCause(r.ctx)
		t.interrupt = cancel
		if t.retry != nil {
			t.retry.Stop()
			t.retry = nil
		}
		r.mu.Unlock()

		began := time.Now()
		out := r.e.pass(ctx, name, ord, r.slots.idle)
		r.times.Note(time.Since(began), out.err != nil && !errors.Is(out.err, errSuperseded) && !errors.Is(out.err, errClosing))
		cancel(nil)
		r.slots.give()
		r.after(name, out)
		r.mu.Lock()
		r.passes++
		r.mu.Unlock()
		if errors.Is(out.err, errPaused) || errors.Is(out.err, errSuperseded) {
			// Not done: what was asked for is taken up again, with what has come
			// meanwhile, unless another program does so. Who waits, waits on.
			if out.kept {
				ord.edits = nil
			}
			r.mu.Lock()
			t.interrupt = nil
			t.order = ord.merge(t.order)
			t.waiters = append(waiters, t.waiters...)
			t.queued = true
			r.mu.Unlock()
			continue
		}
		for _, w := range waiters {
			w <- out
		}

		r.mu.Lock()
		t.interrupt = nil
		r.schedule(name, t, out)
		if !t.queued {
			r.end(name, t)
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// end needs mu: nobody works on the name any more.
func (r *Reconciler) end(name string, t *turn) {
	t.running = false
	r.active--
	for _, w := range t.waiters {
		w <- outcome{err: errClosing}
	}
	t.waiters = nil
	if t.retry == nil && t.deaths.count == 0 {
		delete(r.names, name)
	}
}

// schedule needs mu: it sets the timer of the next try.
func (r *Reconciler) schedule(name string, t *turn, out outcome) {
	if out.retryAt.IsZero() || r.closed {
		return
	}
	r.later(name, t, out.retryAt.Sub(r.e.now()))
}

// later needs mu.
func (r *Reconciler) later(name string, t *turn, wait time.Duration) {
	if t.retry != nil {
		t.retry.Stop()
	}
	t.retry = time.AfterFunc(max(wait, 0)+time.Millisecond, func() {
		r.Enqueue(name, order{}, false)
	})
}

// died counts the death of a master that nobody stopped, and has its app
// brought back: at once the first time, later if it dies again and again.
func (r *Reconciler) died(name string, lived time.Duration, restart appspec.Restart) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0
	}
	t := r.names[name]
	if t == nil {
		t = &turn{}
		r.names[name] = t
	}
	wait = t.deaths.next(lived, restart, chance())
	if wait == 0 {
		r.enqueue(name, order{Request: plan.Request{Dead: true}}, true, nil)
	} else {
		r.later(name, t, wait)
	}
	return wait
}

// busy is the number of names queued or at work.
func (r *Reconciler) busy() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}
